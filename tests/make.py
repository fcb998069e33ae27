"""Makes the things that tests speak of, with fixed values: only what a test is about is passed in."""

from datetime import UTC, datetime
from typing import Any

from customers.models import BillingApp, BillingProfile, Customer, Supplier, UsageSubject
from entitlements.models import Feature, Meter


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
