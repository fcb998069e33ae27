"""The scheduled work of payments. Each task calls one verb; all state is in the database."""

from celery import shared_task

from core import clock
from core.testclock.selectors import clock_advances
from invoicing.payments.collect import collect_due
from invoicing.payments.end_dunning import end_dunning
from invoicing.payments.mark_overdue import mark_overdue
from invoicing.payments.reconcile_payments import reconcile_payments as reconcile_payments_service
from invoicing.payments.refund import send_refunds as send_refunds_service

# Of one call, so that no provider holds the places of a worker for long; beat calls again.
_SECONDS = 8.0


@shared_task
def collect_invoices() -> None:
    """Charge what is due, unless the test clock is on its way: it charges at each of its stops."""
    if not clock_advances():
        collect_due(as_of=clock.now(), seconds=_SECONDS)


@shared_task
def reconcile_payments() -> None:
    """Ask the providers what became of charges whose outcome is not known."""
    reconcile_payments_service(as_of=clock.now(), seconds=_SECONDS)


@shared_task
def send_refunds() -> None:
    """Send the refunds that wait, and ask about those whose outcome is not known."""
    send_refunds_service(as_of=clock.now(), seconds=_SECONDS)


@shared_task
def mark_invoices_overdue() -> None:
    """Mark what is past its due date, and give up what dunning has ended for, unless the test clock is on its way."""
    if not clock_advances():
        mark_overdue(as_of=clock.now(), seconds=_SECONDS)
        end_dunning(as_of=clock.now(), seconds=_SECONDS)
