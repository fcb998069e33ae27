"""Has a payment provider asked at once what became of an invoice's charges and refunds."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from customers.choices import AppStatus
from invoicing.choices import IN_FLIGHT, PaymentStatus, RefundStatus
from invoicing.errors import WrongInvoiceState
from invoicing.gateways import REMOTE_GATEWAYS
from invoicing.models import Invoice, Payment, Refund

OPEN_CHARGES = (*IN_FLIGHT, PaymentStatus.ACTION_REQUIRED)
OPEN_REFUNDS = (RefundStatus.PENDING, RefundStatus.UNKNOWN)


@transaction.atomic
def ask_provider(*, invoice: Invoice) -> int:
    """Have a worker ask within seconds about every charge and refund of `invoice` without a known end; returns how many
    they are. It only brings the next check forward, so asking twice books nothing twice.

    WrongInvoiceState where nothing is open, or where the app can't reach its provider: it needs an API key first.
    """
    charges = Payment.objects.select_for_update(of=("self",)).filter(
        invoice=invoice, status__in=OPEN_CHARGES, app__type__in=REMOTE_GATEWAYS
    )
    refunds = Refund.objects.select_for_update(of=("self",)).filter(
        invoice=invoice, status__in=OPEN_REFUNDS, payment__app__type__in=REMOTE_GATEWAYS
    )
    open_charges = list(charges.select_related("app"))
    open_refunds = list(refunds.select_related("payment__app"))
    apps = {charge.app for charge in open_charges} | {refund.payment.app for refund in open_refunds}
    if not apps:
        raise WrongInvoiceState(f"No charge or refund of {invoice} is open. Nothing was changed.")
    for app in apps:
        if app.status != AppStatus.READY:
            raise WrongInvoiceState(
                f"{app} can't reach its provider ({app.get_status_display().lower()}): give it an API key first. "
                "Nothing was changed."
            )
    now = clock.real_now()
    Payment.objects.filter(pk__in=[charge.pk for charge in open_charges]).update(next_check_at=now)
    Refund.objects.filter(pk__in=[refund.pk for refund in open_refunds]).update(next_check_at=now)
    asked = len(open_charges) + len(open_refunds)
    names = " and ".join(sorted(app.name for app in apps))
    record(
        verb="ask_provider",
        target=invoice,
        did=f"had {names} asked what became of the open charges and refunds of {invoice}",
        customer_id=invoice.customer_id,
    )
    return asked
