"""A preview and the invoice that follows are the same, line by line, whatever was sold and used."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from entitlements.models import UsageEvent
from invoicing.closing.close_customers import close_customers
from invoicing.models import Invoice
from invoicing.previews.preview_customers import preview_customer
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support import strategies as made
from tests.support.catalog import flat_card, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

AMOUNTS = st.decimals(min_value=0, max_value=1000, places=3).map(str)
CADENCES = st.sampled_from(["P1D", "P1W", "P1M", "P3M"])
FLAT = st.builds(
    lambda amount, term, cadence: {
        "price": {"type": "flat", "amount": amount, "paymentTerm": term},
        "billing_cadence": cadence,
    },
    AMOUNTS,
    st.sampled_from(["in_advance", "in_arrears"]),
    st.one_of(st.none(), CADENCES),
)
METERED = st.builds(
    lambda price, percentage, free, cadence: {
        "price": price,
        "billing_cadence": cadence,
        "discounts": (
            ({"percentage": {"percentage": percentage}} if percentage else {})
            | ({"usage": {"quantity": str(free)}} if free else {})
        )
        or None,
    },
    made.with_commitments(made.USAGE_WIRES),
    st.sampled_from([0, 0, 12.5, 33, 100]),
    st.integers(0, 20),
    CADENCES,
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    flats=st.lists(FLAT, max_size=2),
    metered=METERED,
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    seats=st.integers(0, 9),
    offset=st.integers(0, 90 * 24),
    events=st.lists(st.tuples(st.integers(0, 60 * 24), st.decimals(0, 50, places=2)), max_size=5),
    closes=st.lists(st.integers(1, 40 * 24), min_size=1, max_size=4),
)
def test_a_preview_is_the_invoice_that_follows(flats, metered, currency, zone, seats, offset, events, closes):
    with transaction.atomic():
        start = at("2026-01-01") + timedelta(hours=offset)
        cards = [flat_card(key=f"fee{number}", **terms) for number, terms in enumerate(flats)]
        with clock.frozen_at(start):
            make_default_profile()
            feature = make_feature(key="calls", meter=make_meter())
            plan = make_plan(cards=(*cards, usage_card(key="calls", feature=feature, **metered)), currency=currency)
            customer = make_customer(currency=currency, time_zone=zone)
            record_subscription(
                customer=customer,
                plan=plan,
                active_from=start,
                quantities={card["key"]: Decimal(seats) for card in cards},
            )
        for number, (hours, amount) in enumerate(events):
            UsageEvent.objects.create(
                source="test",
                external_id=str(number),
                type="usage",
                subject="acme",
                time=start + timedelta(hours=hours),
                data={"amount": str(amount)},
            )
        moment = start
        for hours in closes:
            moment += timedelta(hours=hours)
            with clock.frozen_at(moment):
                shown = preview_customer(customer_id=customer.id, until=moment)
                known = set(Invoice.objects.values_list("id", flat=True))
                close_customers([customer.id], as_of=moment)
                made = Invoice.objects.exclude(pk__in=known).exclude(status="gathering")
                assert [_previewed(invoice) for invoice in shown.documents] == [_stored(invoice) for invoice in made]
                again = close_customers([customer.id], as_of=moment)
                assert [(outcome.outcome, outcome.note) for outcome in again] == [("nothing", "")]
        transaction.set_rollback(True)


def _previewed(invoice):
    lines = [(line.name, line.period_start, line.period_end, line.total) for line in invoice.lines]
    return invoice.currency, invoice.total, lines


def _stored(invoice):
    lines = [(line.name, line.period_start, line.period_end, line.total) for line in invoice.lines.order_by("position")]
    return invoice.currency, invoice.total, lines
