"""Deleting a customer, where no business with them is open."""

from django.db import transaction

from core import clock
from core.locks import lock_customers
from customers.models import Customer
from customers.services.attribute_usage import forget_attribution
from customers.services.record_deletion import record_deletion
from entitlements.access.end_entitlements import end_entitlements
from entitlements.access.selectors import ever_active
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement
from invoicing.choices import OPEN_STATUSES, UNISSUED_STATUSES, LineStatus
from invoicing.errors import OpenBusiness
from invoicing.models import Invoice
from subscriptions.lifecycle.states import not_ended, still_billed
from subscriptions.models import Subscription


@transaction.atomic
def delete_customer(*, customer: Customer) -> Customer:
    """Delete softly, with what they are entitled to by hand (billing rules 9). `OpenBusiness` (Conflict) where a
    subscription runs or will, something of one waits to be billed or given back, or an invoice is open."""
    lock_customers([customer.pk])
    open_business = what_is_open(customer)
    if open_business:
        raise OpenBusiness(
            f"{customer} has {open_business}, and was not deleted. End the subscriptions, let what "
            "waits be invoiced, and settle the invoices first."
        )
    deleted = record_deletion(customer=customer)
    end_entitlements(customer=deleted)
    forget_if_never_subscribed(deleted)
    return deleted


def forget_if_never_subscribed(customer: Customer) -> None:
    """Let the usage of given-up subjects go to their next owner where this one never subscribed to anything, nor was
    entitled to any usage: what was used of it stays used."""
    entitled = Entitlement.objects.filter(ever_active(), customer=customer, type=EntitlementType.METERED)
    if not Subscription.objects.filter(customer=customer).exists() and not entitled.exists():
        forget_attribution(customer=customer)


def what_is_open(customer: Customer) -> str:
    """What business with the customer is open, in words: running subscriptions, drafts, unpaid invoices, what waits
    to be invoiced; or nothing."""
    now = clock.now()
    running = Subscription.objects.filter(not_ended(now), customer=customer).count()
    waiting = Subscription.objects.filter(still_billed(now), ~not_ended(now), customer=customer).exists()
    invoices = Invoice.objects.filter(customer=customer)
    drafts = invoices.filter(status__in=UNISSUED_STATUSES).count()
    unpaid = invoices.filter(status__in=OPEN_STATUSES).count()
    gathered = invoices.filter(status="gathering", lines__status=LineStatus.VALID).exists()
    parts = [
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((running, "running subscription"), (drafts, "draft"), (unpaid, "unpaid invoice"))
        if count
    ]
    if waiting:
        parts.append("charges or credits of ended subscriptions that are yet to be invoiced")
    elif gathered and not parts:
        parts.append("lines that are yet to be invoiced")
    return " and ".join(parts)
