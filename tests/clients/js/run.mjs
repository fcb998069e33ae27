// Runs a test's statements with the official client; the conftest puts them where the comment stands.
import { OpenMeter, isHTTPError } from '@openmeter/sdk'

const openmeter = new OpenMeter({ baseUrl: process.env.BASE_URL, apiKey: process.env.API_KEY })
const input = JSON.parse(process.env.INPUT)

const run = async () => {
  /* statements */
}

const answer = await run().catch((error) => {
  if (!isHTTPError(error)) throw error
  const { name, status, title, type, message } = error
  return { error: { name, status, title, type, message, extensions: error.getField('extensions') } }
})
console.log(JSON.stringify(answer ?? null))
