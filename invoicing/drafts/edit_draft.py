"""Edits a draft: quantities and discounts set by hand, charges added, changed and removed (billing rules 6)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from core import clock
from core.admin.words import money_text
from core.approvals.limits import need_second_person
from core.audit.actors import current_actor
from core.audit.services.record import record
from core.bulk import copy_rows
from core.errors import BillingError, InvalidInput, PreconditionFailed, field_error
from core.locks import lock_customers
from core.money import ROUNDING, exact_arithmetic, trimmed
from customers.models import Customer
from invoicing.choices import DRAFT_STATUSES, InvoiceStatus, LineKind, LineManagedBy
from invoicing.closing.details import details_of
from invoicing.closing.load import tax_rates
from invoicing.closing.manual_lines import ManualLine, RatedManualLine, manual_columns, manual_details, rate_manual
from invoicing.closing.redraft import edits_of
from invoicing.closing.taxation import terms_at
from invoicing.corrections.retax_drafts import drop_lines, retax
from invoicing.drafts.judge_drafts import judge_held
from invoicing.drafts.tax_at_issue import place_of
from invoicing.errors import WrongInvoiceState
from invoicing.gathering.add_charges import Charge, check_charge, line_of
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine, LineEdit
from invoicing.rating import RatedLine
from invoicing.rating.by_hand import SetByHand, computed_of, set_by_hand, with_basis_of

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftChanges:
    """What is to change. `lines` are quantities and discounts of lines of subscriptions, by id: an empty `SetByHand`
    takes back what was set. `charges` replace charges by hand, by id; `added` are new ones, `removed` go. None leaves
    description and metadata as they are."""

    lines: Mapping[uuid.UUID, SetByHand] = field(default_factory=dict)
    charges: Mapping[uuid.UUID, Charge] = field(default_factory=dict)
    added: Sequence[Charge] = ()
    removed: Sequence[uuid.UUID] = ()
    description: str | None = None
    metadata: Mapping[str, str] | None = None


def why_not_edit(invoice: Invoice) -> str:
    """Why `invoice` can't be edited, with the way out; "" for a draft."""
    if invoice.status in DRAFT_STATUSES:
        return ""
    if invoice.status == InvoiceStatus.GATHERING:
        return "It gathers what is yet to be invoiced. Invoice it first, then edit the draft."
    if invoice.issued_at is None:
        return f"Only drafts can be edited; it is: {invoice.get_status_display()}."
    return "It is issued, and never changes. Credit what is wrong on it, or void it while nothing is paid."


@transaction.atomic
def edit_draft(
    *, invoice: Invoice, changes: DraftChanges, reason: str, read_at: datetime | None = None, preview: bool = False
) -> Invoice:
    """Change a draft as `changes` say; every later recalculation keeps it. With `preview`, all is undone again, and the
    draft as it would be is returned. `read_at` is when what the editor saw was last changed, in UTC.

    WrongInvoiceState for whatever is no draft; PreconditionFailed where the draft was changed since `read_at`;
    InvalidInput names what is wrong; ApprovalNeeded where a line would cost much less than computed. None changes
    anything.
    """
    if not reason.strip():
        raise InvalidInput("Say why the draft is changed. Nothing was changed.", code="reason_required")
    lock_customers([invoice.customer_id])
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("customer").get(pk=invoice.pk)
    why_not = why_not_edit(locked)
    if why_not:
        raise WrongInvoiceState(f"{why_not} Nothing was changed.")
    if read_at is not None and locked.updated_at != read_at:
        raise PreconditionFailed(
            "The draft was changed since you read it. Nothing was changed. Read it again, then make your changes anew.",
            code="changed_meanwhile",
        )
    with exact_arithmetic():
        told = _apply(locked, changes, reason, clock.now())
    if told and not preview:
        judge_held(locked.pk)
    locked.refresh_from_db()
    if told:
        record(
            verb="edit_draft",
            target=locked,
            did=f"edited the draft of {locked.customer}, now over {money_text(locked.total, locked.currency)}: "
            + "; ".join(told),
            reason=reason,
            customer_id=locked.customer_id,
        )
    if preview:
        transaction.set_rollback(True)
        return locked
    invoice.refresh_from_db()
    return invoice


