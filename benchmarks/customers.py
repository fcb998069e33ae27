"""The customers that a close is measured with: one subscription each, a flat fee and a metered item, usage to bill; or
three subscriptions and ten lines, where they are asked for wide."""

import random
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, models

from core import clock
from core.bulk import columns_of, copy_rows
from core.ids import new_id
from core.jsontext import canonical_json
from customers.models import BillingProfile, Customer, UsageSubject
from entitlements.models import Feature, Meter, UsageEvent
from invoicing.choices import RunTrigger
from invoicing.runs.run_due import close_now
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import ItemRevision, Plan, PlanPhase, RateCard, Subscription, SubscriptionItem
from subscriptions.models import SubscriptionPhase as Phase

START = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS_A_MONTH = 4
SEED = 20260301


def months_later(count: int) -> datetime:
    """The boundary after `count` months."""
    return datetime(START.year + (START.month - 1 + count) // 12, (START.month - 1 + count) % 12 + 1, 1, tzinfo=UTC)


def make_customers(count: int, *, history: int, wide: bool = False) -> None:
    """`count` customers, subscribed since `START`, with `history` months closed and the usage of the next one there."""
    profile = BillingProfile.objects.get(is_default=True)
    profile.name = "Benchmark"
    profile.save()
    with clock.frozen_at(START):
        model = _first_customer(_PLANS if wide else _PLANS[:1])
        _copy_customer(model, count - 1)
    keys = list(Customer.objects.values_list("key", flat=True))
    chance = random.Random(SEED)
    for month in range(history + 1):
        moment = months_later(month)
        _analyze()
        with clock.frozen_at(moment):
            close_now(as_of=moment, trigger=RunTrigger.SCHEDULE)
        _report_usage(keys, month, chance)
    _analyze()


# Key and, for each line, what it costs and, where it is metered, how its events are put together.
_PLANS: tuple[tuple[str, tuple[tuple[str, dict[str, Any], str | None], ...]], ...] = (
    (
        "standard",
        (
            ("base", {"type": "flat", "amount": "29.90", "paymentTerm": "in_advance"}, None),
            ("calls", {"type": "unit", "amount": "0.25"}, "SUM"),
        ),
    ),
    (
        "reports",
        (
            ("reports_base", {"type": "flat", "amount": "12.00", "paymentTerm": "in_advance"}, None),
            ("reports_made", {"type": "unit", "amount": "0.10"}, "COUNT"),
            ("largest_report", {"type": "package", "amount": "2.00", "quantityPerPackage": "25"}, "MAX"),
            (
                "pages",
                {
                    "type": "tiered",
                    "mode": "graduated",
                    "tiers": [
                        {"upToAmount": "100", "unitPrice": {"type": "unit", "amount": "0.05"}},
                        {"unitPrice": {"type": "unit", "amount": "0.02"}},
                    ],
                },
                "SUM",
            ),
        ),
    ),
    (
        "support",
        (
            ("support_base", {"type": "flat", "amount": "99.00", "paymentTerm": "in_advance"}, None),
            ("insurance", {"type": "flat", "amount": "4.90", "paymentTerm": "in_advance"}, None),
            ("cases", {"type": "unit", "amount": "1.50"}, "COUNT"),
            ("average_case", {"type": "unit", "amount": "0.01"}, "AVG"),
        ),
    ),
)


def _first_customer(plans: Iterable[tuple[str, Any]]) -> Customer:
    customer = Customer.objects.create(key="customer-0", name="Customer 0", currency="EUR")
    UsageSubject.objects.create(customer=customer, key="customer-0")
    for key, lines in plans:
        plan = Plan.objects.create(key=key, name=key.title(), currency="EUR", effective_from=START)
        phase = PlanPhase.objects.create(plan=plan, position=0, key=key, name=key.title())
        for position, (line, price, aggregation) in enumerate(lines):
            card = {"phase": phase, "billing_cadence": "P1M", "position": position, "key": line, "price": price}
            card["name"] = "Base fee" if line == "base" else line.replace("_", " ").capitalize()
            if aggregation is None:
                RateCard.objects.create(**card, type="flat_fee")
                continue
            value = None if aggregation == "COUNT" else "$.units"
            meter = Meter.objects.create(
                key=line, name=card["name"], event_type="call", aggregation=aggregation, value_property=value
            )
            feature = Feature.objects.create(key=line, name=card["name"], meter=meter)
            free = {"usage": {"quantity": "100"}} if line == "calls" else {}
            RateCard.objects.create(**card, type="usage_based", discounts=free, feature=feature)
        record_subscription(customer=customer, plan=plan, active_from=START)
    return customer


def _copy_customer(model: Customer, copies: int) -> None:
    """More customers like the first, by COPY: subscribing them one by one is not what is measured."""
    made = [(new_id(), number) for number in range(1, copies + 1)]
    copy_rows(
        Customer,
        [_row(model, id=customer, key=f"customer-{number}", name=f"Customer {number}") for customer, number in made],
    )
    UsageSubject.objects.bulk_create(
        UsageSubject(customer_id=customer, key=f"customer-{number}") for customer, number in made
    )
    for subscription in Subscription.objects.filter(customer=model):
        _copy_subscription(subscription, [customer for customer, _ in made])


def _copy_subscription(subscription: Subscription, customers: Iterable[uuid.UUID]) -> None:
    items = list(SubscriptionItem.objects.filter(subscription=subscription).order_by("running_number"))
    made = [(customer, new_id(), new_id(), [new_id() for _ in items]) for customer in customers]
    copy_rows(Subscription, [_row(subscription, id=own, customer_id=customer) for customer, own, _, _ in made])
    phase = Phase.objects.get(subscription=subscription)
    copy_rows(Phase, [_row(phase, id=own, subscription_id=subscribed) for _, subscribed, own, _ in made])
    for position, item in enumerate(items):
        copy_rows(
            SubscriptionItem,
            [_row(item, id=ids[position], subscription_id=subscribed) for _, subscribed, _, ids in made],
        )
        revision = ItemRevision.objects.get(item=item)
        rows = [_row(revision, id=new_id(), item_id=ids[position], phase_id=own) for _, _, own, ids in made]
        copy_rows(ItemRevision, rows)


def _row(record: models.Model, **changes: Any) -> dict[str, Any]:
    """The columns of a stored record, with some changed."""
    values = {field.column: getattr(record, field.attname) for field in record._meta.concrete_fields}
    as_json = {
        field.column
        for field in record._meta.concrete_fields
        if isinstance(field, models.JSONField) and values[field.column] is not None
    }
    row = {column: canonical_json(value) if column in as_json else value for column, value in values.items()}
    assert set(row) == set(columns_of(type(record)))
    return row | changes


def _report_usage(keys: Iterable[str], month: int, chance: random.Random) -> None:
    begin, length = months_later(month), months_later(month + 1) - months_later(month)
    rows = []
    for key in keys:
        for number in range(EVENTS_A_MONTH):
            at = begin + timedelta(seconds=chance.randrange(int(length.total_seconds())))
            rows.append(
                {
                    "id": new_id(),
                    "source": "benchmark",
                    "external_id": f"{key}-{month}-{number}",
                    "type": "call",
                    "subject": key,
                    "time": at,
                    "data": f'{{"units": {Decimal(chance.randrange(20_000)).scaleb(-2)}}}',
                    "ingested_at": at,
                }
            )
    copy_rows(UsageEvent, rows)


def _analyze() -> None:
    """As autovacuum would have done."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
