"""Says what billing apps know of a customer, several at once or none; and makes an app forget them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from core import clock
from core.audit.services.record import record
from core.errors import Conflict, NotFound, field_error
from core.locks import lock_customers
from customers.choices import AppType
from customers.effective_settings import terms_of
from customers.models import BillingApp, Customer, CustomerAppData
from invoicing.choices import OPEN_STATUSES, UNISSUED_STATUSES
from invoicing.models import Invoice
from invoicing.payments.set_stripe_customer import ask_stripe, keep_stripe_customer, refuse_taken
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class AppData:
    """What is to be known at one app; the last two are for Stripe, which needs the first of them."""

    app: BillingApp
    stripe_customer_id: str | None = None
    payment_method: str | None = None


def the_app_of_type(customer: Customer, type: str) -> BillingApp:
    """The app of this type that bills the customer, else the only one there is. InvalidInput where none is clear."""
    billing = terms_of([customer.pk])[customer.pk].profile.app
    if billing.type == type:
        return billing
    apps = list(BillingApp.objects.filter(type=type, deleted_at=None)[:2])
    if len(apps) == 1:
        return apps[0]
    what = "several apps of this type: give the id of one" if apps else "no app of this type"
    raise field_error("id", "which_app", f"There is {what}. Nothing was changed.")


def set_app_data(*, customer: Customer, items: Sequence[AppData]) -> list[CustomerAppData]:
    """Keep all of `items` or, where one can't be, none; what other apps know stays.

    Raises InvalidInput for an app that is named twice, and as `set_stripe_customer`. Call it outside of a transaction:
    Stripe is asked.
    """
    if len({item.app.pk for item in items}) != len(items):
        raise field_error("id", "app_twice", "An app is named twice. Nothing was changed.")
    for item in items:
        if item.app.type == AppType.STRIPE:
            assert item.stripe_customer_id is not None
            refuse_taken(customer=customer, app=item.app, stripe_customer_id=item.stripe_customer_id)
            ask_stripe(app=item.app, stripe_customer_id=item.stripe_customer_id, payment_method=item.payment_method)
    with transaction.atomic():
        lock_customers([customer.pk])
        # In one order, so that two who set the same apps don't wait for each other.
        kept = {item.app.pk: _keep(customer, item) for item in sorted(items, key=lambda item: item.app.pk)}
    return [kept[item.app.pk] for item in items]


def _keep(customer: Customer, item: AppData) -> CustomerAppData:
    if item.app.type != AppType.STRIPE:
        return CustomerAppData.objects.get_or_create(customer=customer, app=item.app)[0]
    assert item.stripe_customer_id is not None
    return keep_stripe_customer(
        customer=customer,
        app=item.app,
        stripe_customer_id=item.stripe_customer_id,
        payment_method=item.payment_method,
    )


@transaction.atomic
def remove_app_data(*, customer: Customer, app: BillingApp) -> None:
    """Forget what `app` knows of the customer. NotFound where that is nothing; Conflict, and nothing is changed, while
    the app bills a subscription of theirs, also what waits of an ended one, or has a draft or an open invoice to
    collect."""
    lock_customers([customer.pk])
    row = CustomerAppData.objects.select_for_update().filter(customer=customer, app=app).first()
    if row is None:
        raise NotFound(f"{app} knows nothing of {customer}.", code="app_data_not_found")
    billed = Subscription.objects.filter(still_billed(clock.now()), customer=customer).exists()
    bills = billed and terms_of([customer.pk])[customer.pk].profile.app == app
    to_collect = Q(status__in=OPEN_STATUSES, due__gt=0) | Q(status__in=UNISSUED_STATUSES)
    owed = Invoice.objects.filter(to_collect, customer=customer, app=app).count()
    if bills or owed:
        why = "bills their subscriptions" if bills else f"is still to collect {owed} of their invoices"
        raise Conflict(
            f"{app} {why}, so what it knows of {customer} is needed. Nothing was changed.", code="app_data_needed"
        )
    known = row.external_id
    row.delete()
    record(
        verb="remove_app_data",
        target=customer,
        did=f"removed what {app} knows of {customer}",
        changes={"externalId": [known, None]},
        customer_id=customer.pk,
    )
