"""Invoices that are given up, and money that comes in after all."""

from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import InvalidInput
from invoicing.errors import WrongInvoiceState
from invoicing.models import WriteOff
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import mark_uncollectible, write_off
from tests.support.books import run_check
from tests.support.closing import START, make_issued

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice():
    made = make_issued(decline=True)
    assert made.next_collection_at is not None
    with clock.frozen_at(START):
        yield made


def test_an_uncollectible_invoice_is_collected_no_more_and_still_owed(invoice):
    marked = mark_uncollectible(invoice=invoice, reason="Insolvent")
    assert (marked.status, str(marked.due), marked.next_collection_at) == ("uncollectible", "50.00", None)
    assert AuditEntry.objects.get(verb="mark_uncollectible").reason == "Insolvent"


def test_what_is_written_off_is_due_no_more(invoice):
    written = write_off(invoice=invoice, reason="Insolvent")
    assert (written.status, str(written.written_off), written.due) == ("uncollectible", "50.00", 0)
    with pytest.raises(WrongInvoiceState, match="Nothing is due"):
        write_off(invoice=invoice, reason="Again")
    assert run_check("--only", "7")[0] == 0


def test_money_for_what_was_written_off_is_recovered(invoice):
    write_off(invoice=invoice, reason="Insolvent")
    record_payment(invoice=invoice, amount=Decimal("20.00"), received_at=START, reference="quota")
    assert (invoice.status, str(invoice.paid), str(invoice.written_off)) == ("uncollectible", "20.00", "30.00")
    record_payment(invoice=invoice, amount=Decimal("40.00"), received_at=START, reference="rest")
    assert (invoice.status, str(invoice.written_off), str(invoice.moved_to_balance)) == ("paid", "0.00", "10.00")
    assert [str(entry.amount) for entry in WriteOff.objects.order_by("id")] == ["50.00", "-20.00", "-30.00"]
    assert run_check("--only", "7")[0] == 0


def test_without_a_reason_nothing_is_given_up(invoice):
    for give_up in (mark_uncollectible, write_off):
        with pytest.raises(InvalidInput, match="Say why"):
            give_up(invoice=invoice, reason=" ")
    assert not WriteOff.objects.exists()
