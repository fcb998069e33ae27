"""Takes the quantity snapshot of a draft before its time."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.locks import lock_customers
from invoicing.drafts.collect_quantities import collect_quantities
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.draft_steps import TO_COLLECT
from invoicing.models import Invoice


def snapshot_quantities(*, invoice: Invoice) -> Invoice:
    """Collect a draft's quantities now, whether or not its collection time has come (billing rules 6).
    WrongInvoiceState, and nothing is changed, for a draft that has them already and for whatever is no draft."""
    with transaction.atomic():
        lock_customers([invoice.customer_id])
        locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
        if locked.status not in TO_COLLECT:
            raise WrongInvoiceState(f"{locked} has its quantities already, or is no draft. Nothing was changed.")
        collect_quantities([locked], as_of=clock.now())
        record(
            verb="snapshot_quantities",
            target=locked,
            did=f"collected the quantities of {locked}",
            customer_id=locked.customer_id,
        )
    invoice.refresh_from_db()
    return invoice
