"""Voids an issued invoice on which nothing is paid; its windows are billed again, or waived (billing rules 6)."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core import clock
from core.admin.words import joined, money_text
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from core.locks import lock_customers
from core.money import ZERO, round_money
from entitlements.metering.store.partitions import kept_since
from invoicing.choices import IN_FLIGHT, BalanceKind, InvoiceStatus, LineKind, PaymentStatus, WindowKind
from invoicing.corrections.charge_again import charge_again
from invoicing.corrections.credit_note_instead import give_back_of_voided
from invoicing.corrections.reopen_windows import reopen_windows, windows_of
from invoicing.errors import WrongInvoiceState
from invoicing.late_usage.late_beside import refuse_late_beside
from invoicing.lifecycle.numbering import uncounted
from invoicing.lifecycle.states import move
from invoicing.lifecycle.voiding import UNDER_WAY, why_not_by_sums
from invoicing.models import BalanceEntry, BilledWindow, CreditNote, Invoice, InvoiceLine


@dataclass(frozen=True, slots=True)
class Voided:
    """The voided invoice, and the credit notes that give what it gave back of earlier ones."""

    invoice: Invoice
    notes: tuple[CreditNote, ...]


def why_not_void(invoice: Invoice) -> str:
    """Why `invoice` can't be voided as it stands now, and the way instead; "" where it can. Two queries at most."""
    said = why_not_by_sums(invoice)
    if said:
        return said
    if invoice.payments.filter(status__in=IN_FLIGHT).exists():
        return UNDER_WAY
    elsewhere = InvoiceLine.objects.giving_back().filter(amends__invoice=invoice).exclude(invoice=invoice)
    there = elsewhere.select_related("invoice").order_by("invoice_id").first()
    if there is None:
        return ""
    if there.invoice.number is None:
        return "A draft gives back part of it: issue that draft, then credit the rest."
    return f"{there.invoice.number} gives back part of it: credit the rest."


def void_invoice(
    *,
    invoice: Invoice,
    rebill: bool,
    reason: str,
    lines: Mapping[uuid.UUID, bool] | None = None,
    preview: bool = False,
) -> Voided:
    """Void `invoice`: nothing is owed for it any more. It keeps its number, its dates and its fingerprint.

    With `rebill` the next close bills its windows again, by the facts as they are then; without, they are waived.
    `lines` says otherwise for single lines, by id. What it had taken from the customer's balance is there again, what
    it gave back of earlier invoices comes by credit note, charges that wait for the customer are ended at the provider.
    WrongInvoiceState where something is paid, credited, given back or being charged; InvalidInput without a reason, or
    for lines that can't be dealt with so. None changes anything. With `preview`, all is undone again.
    """
    with transaction.atomic(), uncounted(when=preview):
        lock_customers([invoice.customer_id])
        voided = void_locked(invoice, rebill=rebill, reason=reason, lines=lines or {})
        windows = "billed again at the next close" if rebill else "waived"
        if lines:
            windows = "dealt with line by line"
        tell(voided.invoice, f"; its periods are {windows}", reason)
        if preview:
            transaction.set_rollback(True)
    return voided


