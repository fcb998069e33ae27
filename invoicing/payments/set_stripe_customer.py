"""Says which customer of Stripe one of ours is at an app, after asking Stripe."""

from contextlib import closing

from django.db import transaction

from core.audit.services.record import record
from core.errors import Conflict, FieldProblem, InvalidInput, PreconditionFailed
from core.locks import lock_customers
from customers.choices import AppType
from customers.effective_settings import terms_of
from customers.models import BillingApp, Customer, CustomerAppData
from invoicing.gateways import REMOTE_GATEWAYS, CheckProblem, PaymentMethodCheck


def stripe_app_of(customer: Customer) -> BillingApp:
    """The Stripe app that bills the customer, else the only one there is. PreconditionFailed where there is none."""
    app = terms_of([customer.pk])[customer.pk].profile.app
    if app.type == AppType.STRIPE:
        return app
    apps = list(BillingApp.objects.filter(type=AppType.STRIPE, deleted_at=None)[:2])
    if len(apps) != 1:
        what = "several Stripe apps and the customer's profile uses none: name one" if apps else "no Stripe app"
        raise PreconditionFailed(f"There is {what}. Nothing was changed.", code="no_stripe_app")
    return apps[0]


def set_stripe_customer(
    *, customer: Customer, app: BillingApp, stripe_customer_id: str, payment_method: str | None
) -> CustomerAppData:
    """From now on `customer` is `stripe_customer_id` at `app`; None as `payment_method`: their default one at Stripe.

    InvalidInput for a customer or a payment method that Stripe doesn't know there, Conflict for the Stripe customer of
    another of ours, PreconditionFailed where Stripe can't be asked. None changes anything. A missing default payment
    method is no obstacle: the customer may add one later. Call it outside of a transaction: it asks Stripe.
    """
    ask_stripe(app=app, stripe_customer_id=stripe_customer_id, payment_method=payment_method)
    return keep_stripe_customer(
        customer=customer, app=app, stripe_customer_id=stripe_customer_id, payment_method=payment_method
    )


def ask_stripe(*, app: BillingApp, stripe_customer_id: str, payment_method: str | None) -> PaymentMethodCheck:
    """What Stripe says of this customer of theirs. A missing default payment method is told, not raised; otherwise it
    raises as `set_stripe_customer`. Call it outside of a transaction."""
    if app.type != AppType.STRIPE:
        raise _refused("stripeCustomerId", f"“{app}” is no Stripe app and knows no customer ids.")
    with closing(REMOTE_GATEWAYS[AppType.STRIPE].connect(app)) as link:
        check = link.check_customer(stripe_customer_id, payment_method)
    if check.problem is CheckProblem.UNREACHABLE:
        raise PreconditionFailed(f"{check.message} Nothing was changed.", code="stripe_unreachable")
    if check.problem is CheckProblem.NO_CUSTOMER_ID:
        raise _refused("stripeCustomerId", check.message)
    if check.problem is CheckProblem.NO_PAYMENT_METHOD and payment_method:
        raise _refused("stripeDefaultPaymentMethodId", check.message)
    return check


@transaction.atomic
def keep_stripe_customer(
    *, customer: Customer, app: BillingApp, stripe_customer_id: str, payment_method: str | None, reason: str = ""
) -> CustomerAppData:
    """Keep what `ask_stripe` was asked about. Conflict for the Stripe customer of another of ours."""
    lock_customers([customer.pk])
    BillingApp.objects.select_for_update(no_key=True).get(pk=app.pk)
    refuse_taken(customer=customer, app=app, stripe_customer_id=stripe_customer_id)
    row, _ = CustomerAppData.objects.get_or_create(customer=customer, app=app)
    before = row.external_id
    row.external_id = stripe_customer_id
    row.data = {"defaultPaymentMethodId": payment_method} if payment_method else {}
    row.save()
    record(
        verb="set_stripe_customer",
        target=customer,
        did=f"set {customer} to be {stripe_customer_id} at {app}",
        reason=reason,
        changes={"stripeCustomerId": [before, stripe_customer_id]},
        customer_id=customer.pk,
    )
    return row


def refuse_taken(*, customer: Customer, app: BillingApp, stripe_customer_id: str) -> None:
    """Conflict where another customer of ours is this one at Stripe."""
    taken = CustomerAppData.objects.filter(app=app, external_id=stripe_customer_id).exclude(customer=customer)
    other = taken.select_related("customer").first()
    if other is not None:
        raise Conflict(
            f"{stripe_customer_id} is {other.customer} at {app} already. Nothing was changed.",
            code="stripe_customer_taken",
        )


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{message} Nothing was changed.", problems=[FieldProblem(field, "not_at_stripe", message)])
