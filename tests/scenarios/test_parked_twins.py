"""Two customers live alike, but one is parked for three cycles: the release bills exactly what was missed, by the terms
of its time."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from core import clock
from invoicing.models import CreditNote, Invoice, InvoiceLine, ParkedCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from subscriptions.models import Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer
from tests.support.invoices import money
from tests.support.subscriptions import change, do, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db


def plan_of(calls, key, amount, cadence, each):
    """A fee in advance, and calls at `each`, billed monthly."""
    cards = (
        flat_card(name=f"{key.title()} fee", price=fee(amount), billing_cadence=cadence),
        usage_card(key="calls", name="Calls", feature=calls, price={"type": "unit", "amount": each}),
    )
    return flat_plan(key, None, cards=cards, billing_cadence=cadence)


@pytest.fixture
def calls(db):
    return make_feature(key="calls", name="Calls", meter=make_meter())


def twins(plan, on):
    """The subscriptions of both; the second one is parked in between."""
    customers = [make_customer(), make_customer(key="zeta", name="Zeta", primary_email="zeta@example.com")]
    return [subscribe(plan, on, customer=customer) for customer in customers]


def live(subscriptions, *, months, changes, usage, park, release):
    """Each first of a month is closed; everything that happens, happens to both."""
    days: dict[str, list[Any]] = {day: [] for day in (*months, *changes, park, release)}
    days[park].append(lambda: parked(subscriptions[1], park))
    days[release].append(lambda: released(release))
    for day, acts in changes.items():
        for subscription in subscriptions:
            days[day].append(lambda act=acts, one=subscription, day=day: act(latest(one), day))
    for day in usage:
        days.setdefault(day, []).extend(
            lambda amount=usage[day], one=one, day=day: use(day, amount, one.customer.key) for one in subscriptions
        )
    for day in sorted(days):
        for act in days[day]:
            act()
        if day in months:
            run(day)


def latest(subscription):
    """The one that came of it by a change of plan."""
    return Subscription.objects.filter(customer_id=subscription.customer_id).latest("active_from")


def parked(subscription, on):
    ParkedCustomer.objects.create(
        customer=subscription.customer, parked_at=at(on), cause_code="no_tax_rate", cause="No tax rate."
    )


def released(on):
    with clock.frozen_at(at(on)):
        release_customer(parked=ParkedCustomer.objects.get(), reason="Mended")


def usage_billed(subscription):
    """Window, quantity and net of each usage line."""
    rows = InvoiceLine.objects.filter(
        invoice__customer_id=subscription.customer_id, invoice__issued_at__isnull=False, kind="usage", deleted_at=None
    )
    return sorted(
        (f"{line.period_start:%Y-%m-%d}", f"{line.period_end:%Y-%m-%d}", line.metered_quantity, money(line.total))
        for line in rows.exclude(total=0)
    )


def worth(subscription):
    """All invoices less all credit notes; what was moved to the balance came from one of them."""
    invoices = Invoice.objects.filter(customer_id=subscription.customer_id, issued_at__isnull=False)
    notes = CreditNote.objects.filter(customer_id=subscription.customer_id)
    added = [rows.aggregate(sum=Sum("total"))["sum"] or Decimal(0) for rows in (invoices, notes)]
    return money(added[0] - added[1])


def same(subscriptions, now, expected):
    lived, missed = subscriptions
    assert (worth(lived), worth(missed)) == (expected, expected)
    assert usage_billed(missed) == usage_billed(lived)
    assert latest(missed).next_billing_at == latest(lived).next_billing_at
    assert_books_are_clean(now)


def test_three_monthly_cycles_with_two_changes_of_plan_and_usage(calls):
    """30.00; 30.00 + 4; half a February: -15.00 + 45.00; 90.00 + 7 at 2.00; 30.00 + 9 at 2.00; 30.00 + 3; 30.00 + 2."""
    basic, pro = plan_of(calls, "basic", "30.00", "P1M", "1.00"), plan_of(calls, "pro", "90.00", "P1M", "2.00")
    both = twins(basic, "2026-01-01")
    live(
        both,
        months=[f"2026-{month:02}-01" for month in range(2, 7)],
        changes={
            "2026-02-15": lambda one, day: change(one, pro, day),
            "2026-03-20": lambda one, day: change(one, basic, day, timing="next_billing_cycle"),
        },
        usage={"2026-01-20": 4, "2026-02-16": 7, "2026-03-10": 9, "2026-04-02": 3, "2026-05-03": 2},
        park="2026-02-10",
        release="2026-05-10",
    )
    same(both, "2026-06-01T00:05", "311.00")


def test_three_yearly_cycles_with_a_change_of_plan_and_usage(calls):
    """1,200.00 for 2023 and for 2024; from July 2024 on 184 of 366 days at twice as much: -603.28 + 1,206.56; 2,400.00
    for 2025 and for 2026; 5 + 6 at 1.00, and 7 at 2.00."""
    basic, pro = plan_of(calls, "basic", "1200.00", "P1Y", "1.00"), plan_of(calls, "pro", "2400.00", "P1Y", "2.00")
    both = twins(basic, "2023-01-01")
    live(
        both,
        months=[f"{year}-{month:02}-01" for year in range(2023, 2027) for month in range(1, 13)][1:39],
        changes={"2024-07-01": lambda one, day: change(one, pro, day)},
        usage={"2023-04-05": 5, "2024-06-01": 6, "2025-12-31": 7},
        park="2023-03-10",
        release="2026-02-10",
    )
    same(both, "2026-03-01T00:05", "7828.28")


def test_who_is_canceled_and_changed_while_parked_owes_what_the_other_owes(calls):
    """30.00; 30.00 + 4; half a February: -15.00 + 45.00; 90.00 + 7 at 2.00; ended on 16 March, after 15 of 31 days:
    -46.45, and 9 at 2.00."""

    basic, pro = plan_of(calls, "basic", "30.00", "P1M", "1.00"), plan_of(calls, "pro", "90.00", "P1M", "2.00")
    both = twins(basic, "2026-01-01")
    live(
        both,
        months=[f"2026-{month:02}-01" for month in range(2, 7)],
        changes={
            "2026-02-15": lambda one, day: change(one, pro, day),
            "2026-03-16": lambda one, day: do(cancel_subscription, one, day),
        },
        usage={"2026-01-20": 4, "2026-02-16": 7, "2026-03-10": 9},
        park="2026-02-10",
        release="2026-05-10",
    )
    same(both, "2026-06-01T00:05", "169.55")
