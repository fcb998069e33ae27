"""Invoices what waits on a customer's gathering invoices, at once (REST: invoice pending lines)."""

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from core.locks import lock_customers
from customers.effective_settings import terms_of
from customers.models import Customer
from invoicing.closing.close import returns_due
from invoicing.closing.close_customers import bill_customer
from invoicing.closing.late_lines import LateLine
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.plan import PlannedLine
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.lifecycle.selectors import invoices_for_display
from invoicing.models import Invoice
from invoicing.payments.collect import collect_invoices
from invoicing.progressive.split_periods import SplitPeriods, split_periods


def invoice_pending_lines(
    *,
    customer: Customer,
    as_of: datetime | None = None,
    line_ids: Collection[uuid.UUID] | None = None,
    progressive: bool | None = None,
    preview: bool = False,
) -> list[Invoice]:
    """Bill the customer's lines that are due by `as_of` (by default now; never later), or of those only `line_ids`.
    It does not wait for the customer's rhythm of collection.

    Where the customer is billed progressively (`progressive`: whatever their terms say), usage that is running at
    `as_of` is split then, and its part billed (billing rules 7); a line that was split stands for its waiting part.

    Returns the invoices made. InvalidInput when nothing is due, a line asked for is not, or `as_of` is not after the
    last split; CustomerParked (PreconditionFailed) when the customer is parked. Repeating it bills nothing twice: what
    was billed is due no more. With `preview`, all is undone again, and nothing charged: the invoices that would be
    made, each with `shown_lines`.
    """
    now = clock.now()
    chosen, as_of = as_of is not None, as_of or now
    if as_of > now:
        raise InvalidInput(
            "asOf must not lie in the future. Nothing was invoiced.",
            problems=[FieldProblem("asOf", "in_the_future", "must not lie in the future")],
        )
    with transaction.atomic(), uncounted(when=preview):
        sync_customers([customer.id], as_of=as_of)
        lock_customers([customer.id])
        if progressive is None:
            progressive = bool(terms_of([customer.id])[customer.id].settings.values["progressive_billing"])
        split = SplitPeriods()
        if progressive:
            split = split_periods(customer.id, as_of=as_of, line_ids=line_ids, is_chosen=chosen)
        taken: set[uuid.UUID] = set()

        def select(line: PlannedLine | ManualLine) -> bool:
            if line.invoice_at > as_of or line.waiting is None:
                return False
            known_as = {line.waiting.id} | ({line.group.id} if line.group is not None else set())
            if line_ids is not None and known_as.isdisjoint(line_ids):
                return False
            taken.update(known_as)
            return True

        def select_late(line: LateLine) -> bool:
            if line_ids is not None and line.id not in line_ids:
                return False
            taken.add(line.id)
            return True

        documents = bill_customer(
            customer.id, as_of=as_of, select=select, give_back=returns_due, late=select_late
        ).invoices
        missing = set(line_ids or ()) - taken
        if missing:
            _refuse(missing, split, as_of)
        if not documents:
            raise InvalidInput(
                f"{customer} has nothing to invoice as of {as_of:%Y-%m-%d %H:%M} UTC.", code="nothing_to_invoice"
            )
        record(
            verb="invoice_pending_lines",
            target=customer,
            did=f"invoiced the pending lines of {customer} up to {as_of:%Y-%m-%d %H:%M} UTC",
            customer_id=customer.id,
        )
        ids = [document.id for document in documents]
        if preview:
            shown = invoices_for_display(lines=True).filter(pk__in=ids)
            made = list(shown.order_by("created_at", "id"))
            transaction.set_rollback(True)
            return made
    collect_invoices(ids, as_of=clock.now())
    return list(Invoice.objects.filter(pk__in=ids).order_by("created_at", "id"))


def _refuse(missing: Collection[uuid.UUID], split: SplitPeriods, as_of: datetime) -> None:
    why = split.why_whole(missing)
    problem = FieldProblem("filters.lineIds", "not_due", "names a line that can't be invoiced now")
    if why:
        problem = FieldProblem("filters.lineIds", "unsplittable", f"names a line that can't be split: {why}")
    raise InvalidInput(
        f"{len(missing)} of the lines asked for are not due by {as_of:%Y-%m-%d %H:%M} UTC, or do not wait on "
        "this customer's gathering invoice. Nothing was invoiced."
        + (f" What is not due can't be split: {why}." if why else ""),
        problems=[problem],
    )
