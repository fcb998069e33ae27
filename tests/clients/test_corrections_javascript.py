"""Corrections of issued invoices through the JavaScript client, on the test clock."""

import pytest

from tests.clients.test_billing_javascript import ACME, OURS, STORAGE
from tests.support.books import assert_books_are_clean
from tests.support.customers import make_default_profile

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

WHOLE = "{ percentage: 100, action: { type: 'pending' } }"


@pytest.fixture
def story(js):
    """50.00 are due on 17 March 2026; nothing is charged by itself."""
    make_default_profile(collection_method="send_invoice")
    return lambda statements: js(OURS + statements, plan=STORAGE, customer=ACME)


def test_a_voided_invoice_is_billed_again_and_a_reissued_one_names_the_other(story):
    answer = story(
        f"""
        const [first] = await issued(customer.id)
        const voided = await openmeter.billing.invoices.void(first.id, {{ action: {WHOLE}, reason: 'Wrong address' }})
        await setClock('2026-03-17T01:00:00Z')
        const [second] = await issued(customer.id)
        const pair = await call('POST', `/billing/invoices/${{second.id}}/reissue`, {{ reason: 'Wrong again' }})
        const [third] = await issued(customer.id)
        const read = await openmeter.billing.invoices.get(second.id)
        return {{ first, voided, second, pair, third, read }}
        """
    )
    first, voided, third = answer["first"], answer["voided"], answer["third"]
    assert first["statusDetails"]["availableActions"]["void"] == {"resultingState": "voided"}
    assert (voided["number"], voided["status"], voided["voidedAt"]) == (
        "INV-000001",
        "voided",
        "2026-03-17T00:00:00.000Z",
    )
    assert (answer["second"]["number"], answer["second"]["totals"]["total"]) == ("INV-000002", "50.00")
    assert (answer["pair"]["voided"]["number"], answer["pair"]["replacement"]["number"]) == ("INV-000002", "INV-000003")
    assert [(each["number"], each["type"]) for each in third["preceding"]] == [
        ("INV-000002", "credit_note_original_invoice")
    ]
    assert answer["read"]["replacedBy"] == {"id": third["id"], "number": "INV-000003"}
    assert_books_are_clean("2026-03-17T01:00")


def test_a_line_is_credited_and_the_note_is_listed_and_read(story):
    answer = story(
        """
        const [invoice] = await issued(customer.id)
        const made = await call('POST', '/credit-notes', {
          invoiceId: invoice.id, lines: [{ lineId: invoice.lines[0].id, amount: '20.00' }], refundTo: 'balance',
          reason: 'Wrong price',
        })
        const listed = await call('GET', `/credit-notes?invoices=${invoice.id}`)
        const read = await call('GET', `/credit-notes/${made.id}`)
        const after = await openmeter.billing.invoices.get(invoice.id)
        let refused = ''
        try {
          await openmeter.billing.invoices.void(invoice.id, {
            action: { percentage: 100, action: { type: 'discard' } }, reason: 'x',
          })
        } catch (error) { refused = String(error.message) }
        return { made, listed, read, after, refused }
        """
    )
    made = answer["made"]
    assert (made["number"], made["totals"]["total"], made["reducedDue"]) == ("CN-000001", "20.00", "20.00")
    assert answer["listed"]["items"] == [made] == [answer["read"]]
    assert (answer["after"]["amounts"]["credited"], answer["after"]["amounts"]["due"]) == ("20.00", "30.00")
    assert "20.00 EUR of it is credited: credit the rest" in answer["refused"]
    assert_books_are_clean("2026-03-17")
