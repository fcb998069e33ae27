"""The models of the customers package."""

from customers.models.app import BillingApp, CustomerAppData
from customers.models.customer import Customer, UsageSubject
from customers.models.profile import BillingProfile, CustomerOverride
from customers.models.supplier import Supplier

__all__ = [
    "BillingApp",
    "BillingProfile",
    "Customer",
    "CustomerAppData",
    "CustomerOverride",
    "Supplier",
    "UsageSubject",
]
