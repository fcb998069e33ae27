"""A closed invoice bills what the meter says: one literal figure for each aggregation."""

from decimal import Decimal

import pytest

from core import clock
from entitlements.metering.ingest_events import ingest_events
from invoicing.closing.close_customers import close_customers
from invoicing.models import InvoiceLine
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

# Six days of March: at its first and its last moment, on either side of it, of two subjects and two models.
EVENTS = (
    ("2026-02-28T23:59:59.999999Z", "acme", "100", "gpt-4"),
    ("2026-03-01T00:00:00Z", "acme", "10.125", "gpt-4"),
    ("2026-03-10T00:00:00Z", "acme-eu", "3", "gpt-3.5"),
    ("2026-03-11T00:00:00Z", "acme", "4", "gpt-4"),
    ("2026-03-31T23:59:59.999999Z", "acme-eu", "4", "gpt-4"),
    ("2026-04-01T00:00:00Z", "acme", "1000", "gpt-4"),
)
# The first tier of 5 free of charge, then 0.75 each.
TIERED = {
    "type": "tiered",
    "mode": "graduated",
    "tiers": [
        {"upToAmount": "5", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "0"}},
        {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.75"}},
    ],
}


def billed(aggregation, filters=None, path="$.used.tokens[0]"):
    """The line of March for a customer on a metered price."""
    make_default_profile()
    meter = make_meter(
        aggregation=aggregation,
        value_property=None if aggregation == "COUNT" else path,
        group_by={"model": "$.model"},
    )
    feature = make_feature(key="tokens", meter=meter, meter_filters=filters or {})
    customer = make_customer(subjects=("acme", "acme-eu"))
    with clock.frozen_at(at("2026-03-01")):
        record_subscription(
            customer=customer,
            plan=make_plan(cards=(usage_card(key="tokens", name="Tokens", feature=feature, price=TIERED),)),
            active_from=at("2026-03-01"),
        )
    with clock.frozen_at(at("2026-04-01")):
        ingest_events(
            events=[
                {
                    "id": time,
                    "source": "test",
                    "type": "usage",
                    "subject": subject,
                    "time": time,
                    "data": {"model": model, "used": {"tokens": [amount, "9999"]}},
                }
                for time, subject, amount, model in EVENTS
            ]
        )
        close_customers([customer.id], as_of=at("2026-04-01"))
    return InvoiceLine.objects.get(invoice__number="INV-000001")


@pytest.mark.parametrize(
    ("aggregation", "quantity", "total"),
    [
        ("SUM", "21.125", "12.09"),  # 16.125 x 0.75 = 12.09375
        ("COUNT", "4", "0.00"),
        ("UNIQUE_COUNT", "3", "0.00"),
        ("AVG", "5.28125", "0.21"),  # 0.28125 x 0.75 = 0.2109375
        ("MIN", "3", "0.00"),
        ("MAX", "10.125", "3.84"),  # 5.125 x 0.75 = 3.84375
        ("LATEST", "4", "0.00"),
    ],
)
def test_each_aggregation_bills_what_the_meter_says(aggregation, quantity, total):
    line = billed(aggregation)
    assert line.metered_quantity == line.quantity == Decimal(quantity)
    assert str(line.total) == total


@pytest.mark.parametrize(
    ("models", "quantity", "total"),
    [
        (["gpt-4"], "18.125", "9.84"),  # 13.125 x 0.75 = 9.84375
        (["gpt-3.5"], "3", "0.00"),
        (["gpt-4", "gpt-3.5"], "21.125", "12.09"),
    ],
)
def test_the_features_filters_narrow_what_is_billed(models, quantity, total):
    line = billed("SUM", {"model": models})
    assert (line.metered_quantity, str(line.total)) == (Decimal(quantity), total)


def test_a_price_by_dimension_parks_the_customer_by_name_while_its_meter_has_no_rate_card():
    make_default_profile()
    customer = make_customer()
    card = usage_card(
        key="calls", name="Calls", feature=make_feature(meter=make_meter()), price={"type": "dimensional"}
    )
    with clock.frozen_at(at("2026-03-01")):
        record_subscription(customer=customer, plan=make_plan(cards=(card,)), active_from=at("2026-03-01"))
    with clock.frozen_at(at("2026-04-01")):
        (outcome,) = close_customers([customer.id], as_of=at("2026-04-01"))
    assert (outcome.outcome, outcome.cause_code) == ("parked", "no_rate_card")
    assert "Calls is priced by the rate card of its meter" in outcome.cause
