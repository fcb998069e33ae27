"""Splitting a running period by hand: its parts are billed and nothing else, and what is left whole says why."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import InvalidInput, PreconditionFailed
from customers.models import CustomerOverride
from invoicing.errors import CustomerParked
from invoicing.gathering.split_now import split_now
from invoicing.models import Invoice, InvoiceLine, ParkedCustomer
from subscriptions.models import SubscriptionItem
from tests.support.books import assert_books_are_clean
from tests.support.catalog import flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money
from tests.support.subscriptions import subscribe
from tests.support.usage import UNIT, use

pytestmark = pytest.mark.django_db

VOLUME = {
    "type": "tiered",
    "mode": "volume",
    "tiers": [{"upToAmount": None, "unitPrice": {"type": "unit", "amount": "2.00"}}],
}
IN_ARREARS = {"type": "flat", "amount": "5.00", "paymentTerm": "in_arrears"}


def begin(**profile):
    """Acme since 1 April: calls at 1.00 each, calls by volume, the highest level, a report, a fee in arrears."""
    make_default_profile(**({"progressive_billing": True} | profile))
    calls = make_feature(key="calls", name="Calls", meter=make_meter())
    level = make_feature(key="level", name="Level", meter=make_meter(key="level", aggregation="LATEST"))
    cards = (
        usage_card(key="calls", name="Calls", feature=calls, price=UNIT),
        usage_card(key="volume", name="Calls by volume", feature=calls, price=VOLUME),
        usage_card(key="level", name="Level", feature=level, price=UNIT),
        usage_card(key="storage", name="Storage", feature=make_feature(), price=UNIT),
        flat_card(key="support", name="Support", price=IN_ARREARS),
    )
    return subscribe(flat_plan("basic", None, cards=cards)).customer


def split(customer, on, as_of=None, **how):
    with clock.frozen_at(at(on)):
        return split_now(customer=customer, as_of=as_of and at(as_of), **how)


def totals(found):
    return [money(invoice.total) for invoice in found.invoices]


def reasons(found):
    return {line.name: line.why for line in found.whole}


WHOLE = {
    "Calls by volume": "by volume, later usage changes what earlier usage costs",
    "Level": "its meter can fall, so what it says before the period's end may be too much",
    "Storage": "its quantity is reported once for the whole period",
    "Support": "a flat fee is billed whole",
}


def test_what_can_be_split_is_billed_and_the_rest_says_why_it_waits():
    customer = begin()
    use("2026-04-05", 50)
    found = split(customer, "2026-04-10")
    assert totals(found) == ["50.00"]
    assert reasons(found) == WHOLE
    assert InvoiceLine.objects.get(status="split").name == "Calls"
    assert (
        "split the running usage of Acme at 2026-04-10 00:00 UTC" in AuditEntry.objects.get(verb="split_now").sentence
    )
    assert_books_are_clean("2026-04-10")


def test_an_earlier_time_takes_what_was_used_up_to_then():
    customer = begin()
    use("2026-04-05", 50)
    use("2026-04-15", 7)
    assert totals(split(customer, "2026-04-20", "2026-04-10")) == ["50.00"]
    assert totals(split(customer, "2026-04-20", "2026-04-20")) == ["7.00"]
    assert_books_are_clean("2026-04-20")


def test_a_preview_shows_the_same_and_writes_nothing():
    customer = begin()
    use("2026-04-05", 50)
    before = (Invoice.objects.count(), InvoiceLine.objects.count(), AuditEntry.objects.count())
    found = split(customer, "2026-04-10", preview=True)
    assert totals(found) == ["50.00"]
    assert [line.name for line in found.invoices[0].shown_lines if line.status == "valid"] == ["Calls"]
    assert reasons(found) == WHOLE
    assert (Invoice.objects.count(), InvoiceLine.objects.count(), AuditEntry.objects.count()) == before
    assert [item.progressive_splits for item in SubscriptionItem.objects.all()] == [[]] * 5


def test_what_costs_nothing_yet_is_left_whole_and_says_so():
    customer = begin()
    assert reasons(split(customer, "2026-04-10", preview=True)) == WHOLE | {
        "Calls": "what was used up to then costs nothing"
    }
    with pytest.raises(
        InvalidInput, match=r"nothing to split as of 2026-04-10 00:00 UTC\. Nothing was invoiced\. Calls:"
    ):
        split(customer, "2026-04-10")
    assert not Invoice.objects.exclude(status="gathering").exists()


def test_a_time_that_is_not_after_the_last_split_is_refused():
    customer = begin()
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    for as_of in ("2026-04-10", "2026-04-08"):
        for preview in (True, False):
            with pytest.raises(InvalidInput, match="billed already, so it can't be split"):
                split(customer, "2026-04-12", as_of, preview=preview)
    assert Invoice.objects.exclude(status="gathering").count() == 1


def test_a_time_to_come_is_refused():
    customer = begin()
    use("2026-04-05", 50)
    with pytest.raises(InvalidInput, match="can't be split in the future"):
        split(customer, "2026-04-10", "2026-04-11")
    assert not Invoice.objects.exclude(status="gathering").exists()


def test_a_repeat_bills_nothing_twice():
    customer = begin()
    use("2026-04-05", 50)
    split(customer, "2026-04-10", "2026-04-09")
    with pytest.raises(InvalidInput, match="billed already"):
        split(customer, "2026-04-10", "2026-04-09")
    with pytest.raises(InvalidInput, match="nothing to split"):
        split(customer, "2026-04-10")
    assert Invoice.objects.exclude(status="gathering").count() == 1


def test_what_is_due_already_waits_for_its_close():
    """April is over and not closed yet: on 10 May the split takes what was used in May."""
    customer = begin()
    use("2026-04-05", 50)
    use("2026-05-05", 7)
    assert totals(split(customer, "2026-05-10")) == ["7.00"]
    run("2026-05-10")
    # 50 calls at 1.00, at 2.00 by volume, a level of 50 at 1.00, and 5.00 in arrears: 50 + 100 + 50 + 5.
    assert sorted(money(invoice.total) for invoice in Invoice.objects.filter(issued_at__isnull=False)) == [
        "205.00",
        "7.00",
    ]
    assert_books_are_clean("2026-05-11")


def test_a_customer_who_is_not_billed_progressively_is_refused_and_told_where_it_is_turned_on():
    customer = begin(progressive_billing=False)
    use("2026-04-05", 50)
    with pytest.raises(PreconditionFailed, match="Turn progressive billing on in the profile “Default”") as refused:
        split(customer, "2026-04-10")
    assert "(default profile)" in refused.value.message
    CustomerOverride.objects.create(customer=customer, progressive_billing=True)
    assert totals(split(customer, "2026-04-10")) == ["50.00"]


@pytest.mark.parametrize("preview", [True, False])
def test_a_parked_customer_is_refused(preview):
    customer = begin()
    use("2026-04-05", 50)
    ParkedCustomer.objects.create(customer=customer, cause_code="no_price", cause="No price.")
    with pytest.raises(CustomerParked, match="Acme is parked: No price"):
        split(customer, "2026-04-10", preview=preview)
    assert not Invoice.objects.exclude(status="gathering").exists()
