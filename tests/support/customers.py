"""Makes customers and the profiles that bill them, with fixed values: only what a test is about is passed in."""

from decimal import Decimal
from typing import Any

from customers.models import BillingApp, BillingProfile, Customer, Supplier, UsageSubject
from invoicing.models import TaxRate
from tests.support.clock import at


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


def vat_customer(**overrides):
    """A customer in Germany, where 19 % VAT come on top."""
    TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=at("2020-01-01"))
    return make_customer(country="DE", **overrides)


def enterprise(**overrides: Any) -> BillingProfile:
    """A profile of the same supplier and app as the default: bank-like terms, due after 45 days."""
    default = make_default_profile()
    values = {"name": "Enterprise", "supplier": default.supplier, "app": default.app, "due_after": "P45D"} | overrides
    return BillingProfile.objects.create(**values)
