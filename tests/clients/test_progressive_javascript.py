"""A running period is billed in parts through the JavaScript client, on the test clock (billing rules 7): the line is
split, its first part goes on the new invoice, the rest waits, and again within the same period; drafts of parts are
collected anew, tried again and moved on as any other."""

import pytest

from tests.clients.test_billing_javascript import ACME, OURS
from tests.support.books import assert_books_are_clean
from tests.support.customers import make_default_profile

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

# 110 units a month are free, each further one is 1.00.
METERED = {
    "key": "storage",
    "name": "Storage",
    "currency": "EUR",
    "billingCadence": "P1M",
    "phases": [
        {
            "key": "main",
            "name": "Main",
            "duration": None,
            "rateCards": [
                {
                    "type": "usage_based",
                    "key": "calls",
                    "name": "Calls",
                    "featureKey": "calls",
                    "billingCadence": "P1M",
                    "price": {"type": "unit", "amount": "1.00"},
                    "discounts": {"usage": {"quantity": "110"}},
                }
            ],
        }
    ],
}
STORY = """
const feature = async () => {
  await openmeter.meters.create({
    slug: 'calls', name: 'Calls', eventType: 'call', aggregation: 'SUM', valueProperty: '$.n',
  })
  await openmeter.features.create({ key: 'calls', name: 'Calls', meterSlug: 'calls' })
}
let sent = 0
const use = (time, n) => openmeter.events.ingest({
  specversion: '1.0', id: `use-${sent++}`, source: 'test', type: 'call', subject: 'acme', time: new Date(time),
  data: { n },
})
const refusal = (promise) => promise.then(() => null, (error) => ({ status: error.status, message: error.message }))
const linesOf = ({ lines }) => lines.map(({ id, parentLineId, status, period, totals, quantity }) =>
  ({ id, parent: parentLineId ?? null, status, from: period.from, to: period.to, total: totals.total, quantity }))
const gathering = async () => {
  const page = await openmeter.billing.invoices.list({
    customers: [customer.id], statuses: ['gathering'], expand: ['lines'],
  })
  return page.items.length ? linesOf(page.items[0]) : []
}
const split = async (more = {}) => {
  const [made] = await openmeter.billing.invoices.invoicePendingLines({ customerId: customer.id, ...more })
  return openmeter.billing.invoices.get(made.id)
}
""" + OURS.replace(
    "await openmeter.features.create({ key: 'excess', name: 'Excess storage' })",
    "await feature()",
)


@pytest.fixture
def story(js):
    return lambda statements: js(STORY + statements, plan=METERED, customer=ACME)


def test_a_line_is_split_and_split_again_within_its_period(story):
    """Of 110 free units 50 are used first, where nothing would be owed and nothing is cut, then 75, 30 and 5 more: 15,
    30 and 5 are billed."""
    make_default_profile(progressive_billing=True)
    answer = story(
        """
        await use('2026-03-17T00:00:00Z', 50)
        await setClock('2026-03-19T00:00:00Z')
        const free = await refusal(split())
        await use('2026-03-18T00:00:00Z', 75)
        await setClock('2026-03-20T00:00:00Z')
        const before = await gathering()
        const first = await split()
        const afterFirst = await gathering()
        const again = await refusal(split())
        const early = await refusal(split({ asOf: new Date('2026-03-19T00:00:00Z') }))
        const late = await refusal(split({ asOf: new Date('2026-03-21T00:00:00Z') }))
        await setClock('2026-04-01T00:00:00Z')
        await use('2026-03-25T00:00:00Z', 30)
        const second = await split()
        const afterSecond = await gathering()
        await setClock('2026-04-11T00:00:00Z')
        await use('2026-04-10T00:00:00Z', 5)
        await setClock('2026-04-17T00:00:00Z')
        const last = (await issued(customer.id)).find((each) => ![first.id, second.id].includes(each.id))
        return { before, first, afterFirst, second, afterSecond, last, parts: [first, second, last].map(linesOf),
          refused: [free, again, early, late] }
        """
    )
    start, one, two, end = (f"2026-{day}T00:00:00.000Z" for day in ("03-17", "03-20", "04-01", "04-17"))
    [line1] = answer["before"]
    assert (line1["parent"], line1["status"], line1["from"], line1["to"]) == (None, "valid", start, end)

    [[part1], [part2], last] = answer["parts"]
    group = {"id": line1["id"], "parent": None, "status": "split", "from": start, "to": end, "total": "0.00"}
    open1 = next(line for line in answer["afterFirst"] if line["status"] == "valid")
    open2 = next(line for line in answer["afterSecond"] if line["status"] == "valid")
    assert (part1["parent"], part1["status"], part1["from"], part1["to"]) == (line1["id"], "valid", start, one)
    assert (open1["parent"], open1["from"], open1["to"]) == (line1["id"], one, end)
    assert (part2["parent"], part2["status"], part2["from"], part2["to"]) == (line1["id"], "valid", one, two)
    assert (open2["parent"], open2["from"], open2["to"]) == (line1["id"], two, end)
    for lines in (answer["afterFirst"], answer["afterSecond"]):
        assert [group.items() <= line.items() for line in lines if line["id"] == line1["id"]] == [True]
        assert len(lines) == 2
    part3 = next(line for line in last if line["status"] == "valid")
    assert (part3["parent"], part3["from"], part3["to"]) == (line1["id"], two, end)

    assert [line["total"] for line in (part1, part2, part3)] == ["15.00", "30.00", "5.00"]
    totals = [answer[name]["totals"]["total"] for name in ("first", "second", "last")]
    assert totals == ["15.00", "30.00", "5.00"]
    assert [each["status"] for each in answer["refused"]] == [400, 400, 400, 400]
    assert_books_are_clean("2026-04-17")


def test_the_draft_of_a_part_is_collected_anew_and_moved_on(story):
    """60 units more than the free ones when it was split, 65 when its quantities were taken anew; the day of its
    collection ends, then it is moved on by hand. The rest of the period bills what came after the split."""
    make_default_profile(progressive_billing=True, collection_interval="P1D", draft_period="P2D")
    answer = story(
        """
        await use('2026-03-17T00:00:00Z', 170)
        await setClock('2026-03-20T00:00:00Z')
        const made = await split()
        await use('2026-03-19T00:00:00Z', 5)
        const taken = await openmeter.billing.invoices.snapshotQuantities(made.id)
        const early = await refusal(openmeter.billing.invoices.retry(made.id))
        await setClock('2026-03-22T23:00:00Z')
        const waiting = await openmeter.billing.invoices.get(made.id)
        const approved = await openmeter.billing.invoices.approve(made.id)
        await setClock('2026-04-02T00:00:00Z')
        await use('2026-04-01T00:00:00Z', 7)
        await setClock('2026-04-20T00:00:00Z')
        return { made, taken, early, waiting, approved, all: await issued(customer.id) }
        """
    )
    assert (answer["made"]["totals"]["total"], answer["taken"]["totals"]["total"]) == ("60.00", "65.00")
    assert answer["early"]["status"] == 412
    assert (answer["approved"]["number"], answer["approved"]["totals"]["total"]) == ("INV-000001", "65.00")
    assert [invoice["totals"]["total"] for invoice in answer["all"]] == ["65.00", "7.00"]
    assert_books_are_clean("2026-04-20")
