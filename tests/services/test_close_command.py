"""`manage.py close_periods`, as operators run it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core import clock
from customers.models import Customer
from invoicing.models import BalanceEntry, BillingRun, Invoice, ParkedCustomer
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import flat_card, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db
MARCH_17 = at("2026-03-17")


@pytest.fixture(autouse=True)
def _subscribed():
    make_default_profile()
    plan = make_plan()
    with clock.frozen_at(MARCH_17):
        for key, name in (("acme", "Acme"), ("bolt", "Bolt")):
            record_subscription(customer=make_customer(key=key, name=name), plan=plan, active_from=MARCH_17)


def run(*arguments, now=MARCH_17):
    """The command's exit code and what it printed."""
    out = StringIO()
    with clock.frozen_at(now):
        try:
            call_command("close_periods", *arguments, stdout=out, no_color=True)
        except SystemExit as stopped:
            return stopped.code, out.getvalue()
    return 0, out.getvalue()


def test_it_closes_what_is_due_once():
    code, printed = run()
    assert code == 0
    assert "Closing 2 customers up to 17 Mar 2026 00:00 UTC." in printed
    assert "2 of 2: 2 invoiced" in printed
    assert [str(invoice.total) for invoice in Invoice.objects.exclude(issued_at=None)] == ["50.00", "50.00"]
    assert run() == (0, "Nothing is due up to 17 Mar 2026 00:00 UTC.\n")


def test_of_one_customer_only():
    assert run("--customer", "bolt")[0] == 0
    assert list(Invoice.objects.exclude(issued_at=None).values_list("customer__key", flat=True)) == ["bolt"]


def test_a_preview_says_the_same_figures_and_writes_nothing():
    code, printed = run("--preview")
    assert code == 0
    assert "EUR 100.00 on 2 invoices" in printed
    assert not BillingRun.objects.exists()
    assert not Invoice.objects.exclude(issued_at=None).exists()


def test_a_preview_of_a_time_to_come_says_all_that_follows_up_to_then():
    """50.00 a month each; 70.00 on Acme's balance pay March and a part of April."""
    acme = Customer.objects.get(key="acme")
    BalanceEntry.objects.create(customer=acme, currency="EUR", kind="overpayment", amount=70, at=MARCH_17)
    code, printed = run("--preview", "--as-of", "2026-05-17")
    assert code == 0
    assert "Up to 17 May 2026 00:00 UTC, 2 customers would be billed:" in printed
    assert "EUR 300.00 on 6 invoices\n" in printed
    assert "EUR 70.00 paid from balances" in printed
    assert not Invoice.objects.exclude(issued_at=None).exists()
    with pytest.raises(CommandError, match="400 days ahead"):
        run("--preview", "--as-of", "2028-01-01")


def test_a_preview_shows_drafts_whose_review_is_over_and_who_is_parked_already():
    make_default_profile(draft_period="P5D")
    run()
    _, printed = run("--preview", now=at("2026-03-20"))
    assert "0 customers would be billed:\n  nothing" in printed
    ParkedCustomer.objects.create(customer=Customer.objects.get(key="bolt"), cause_code="x", cause="No price.")
    code, printed = run("--preview", now=at("2026-03-22"))
    assert (code, "EUR 100.00 on 2 invoices\n" in printed) == (0, True)
    code, printed = run("--preview", now=at("2026-04-17"))
    assert code == 0
    assert "EUR 150.00 on 3 invoices, of them 1 draft\n" in printed
    assert "Parked already: Bolt: Billing is parked until the customer is released: No price." in printed


def test_a_customer_who_cannot_be_billed_is_named_with_the_cause():
    """A meter whose events can't be read parks its customer; the exit code says that somebody has to look."""
    meter = make_meter()
    card = usage_card(feature=make_feature(meter=meter), price={"type": "unit", "amount": "1.00"})
    plan = make_plan(cards=(flat_card(), card), key="metered", name="Metered")
    with clock.frozen_at(MARCH_17):
        record_subscription(customer=make_customer(key="cole", name="Cole"), plan=plan, active_from=MARCH_17)
    run()
    meter.deleted_at = MARCH_17
    meter.save()
    code, printed = run("--preview", now=at("2026-04-17"))
    assert (code, "Parked: Cole: " in printed) == (1, True)
    code, printed = run(now=at("2026-04-17"))
    assert (code, "Parked: Cole: " in printed) == (1, True)
    assert "3 of 3: 2 invoiced, 1 parked" in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--as-of", "2026-03-18"), "the future can't be closed"),
        (("--as-of", "2026-02-30"), "'2026-02-30' is no time"),
        (("--as-of", "soon"), "'soon' is no time"),
        (("--customer", "nobody"), "nobody"),
    ],
)
def test_a_wrong_argument_gets_a_clear_error_and_closes_nothing(arguments, complaint):
    with pytest.raises(CommandError, match=complaint):
        run(*arguments)
    assert not BillingRun.objects.exists()
