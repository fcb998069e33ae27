"""Makes the things that tests speak of, with fixed values: only what a test is about is passed in."""

from datetime import UTC, datetime
from typing import Any

from customers.models import BillingApp, BillingProfile, Customer, Supplier, UsageSubject
from entitlements.models import Feature, Meter
from subscriptions.models import Plan, PlanPhase, RateCard


def at(text: str) -> datetime:
    """A time in UTC: `at("2026-03-17")` or `at("2026-03-17T08:30")`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_default_profile(**overrides: Any) -> BillingProfile:
    """The default profile that every installation has; with `overrides`, changed to them."""
    profile = BillingProfile.objects.filter(is_default=True).first()
    if profile is None:
        app = BillingApp.objects.create(type="sandbox", name="Sandbox")
        supplier = Supplier.objects.create(
            key="main", name="My company", country="US", invoice_prefix="INV", credit_note_prefix="CN"
        )
        profile = BillingProfile.objects.create(name="Default", supplier=supplier, app=app, is_default=True)
    for field, value in overrides.items():
        setattr(profile, field, value)
    profile.save()
    return profile


def make_customer(*, subjects: tuple[str, ...] | None = None, **overrides: Any) -> Customer:
    """Acme, billed in EUR; its usage subject is its key unless `subjects` says otherwise."""
    values = {"key": "acme", "name": "Acme", "primary_email": "billing@acme.example", "currency": "EUR"} | overrides
    customer = Customer.objects.create(**values)
    for key in subjects if subjects is not None else (values["key"],):
        UsageSubject.objects.create(customer=customer, key=key)
    return customer


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