def _apply(draft: Invoice, changes: DraftChanges, reason: str, now: datetime) -> list[str]:
    lines = {line.pk: line for line in InvoiceLine.objects.counted().filter(invoice=draft)}
    told: list[str] = []
    for line_id in (*changes.lines, *changes.charges, *changes.removed):
        if line_id not in lines:
            raise field_error(
                "lines", "not_on_draft", "A line that is named is not on this draft. Nothing was changed."
            )
    for line_id in (*changes.charges, *changes.removed):
        if not is_by_hand(lines[line_id]):
            raise field_error(
                "lines",
                "of_a_subscription",
                f"{lines[line_id].name} is what a subscription owes: it can't be removed or rewritten. Nothing was "
                "changed. Set its quantity to 0, give a discount, or change the subscription.",
            )
    standing = edits_of(list(changes.lines))
    for line_id, chosen in changes.lines.items():
        if standing.get(line_id, SetByHand()) != chosen:
            told.append(_set(lines[line_id], chosen, reason, now))
    for line_id, charge in changes.charges.items():
        check_charge(charge, draft.currency, "lines")
        fresh = line_of(charge, draft.pk, draft.currency)
        fresh.pk, fresh.position, fresh.created_at = line_id, lines[line_id].position, lines[line_id].created_at
        fresh.save(force_update=True)
        told.append(f"{charge.name} changed")
    last = InvoiceLine.objects.filter(invoice=draft).aggregate(last=Max("position"))["last"] or 0
    added = []
    for position, charge in enumerate(changes.added, start=last + 1):
        check_charge(charge, draft.currency, "lines")
        line = line_of(charge, draft.pk, draft.currency)
        line.position = position
        added.append(line)
        told.append(f"{charge.name} added")
    InvoiceLine.objects.bulk_create(added)
    _rate_charges(draft, [*changes.charges, *(line.pk for line in added)], now)
    if changes.removed:
        drop_lines(list(changes.removed), now=now)
        told += [f"{lines[line_id].name} removed" for line_id in changes.removed]
    if not InvoiceLine.objects.counted().filter(invoice=draft).exists():
        raise InvalidInput(
            "No line would be left. Nothing was changed. Delete the draft instead.", code="no_lines_left"
        )
    told += _describe(draft, changes, now)
    if told:
        retax([draft.pk], now=now)
        Invoice.objects.filter(pk=draft.pk).update(updated_at=now)
    return told


def is_by_hand(line: InvoiceLine) -> bool:
    """Whether the line is a charge by hand, and no subscription's."""
    return line.managed_by == LineManagedBy.MANUAL and line.item_id is None and line.kind == LineKind.FLAT


def can_be_set(line: InvoiceLine) -> bool:
    """Whether the line has a quantity and discounts that can be set: a credit, and late usage that was billed, are of
    fixed money."""
    return line.kind in (LineKind.FLAT, LineKind.USAGE) and line.explain is not None


