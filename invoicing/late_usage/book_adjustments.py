"""Books late usage as adjustments: lines on the gathering invoice, which the customer's next invoice takes along."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from core import clock
from core.bulk import array_text, copy_rows, ids_array
from core.ids import new_id
from invoicing.choices import LateUsageState, LineKind, LineManagedBy
from invoicing.closing.load import LoadedCustomer
from invoicing.closing.plan import PlannedLine
from invoicing.closing.rows import gathering_row, line_row
from invoicing.corrections.credit_rows import Row
from invoicing.late_usage.cases import decide, save_decided, set_figures
from invoicing.late_usage.judge import LateUsage
from invoicing.lifecycle.states import check_beginnings
from invoicing.models import Invoice, InvoiceLine, LateUsageCase
from invoicing.rating.explanation_json import to_json
from subscriptions.lifecycle.record_reports_in_time import record_reports_in_time

# At once: with nothing else that waits, nothing would come to take it along.
_WAKE = """
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at)
    SELECT customer_id, currency, %s FROM unnest(%s::uuid[], %s::text[]) AS t(customer_id, currency)
    ORDER BY customer_id, currency
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at)
"""


def book_adjustments(
    found: Sequence[tuple[LateUsageCase, LateUsage, LoadedCustomer]], *, reason: str
) -> list[LateUsageCase]:
    """Bill these cases by what came late, in the transaction that holds the customers' locks: a line for each, of fixed
    money, that adds to its window. From then on its quantity is settled.

    It goes on the next invoice in its currency; where nothing waits there, a close of now makes one. At most one of a
    period at a time. A fixed number of statements.
    """
    if not found:
        return []
    now = clock.now()
    gathering: list[Row] = []
    lines: list[Row] = []
    alone: set[tuple[uuid.UUID, str]] = set()
    for case, late, loaded in found:
        invoice_id = loaded.gathering.get(late.currency)
        if invoice_id is None:
            invoice_id = loaded.gathering[late.currency] = new_id()
            gathering.append(gathering_row(invoice_id, loaded.id, late.currency, now))
        set_figures(case, late)
        decide(case, LateUsageState.BILLED, reason=reason)
        row = _line(late, invoice_id, now)
        case.line_id = row["id"]
        lines.append(row)
        if not any(line.currency == late.currency for line in loaded.pending):
            alone.add((loaded.id, late.currency))
    check_beginnings({row["status"] for row in gathering})
    copy_rows(Invoice, gathering)
    copy_rows(InvoiceLine, lines)
    cases = [case for case, _, _ in found]
    save_decided(cases)
    record_reports_in_time([report for _, late, _ in found for report in late.reports])
    if alone:
        with connection.cursor() as cursor:
            ids, currencies = zip(*sorted(alone), strict=True)
            cursor.execute(_WAKE, [now, ids_array(ids), array_text(currencies, quoted=True)])
    return cases


def _line(late: LateUsage, invoice_id: uuid.UUID, now: datetime) -> Row:
    planned = PlannedLine(late.obligation, late.terms, (), now)
    from_meter = late.quantity if late.is_metered else None
    return line_row(planned, new_id(), invoice_id, now) | {
        "kind": LineKind.LATE.value,
        "managed_by": LineManagedBy.SYSTEM.value,
        "amends_id": late.charged_by[0] if late.charged_by else None,
        "window_id": late.window_id,
        "name": f"{late.obligation.revision.name[:240]}, late usage",
        "quantity": late.quantity,
        "metered_quantity": from_meter,
        "pre_period_quantity": late.settled_quantity,
        "explain": to_json(late.explanation),
    }
