"""Lines refer to the window that they bill or add to: what is voided or deleted is billed again, the rest is not."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.closing.close_customers import close_customers
from invoicing.corrections.reopen_windows import reopen_windows
from invoicing.models import BilledWindow, CreditNote, Invoice, InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.closing import close
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import totals

pytestmark = pytest.mark.django_db

SEATS = flat_card(key="seats", name="Seats", price={"type": "flat", "amount": "10.00", "paymentTerm": "in_advance"})


@pytest.fixture
def seats():
    """Five seats at 10.00 in April, eight from the 16th: 50.00 on INV-000001, 15.00 more on INV-000002; both open."""
    make_default_profile()
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(
            customer=customer,
            plan=make_plan(cards=(SEATS,)),
            active_from=at("2026-04-01"),
            quantities={"seats": Decimal(5)},
        )
        close_customers([customer.id], as_of=at("2026-04-01"))
    with clock.frozen_at(at("2026-04-16")):
        update_item(
            subscription_id=subscription.id,
            running_number=1,
            update=ItemUpdate(product_id="seats", quantity=Decimal(8), align=True),
        )
    assert totals() == ["50.00", "15.00"]
    return subscription


def void(number):
    """As a void will: the invoice counts no more, its time is open again."""
    invoice = Invoice.objects.get(number=number)
    Invoice.objects.filter(pk=invoice.pk).update(status="voided", voided_at=at("2026-04-20"))
    with clock.frozen_at(at("2026-04-20")):
        reopen_windows(invoice, now=at("2026-04-20"))


def billed_again(subscription):
    """What the close of 20 April makes: the totals of its invoices."""
    before = set(Invoice.objects.values_list("pk", flat=True))
    close(subscription.customer, "2026-04-20")
    made = Invoice.objects.exclude(pk__in=before).order_by("number")
    return [str(invoice.total) for invoice in made]


def test_what_belongs_together_refers_to_its_window(seats):
    window = BilledWindow.objects.get()
    assert window.invoice.number == "INV-000001"
    assert [line.invoice.number for line in window.lines.order_by("id")] == ["INV-000001", "INV-000002"]
    assert InvoiceLine.objects.get(invoice__status="gathering").window_id is None


def test_an_amendment_on_a_voided_invoice_is_billed_again(seats):
    void("INV-000002")
    assert billed_again(seats) == ["15.00"]
    assert billed_again(seats) == []


def test_a_voided_window_is_billed_again_beside_what_was_added_to_it(seats):
    void("INV-000001")
    assert BilledWindow.objects.get().invoice.number == "INV-000002"
    assert billed_again(seats) == ["50.00"]
    assert billed_again(seats) == []


def test_a_voided_window_whose_amendment_is_voided_is_billed_again_in_full(seats):
    void("INV-000002")
    void("INV-000001")
    assert BilledWindow.objects.count() == 0
    assert billed_again(seats) == ["65.00"]
    assert InvoiceLine.objects.get(invoice__number="INV-000003", kind="flat").window == BilledWindow.objects.get()


def test_it_does_not_matter_which_of_the_two_is_voided_first(seats):
    void("INV-000001")
    void("INV-000002")
    assert billed_again(seats) == ["65.00"]


def test_a_window_that_is_billed_again_in_part_ends_early_as_a_whole(seats):
    """50.00 on INV-000003 beside 15.00 on INV-000002; five of 30 days are not used."""
    void("INV-000001")
    assert billed_again(seats) == ["50.00"]
    with clock.frozen_at(at("2026-04-26")):
        cancel_subscription(subscription=seats, timing="immediate")
    back = CreditNote.objects.order_by("number")
    assert sorted(str(note.amount) for note in back) == ["5.00", "8.33"]


def more(seats, on, quantity):
    with clock.frozen_at(at(on)):
        update_item(
            subscription_id=seats.id,
            running_number=1,
            update=ItemUpdate(product_id="seats", quantity=Decimal(quantity), align=True),
        )


def test_what_several_invoices_had_added_is_billed_again_one_by_one(seats):
    """50.00, 15.00 from the 16th, 2 x 10.00 x 12/30 = 8.00 from the 19th; each is voided, in no order."""
    more(seats, "2026-04-19", 10)
    assert totals() == ["50.00", "15.00", "8.00"]
    void("INV-000002")
    assert billed_again(seats) == ["15.00"]
    void("INV-000001")
    assert BilledWindow.objects.get().invoice.number == "INV-000003"
    assert billed_again(seats) == ["50.00"]
    void("INV-000003")
    assert BilledWindow.objects.get().invoice.number == "INV-000004"
    assert billed_again(seats) == ["8.00"]
    for number in (4, 5, 6):
        void(f"INV-00000{number}")
    assert BilledWindow.objects.count() == 0
    assert billed_again(seats) == ["73.00"]


@pytest.mark.parametrize(
    ("number", "again"),
    [
        # Five seats for 25 of 30 days: 41.67. Three more for ten days: 10.00.
        ("INV-000001", "41.67"),
        ("INV-000002", "10.00"),
    ],
)
def test_an_invoice_of_time_that_ended_early_is_billed_again_for_that_time(seats, number, again):
    with clock.frozen_at(at("2026-04-26")):
        cancel_subscription(subscription=seats, timing="immediate")
    assert sorted(str(note.amount) for note in CreditNote.objects.all()) == ["5.00", "8.33"]
    void(number)
    close(seats.customer, "2026-04-26")
    made = Invoice.objects.filter(issued_at=at("2026-04-26"))
    assert [str(invoice.total) for invoice in made] == [again]
    assert BilledWindow.objects.get().span.upper == at("2026-04-26")
