"""The life of a draft through the JavaScript client, on the test clock: each verb as the client types it."""

import pytest

from tests.clients.test_billing_javascript import ACME, OURS, STORAGE
from tests.support.customers import make_default_profile

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

DRAFTS = """
const drafts = async () => (await openmeter.billing.invoices.list({
  customers: [customer.id], statuses: ['draft'], expand: ['lines'], orderBy: 'createdAt', order: 'ASC',
})).items
const refusal = (promise) => promise.then(() => null, (error) => ({ status: error.status, message: error.message }))
const replacement = (invoice, lines) => ({
  supplier: { name: invoice.supplier.name }, customer: { name: invoice.customer.name },
  workflow: { workflow: invoice.workflow.workflow }, metadata: { order: '4711' }, description: 'As agreed', lines,
})
const line = ({ id, name, period, invoiceAt, rateCard }, changes = {}) =>
  ({ id, name, period, invoiceAt, rateCard, ...changes })
const training = {
  name: 'Training', invoiceAt: new Date('2026-03-20T00:00:00Z'),
  period: { from: new Date('2026-03-20T00:00:00Z'), to: new Date('2026-03-20T00:00:00Z') },
  rateCard: { price: { type: 'flat', amount: '30.00' } },
}
"""


@pytest.fixture
def story(js):
    return lambda statements: js(OURS + DRAFTS + statements, plan=STORAGE, customer=ACME)


def test_a_draft_is_edited_approved_and_never_edited_again(story):
    """50.00 less 10 % are 45.00, and 30.00 for a training."""
    make_default_profile(auto_advance=False)
    answer = story(
        """
        // Not of a run that this key started: such a draft takes a second person.
        const setup = { ...training, name: 'Setup', invoiceAt: new Date('2026-03-17T00:00:00Z'),
          rateCard: { price: { type: 'flat', amount: '50.00' } } }
        const bare = await openmeter.customers.create({ name: 'Globex', key: 'globex', currency: 'EUR' })
        await openmeter.billing.invoices.createLineItems(bare.id, { currency: 'EUR', lines: [setup] })
        const [draft] = await openmeter.billing.invoices.invoicePendingLines({ customerId: bare.id })
        const [fee] = draft.lines
        const off = { ...fee.rateCard, discounts: { percentage: { percentage: 10 } } }
        const edited = await openmeter.billing.invoices.update(
          draft.id, replacement(draft, [line(fee, { rateCard: off }), training]))
        const nothing = await refusal(openmeter.billing.invoices.retry(draft.id))
        const advanced = await refusal(openmeter.billing.invoices.advance(draft.id))
        const snapshot = await refusal(openmeter.billing.invoices.snapshotQuantities(draft.id))
        const approved = await openmeter.billing.invoices.approve(draft.id)
        const late = await refusal(openmeter.billing.invoices.update(draft.id, replacement(draft, [line(fee)])))
        return { edited, nothing, advanced, snapshot, approved, late }
        """
    )
    edited = answer["edited"]
    assert (edited["totals"]["total"], edited["description"], edited["metadata"]) == (
        "75.00",
        "As agreed",
        {"order": "4711"},
    )
    assert [(line["name"], line["managedBy"]) for line in edited["lines"]] == [
        ("Setup", "manual"),
        ("Training", "manual"),
    ]
    assert [answer[name]["status"] for name in ("nothing", "advanced", "snapshot", "late")] == [412] * 4
    assert "No step of it has failed" in answer["nothing"]["message"]
    assert "Credit what is wrong on it" in answer["late"]["message"]
    assert (answer["approved"]["number"], answer["approved"]["totals"]["total"]) == ("INV-000001", "75.00")


def test_a_pending_line_is_invoiced_in_its_time_and_its_draft_deleted(story):
    """Due on 20 March; the draft of that day waits two days, is collected early where it can be, deleted, made again,
    and issued by its next step."""
    make_default_profile(draft_period="P2D")
    answer = story(
        """
        await setClock('2026-03-19T00:00:00Z')
        const added = await openmeter.billing.invoices.createLineItems(customer.id, {
          currency: 'EUR', lines: [training] })
        const wrong = await refusal(openmeter.billing.invoices.createLineItems(customer.id, {
          currency: 'USD', lines: [training] }))
        await setClock('2026-03-20T00:00:00Z')
        const [draft] = (await drafts()).filter((each) => each.lines.some((line) => line.name === 'Training'))
        await openmeter.billing.invoices.delete(draft.id)
        await setClock('2026-03-20T01:00:00Z')
        const again = (await drafts()).filter(
          (each) => each.id !== draft.id && each.lines.some((line) => line.name === 'Training'))
        await setClock('2026-03-22T02:00:00Z')
        const paid = (await issued(customer.id)).map((each) => [each.number, each.totals.total])
        return { added, wrong, draft, again, paid }
        """
    )
    added = answer["added"]
    assert (added["isInvoiceNew"], added["lines"][0]["totals"]["total"]) == (False, "30.00")
    assert (answer["wrong"]["status"], "billed in EUR" in answer["wrong"]["message"]) == (400, True)
    assert answer["draft"]["lines"][0]["id"] == added["lines"][0]["id"]
    assert [each["totals"]["total"] for each in answer["again"]] == ["30.00"]
    assert answer["paid"] == [["INV-000001", "50.00"], ["INV-000002", "30.00"]]
