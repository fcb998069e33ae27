"""Bills late usage by voiding the invoice of its window and reissuing it, with all of its usage (billing rules 6)."""

from dataclasses import dataclass

from django.db import transaction

from core import clock
from core.admin.words import money_text
from invoicing.choices import LateUsageState
from invoicing.errors import WrongInvoiceState
from invoicing.issued.reissue_invoice import Reissued, reissue_locked
from invoicing.issued.void_invoice import why_not_void
from invoicing.late_usage.cases import decide, save_decided, set_figures
from invoicing.late_usage.decide import Shown, judged_case, record_decision, what_came_late
from invoicing.lifecycle.numbering import uncounted
from invoicing.models import BilledWindow, Invoice, InvoiceLine, LateUsageCase
from invoicing.payments.collect import collect_invoices

_NO_INVOICE = "No invoice bills its window: it was waived, or is to be billed anew."


@dataclass(frozen=True, slots=True)
class ReissuedLate:
    """The case as it was decided, and what became of the invoice."""

    case: LateUsageCase
    reissued: Reissued


def why_not_reissue(case: LateUsageCase) -> str:
    """Why the invoice that bills the window of `case` can't be reissued as it stands now, "" where it can. Three
    queries at most."""
    invoice = _invoice_of(case)
    return _NO_INVOICE if invoice is None else why_not_void(invoice)


def reissue_late_usage(
    *, case: LateUsageCase, reason: str, shown: Shown | None = None, preview: bool = False
) -> ReissuedLate:
    """Void the invoice that bills the window of `case`, and bill all that it billed at once on another one, with what
    came late; both or nothing. With `preview`, all is undone again.

    InvalidInput without a reason; LateUsageDecided, LateUsageChanged, CustomerParked and CannotBill as
    `bill_late_usage`; WrongInvoiceState where the invoice can't be voided, or other invoices bill windows of the period
    that would cost something else with it. None changes anything.
    """
    with transaction.atomic(), uncounted(when=preview):
        locked, late, _ = judged_case(case, reason, shown)
        invoice = _invoice_of(locked)
        if invoice is None:
            raise WrongInvoiceState(f"{locked} can't be reissued. {_NO_INVOICE} Nothing was changed.")
        set_figures(locked, late)
        decide(locked, LateUsageState.REISSUED, reason=reason)
        save_decided([locked])
        reissued = reissue_locked(invoice, reason)
        locked.line = _line_of(locked, reissued.replacement)
        if locked.line is None:
            raise WrongInvoiceState(
                f"{locked} can't be reissued: another invoice adds to its window, which stays settled. Nothing was "
                "changed. Bill it instead."
            )
        save_decided([locked])
        worth = money_text(late.net, late.currency)
        did = f"voided {reissued.voided} and reissued it with {what_came_late(locked)}, worth {worth}"
        record_decision(locked, "reissue_late_usage", did, reason)
        if preview:
            transaction.set_rollback(True)
    if not preview:
        collect_invoices([reissued.replacement.pk], as_of=clock.now())
        reissued.replacement.refresh_from_db()
    return ReissuedLate(locked, reissued)


def _invoice_of(case: LateUsageCase) -> Invoice | None:
    window = BilledWindow.objects.filter(pk=case.window_id).select_related("invoice").first()
    return None if window is None else window.invoice


def _line_of(case: LateUsageCase, replacement: Invoice) -> InvoiceLine | None:
    """The line of `replacement` that bills the window of the case, or what it is one with by now."""
    mine = InvoiceLine.objects.counted().filter(invoice=replacement, item_id=case.item_id, item__isnull=False)
    return mine.filter(period_start__lte=case.period_start, period_end__gte=case.period_end).first()