def _set(line: InvoiceLine, chosen: SetByHand, reason: str, now: datetime) -> str:
    """Set quantity and discounts of a subscription's line; what was done, in words."""
    if not can_be_set(line) or is_by_hand(line) or line.explain is None:
        raise field_error(
            "lines", "not_to_be_set", f"{line.name} has no quantity and no discounts to be set. Nothing was changed."
        )
    if chosen.quantity is not None and chosen.quantity < 0:
        raise field_error("lines", "negative", f"{line.name}: a quantity is not negative. Nothing was changed.")
    before = line.amount + line.charges_total - line.discounts_total
    computed = computed_of(line.explain)
    try:
        rated = set_by_hand(computed, chosen)
    except BillingError as error:
        raise field_error("lines", error.code, f"{line.name}: {error.message} Nothing was changed.") from error
    _ask_for_two(line, computed, rated)
    if chosen.is_nothing:
        LineEdit.objects.filter(line=line).delete()
        line.managed_by, line.discounts = LineManagedBy.SUBSCRIPTION, _listed_discounts(line)
    else:
        author = current_actor().label[:200]
        set_to = {"quantity": chosen.quantity, "discounts": chosen.discounts, "author": author, "reason": reason}
        LineEdit.objects.update_or_create(line=line, defaults=set_to)
        line.managed_by = LineManagedBy.MANUAL
        line.discounts = chosen.discounts if chosen.discounts is not None else _listed_discounts(line)
    line.explain = with_basis_of(rated.explanation, line.explain)
    line.quantity, line.amount, line.charges_total = rated.quantity, rated.amount, rated.charges_total
    line.discounts_total, line.updated_at = rated.discounts_total, now
    # Its tax, and so its total, follows for the draft as a whole.
    line.total = rated.net + line.taxes_exclusive_total
    line.save()
    _replace_details(line, rated)
    return f"{line.name} from {money_text(before, line.currency)} to {money_text(rated.net, line.currency)} net"


def _listed_discounts(line: InvoiceLine) -> Any:
    """What the computed line had, which its explanation keeps."""
    stored = line.explain or {}
    return stored["byHand"].get("discounts") if "byHand" in stored else line.discounts


def _ask_for_two(line: InvoiceLine, computed: RatedLine, rated: RatedLine) -> None:
    most: Decimal = settings.DISCOUNT_TWO_PERSON_ABOVE_PERCENT
    if computed.net <= 0 or rated.net >= computed.net:
        return
    taken = (computed.net - rated.net) * 100
    if taken > most * computed.net:
        # A share, unlike money, may have no end.
        off = ROUNDING.divide(taken, computed.net).quantize(_HUNDREDTH, context=ROUNDING)
        need_second_person(
            rule=f"More than {trimmed(most)} % is taken off by two persons.",
            effect=f"{line.name} would cost {trimmed(off)} % less than computed.",
        )


def _replace_details(line: InvoiceLine, rated: RatedLine) -> None:
    InvoiceDetailedLine.objects.filter(line=line).delete()
    rows = details_of(line.pk, rated, line.period_start, line.period_end)
    InvoiceDetailedLine.objects.bulk_create(InvoiceDetailedLine(**row) for row in rows)


def _rate_charges(draft: Invoice, line_ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Rate and tax charges by hand on the draft, by the terms that it has frozen."""
    if not line_ids:
        return
    values, place = draft.workflow_snapshot["values"], place_of(draft.customer_snapshot)
    rates = tax_rates({place.country}).get(place.country, ())
    InvoiceDetailedLine.objects.filter(line_id__in=line_ids).delete()
    for row in InvoiceLine.objects.filter(pk__in=line_ids).order_by("position").values():
        charge = rate_manual(ManualLine(row, row["invoice_at"]))
        _tax(charge, values, rates, place, now)
        explain = with_basis_of(charge.rated.explanation, {})
        InvoiceLine.objects.filter(pk=charge.id).update(**manual_columns(charge) | {"explain": explain})
        copy_rows(InvoiceDetailedLine, manual_details(charge))


def _tax(charge: RatedManualLine, values: Mapping[str, Any], rates: Any, place: Customer, now: datetime) -> None:
    manual = charge.manual
    charge.tax_terms = terms_at(values, rates, place, manual.tax_config, now if manual.in_advance else manual.end)


def _describe(draft: Invoice, changes: DraftChanges, now: datetime) -> list[str]:
    description = draft.description if changes.description is None else changes.description or None
    metadata = draft.metadata if changes.metadata is None else dict(changes.metadata)
    said = [
        f"its {name}"
        for name, before, after in (
            ("description", draft.description, description),
            ("metadata", draft.metadata, metadata),
        )
        if before != after
    ]
    if said:
        Invoice.objects.filter(pk=draft.pk).update(description=description, metadata=metadata, updated_at=now)
    return said
