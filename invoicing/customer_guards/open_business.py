"""Which customers have business that is not settled: what forbids deleting, archiving and switching apps."""

from django.db.models import Exists, OuterRef, QuerySet

from core import clock
from customers.models import BillingProfile, Customer
from customers.selectors import customers_on
from invoicing.choices import OPEN_STATUSES, UNISSUED_STATUSES
from invoicing.models import Invoice
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription

_OPEN = (*UNISSUED_STATUSES, *OPEN_STATUSES)


def open_invoices_of(profile: BillingProfile) -> QuerySet[Invoice]:
    """The drafts and unpaid invoices that were made with this profile, and still need its app."""
    return Invoice.objects.filter(profile=profile, status__in=_OPEN)


def with_open_business(profile: BillingProfile) -> int:
    """How many of the customers that `profile` bills have a subscription yet to be billed or an open invoice."""
    live = Subscription.objects.filter(still_billed(clock.now()), customer_id=OuterRef("pk"))
    open_invoices = Invoice.objects.filter(customer_id=OuterRef("pk"), status__in=_OPEN)
    theirs: QuerySet[Customer] = customers_on(profile)
    return theirs.filter(Exists(live) | Exists(open_invoices)).count()
