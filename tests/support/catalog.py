"""Makes what is sold, with fixed values: features and meters, rate cards, plans."""

from typing import Any

from entitlements.models import Feature, Meter
from subscriptions.models import Plan, PlanPhase, RateCard
from tests.support.clock import at


def make_meter(**overrides: Any) -> Meter:
    """Sums `$.amount` over events of type `usage`."""
    values = {
        "key": "usage",
        "name": "Usage",
        "event_type": "usage",
        "aggregation": "SUM",
        "value_property": "$.amount",
    }
    return Meter.objects.create(**(values | overrides))


def make_feature(**overrides: Any) -> Feature:
    """A feature without a meter: it takes reported quantities."""
    return Feature.objects.create(**({"key": "storage", "name": "Storage"} | overrides))


FLAT_50 = {"type": "flat", "amount": "50.00", "paymentTerm": "in_advance"}

PACKAGE_OF_25 = {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}


def flat_card(**overrides: Any) -> dict[str, Any]:
    """A rate card: 50.00 a month in advance."""
    values = {"type": "flat_fee", "key": "base", "name": "Base fee", "billing_cadence": "P1M", "price": FLAT_50}
    return values | overrides


def usage_card(**overrides: Any) -> dict[str, Any]:
    """A rate card: 1.00 for each started package of 25, a month in arrears. Give it its feature."""
    values = {"type": "usage_based", "key": "storage", "name": "Excess storage", "billing_cadence": "P1M"}
    return values | {"price": PACKAGE_OF_25} | overrides


def make_plan(*phases: dict[str, Any], cards: tuple[dict[str, Any], ...] | None = None, **overrides: Any) -> Plan:
    """Plan `storage` in EUR, on sale since 2020. `phases` each have `cards` and, but for the last, a `duration`."""
    values = {"key": "storage", "name": "Storage", "currency": "EUR", "effective_from": at("2020-01-01")} | overrides
    plan = Plan.objects.create(**values)
    for number, phase in enumerate(phases or [{"cards": cards or (flat_card(),)}]):
        own = {"key": f"phase_{number + 1}", "name": f"Phase {number + 1}"} | phase
        rate_cards = own.pop("cards")
        row = PlanPhase.objects.create(plan=plan, position=number, **own)
        RateCard.objects.bulk_create(
            RateCard(phase=row, position=position, **card) for position, card in enumerate(rate_cards)
        )
    return plan


def make_excess_plan(**overrides: Any) -> Plan:
    """The plan of billing rules 4: 50.00 a month in advance, and 1.00 per 25 GB of excess, reported, in arrears."""
    return make_plan(cards=(flat_card(), usage_card(feature=make_feature())), **overrides)


def fee(amount, term="in_advance"):
    return {"type": "flat", "amount": amount, "paymentTerm": term}


def flat_plan(key, amount, *, cards=None, **overrides):
    """A plan of one flat fee, `base`."""
    cards = cards or (flat_card(name=f"{key.title()} fee", price=fee(amount)),)
    return make_plan(cards=cards, key=key, name=key.title(), **overrides)