def void_locked(
    invoice: Invoice,
    *,
    rebill: bool,
    reason: str,
    lines: Mapping[uuid.UUID, bool],
    billed_by: Collection[uuid.UUID] = (),
) -> Voided:
    """As `void_invoice`, in the caller's transaction, which holds the customer's lock and tells the audit trail.
    `billed_by` are the suppliers that it may issue invoices of later on. InvalidInput and WrongInvoiceState as there.
    """
    if not reason.strip():
        wrong = "Say why it is voided."
        raise InvalidInput(f"{wrong} Nothing was changed.", problems=[FieldProblem("reason", "required", wrong)])
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("customer").get(pk=invoice.pk)
    why_not = why_not_void(locked)
    if why_not:
        raise WrongInvoiceState(f"{locked} can't be voided. {why_not} Nothing was changed.")
    waived = _waived(locked, rebill, lines)
    _refuse_without_usage(locked, waived)
    refuse_late_beside(locked, waived)
    now = clock.now()
    applied = locked.applied_from_balance
    move(locked, InvoiceStatus.VOIDED, note="")
    nothing = round_money(ZERO, locked.currency)
    locked.voided_at, locked.due, locked.applied_from_balance, locked.next_collection_at = now, nothing, nothing, None
    locked.save()
    if applied:
        BalanceEntry.objects.create(
            customer_id=locked.customer_id,
            currency=locked.currency,
            kind=BalanceKind.RELEASED,
            amount=applied,
            at=now,
            invoice=locked,
            reason=reason,
        )
    # The customer could still confirm them: no money is wanted any more.
    waiting = locked.payments.filter(status=PaymentStatus.ACTION_REQUIRED)
    waiting.update(to_cancel=True, next_check_at=clock.real_now())
    notes = give_back_of_voided(locked, now=now, billed_by=billed_by)
    charge_again(locked, now=now, which=lambda line_id: lines.get(line_id, rebill))
    reopen_windows(locked, now=now, besides=waived)
    BilledWindow.objects.filter(pk__in=waived).update(kind=WindowKind.WAIVER)
    return Voided(locked, tuple(CreditNote.objects.filter(pk__in=notes).order_by("sequence")))


def tell(invoice: Invoice, after: str, reason: str) -> None:
    """Tell the audit trail of a void; `after` says what follows."""
    record(
        verb="void_invoice",
        target=invoice,
        did=f"voided {invoice} of {invoice.customer} over {money_text(invoice.total, invoice.currency)}{after}",
        reason=reason,
        customer_id=invoice.customer_id,
    )


def _waived(invoice: Invoice, rebill: bool, lines: Mapping[uuid.UUID, bool]) -> set[uuid.UUID]:
    """The windows that are to be waived. InvalidInput for a line that is none of this invoice's, for two lines of one
    window that are to be dealt with differently, and for one that can't be waived: its window is another invoice's."""
    mine = dict(windows_of(invoice).values_list("pk", "pk"))
    charges = {line.pk: line for line in InvoiceLine.objects.counted().filter(invoice=invoice)}
    unknown = [line_id for line_id in lines if line_id not in charges or charges[line_id].kind == LineKind.CREDIT]
    if unknown:
        wrong = f"{len(unknown)} of the lines named charge nothing on {invoice}."
        problem = FieldProblem("overrides", "no_charge_of_this_invoice", wrong)
        raise InvalidInput(f"{wrong} Nothing was changed.", code=problem.code, problems=[problem])
    decided: dict[uuid.UUID, bool] = {}
    for line in charges.values():
        if line.kind == LineKind.CREDIT or line.window_id is None:
            continue
        again = lines.get(line.pk, rebill)
        if line.window_id not in mine and not again:
            _refuse_lines(
                f"{line.name} adds to a period that another invoice bills, so it can't be waived by itself. Let it be "
                "billed again, or credit it instead."
            )
        if decided.setdefault(line.window_id, again) != again:
            _refuse_lines(f"The lines of {line.name} are for one period: it is billed again, or waived, as a whole.")
    return {window_id for window_id, again in decided.items() if window_id in mine and not again}


def _refuse_lines(wrong: str) -> None:
    problem = FieldProblem("overrides", "not_by_itself", wrong)
    raise InvalidInput(f"{wrong} Nothing was changed.", code=problem.code, problems=[problem])


def _refuse_without_usage(invoice: Invoice, waived: Collection[uuid.UUID]) -> None:
    """WrongInvoiceState where usage would be billed again whose events are kept no more: nobody could check it."""
    usage = InvoiceLine.objects.counted().filter(invoice=invoice, kind=LineKind.USAGE).exclude(window_id__in=waived)
    starts = dict(usage.order_by("-period_start").values_list("name", "period_start"))
    kept = kept_since() if starts else None
    gone = [name for name, start in starts.items() if kept is not None and start < kept]
    if gone and kept is not None:
        raise WrongInvoiceState(
            f"{invoice} bills usage of before {_day(kept)}, whose events are kept no more: {joined(gone)}. It can't be "
            "billed again. Credit it instead, or waive it. Nothing was changed."
        )


def _day(moment: datetime) -> str:
    return f"{moment:%-d %B %Y}"
