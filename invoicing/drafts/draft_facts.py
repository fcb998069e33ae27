"""Reads what is to be known of drafts to say what is unusual about them: a fixed number of queries for any number."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from core.money import ZERO
from customers.models import BillingProfile
from invoicing.choices import InvoiceStatus, LateUsageState, LineKind, LineManagedBy
from invoicing.drafts.anomalies import Before, DraftFacts
from invoicing.models import Invoice, InvoiceLine, LateUsageCase, TaxRate

# A year back from the period's start, and a month for periods that overlap.
_LOOKS_BACK = timedelta(days=396)

_NET = F("amount") + F("charges_total") - F("discounts_total")

# Who bills a subscription now billed the one before it, which a change of plan ended.
_BEFORE = """
    WITH theirs AS (
        SELECT DISTINCT line.invoice_id AS draft_id, each.subscription_id
        FROM invoicing_invoiceline line
        JOIN subscriptions_subscription subscription ON subscription.id = line.subscription_id
        CROSS JOIN LATERAL (VALUES (subscription.id), (subscription.previous_id)) AS each(subscription_id)
        WHERE line.invoice_id = ANY(%(drafts)s) AND line.status = 'valid' AND line.deleted_at IS NULL
            AND line.kind <> 'credit' AND each.subscription_id IS NOT NULL
    ), earlier AS (
        SELECT theirs.draft_id, line.invoice_id, bool_or(line.parent_id IS NOT NULL) AS in_parts
        FROM theirs
        JOIN invoicing_invoice draft ON draft.id = theirs.draft_id
        JOIN invoicing_invoiceline line ON line.subscription_id = theirs.subscription_id
            AND line.period_end > draft.period_start - %(back)s AND line.invoice_id <> theirs.draft_id
        WHERE line.status = 'valid' AND line.deleted_at IS NULL AND line.kind <> 'credit'
        GROUP BY theirs.draft_id, line.invoice_id
    )
    SELECT earlier.draft_id, invoice.number, invoice.total - invoice.taxes_total + invoice.credits_total,
        invoice.period_start, invoice.period_end, earlier.in_parts
    FROM earlier
    JOIN invoicing_invoice draft ON draft.id = earlier.draft_id
    JOIN invoicing_invoice invoice ON invoice.id = earlier.invoice_id
    WHERE invoice.issued_at IS NOT NULL AND invoice.status <> 'voided'
        AND invoice.customer_id = draft.customer_id AND invoice.currency = draft.currency
"""

# Of each item of which nothing was used, the period before, if that had usage.
_STOPPED = """
    SELECT line.invoice_id, line.name
    FROM invoicing_invoiceline line
    CROSS JOIN LATERAL (
        SELECT before.quantity
        FROM invoicing_invoiceline before JOIN invoicing_invoice invoice ON invoice.id = before.invoice_id
        WHERE before.item_id = line.item_id AND before.kind = 'usage' AND before.status = 'valid'
            AND before.deleted_at IS NULL AND before.amends_id IS NULL AND before.period_end <= line.period_start
            AND invoice.issued_at IS NOT NULL AND invoice.status <> 'voided'
        ORDER BY before.period_end DESC LIMIT 1
    ) last
    WHERE line.invoice_id = ANY(%(drafts)s) AND line.kind = 'usage' AND line.status = 'valid'
        AND line.deleted_at IS NULL AND line.amends_id IS NULL AND line.parent_id IS NULL
        AND COALESCE(line.metered_quantity, line.quantity, 0) = 0 AND last.quantity > 0
    ORDER BY line.invoice_id, line.position
"""


def draft_facts(draft_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, DraftFacts]:
    """The facts of these drafts, by id. Six queries."""
    drafts = _drafts(draft_ids)
    sums = _sums(draft_ids)
    taxing = _taxing({row["supplier_id"] for row in drafts})
    cases = _cases(draft_ids)
    before: dict[uuid.UUID, list[Before]] = defaultdict(list)
    stopped: dict[uuid.UUID, list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        ids = [row["id"] for row in drafts]
        looked_at: dict[str, Any] = {"drafts": ids, "back": _LOOKS_BACK}
        cursor.execute(_BEFORE, looked_at)
        for draft_id, number, net, start, end, in_parts in cursor.fetchall():
            before[draft_id].append(Before(number, net, start, end, in_parts))
        cursor.execute(_STOPPED, looked_at)
        for draft_id, name in cursor.fetchall():
            stopped[draft_id].append(name)
    return {
        row["id"]: _facts(
            row,
            sums[row["id"]],
            cases=cases.get(row["id"], 0),
            before=before[row["id"]],
            stopped=stopped[row["id"]],
            is_taxing=row["supplier_id"] in taxing,
        )
        for row in drafts
        # One that gave back all it charged has no lines left that count, nor a period.
        if row["id"] in sums and row["period_start"] is not None
    }


def _drafts(draft_ids: Collection[uuid.UUID]) -> list[dict[str, Any]]:
    issued = Invoice.objects.filter(customer=OuterRef("customer"), issued_at__isnull=False)
    rows = Invoice.objects.filter(pk__in=draft_ids, issued_at__isnull=True).order_by("id")
    found: Any = rows.annotate(
        has_issued=Exists(issued.exclude(status=InvoiceStatus.VOIDED)),
        net=F("total") - F("taxes_total") + F("credits_total"),
    ).values(
        "id",
        "currency",
        "total",
        "net",
        "supplier_id",
        "period_start",
        "period_end",
        "customer_snapshot",
        "supplier_snapshot",
        "has_issued",
    )
    return list(found)


def _sums(draft_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    charges = ~Q(kind=LineKind.CREDIT)
    rows: Any = (
        InvoiceLine.objects.counted()
        .filter(invoice_id__in=draft_ids)
        .order_by()
        .values("invoice_id")
        .annotate(
            charged=Sum(_NET, filter=charges),
            given_back=Sum(_NET, filter=~charges),
            untaxed=Count("pk", filter=charges & Q(taxes_total=0) & ~Q(total=0)),
            of_parts=Count("pk", filter=Q(parent__isnull=False)),
            late=Count("pk", filter=Q(kind=LineKind.LATE)),
            by_hand=Count("pk", filter=Q(kind=LineKind.FLAT, managed_by=LineManagedBy.MANUAL, item__isnull=True)),
            edited=Count("edit"),
        )
    )
    return {row["invoice_id"]: row for row in rows}


def _cases(draft_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many open cases of late usage there are about the windows that each draft bills."""
    cases = LateUsageCase.objects.filter(state=LateUsageState.OPEN, window__invoice_id__in=draft_ids)
    return dict(cases.order_by().values_list("window__invoice_id").annotate(many=Count("pk")))


def _taxing(supplier_ids: Collection[uuid.UUID | None]) -> set[uuid.UUID]:
    """Those of these suppliers that charge tax to somebody: of the others, the lack of it says nothing."""
    profiles = BillingProfile.objects.filter(Exists(TaxRate.objects.all()), tax_enabled=True)
    profiles = profiles.filter(supplier__in=[each for each in supplier_ids if each])
    return set(profiles.order_by().values_list("supplier_id", flat=True).distinct())


def _facts(
    row: Mapping[str, Any],
    sums: Mapping[str, Any],
    *,
    cases: int,
    before: list[Before],
    stopped: list[str],
    is_taxing: bool,
) -> DraftFacts:
    return DraftFacts(
        currency=row["currency"],
        total=row["total"],
        net=row["net"],
        start=row["period_start"],
        end=row["period_end"],
        charged=sums["charged"] or ZERO,
        given_back=-(sums["given_back"] or ZERO),
        in_parts=bool(sums["of_parts"]),
        is_first=not row["has_issued"],
        charges_by_hand=sums["by_hand"],
        lines_edited=sums["edited"],
        late_lines=sums["late"],
        late_cases=cases,
        stopped=stopped,
        untaxed_abroad=bool(sums["untaxed"]) and is_taxing and _is_abroad(row),
        has_tax_id=bool(row["customer_snapshot"].get("taxId")),
        before=before,
    )


def _is_abroad(row: Mapping[str, Any]) -> bool:
    """Whether customer and supplier, as frozen, are in two countries that are known."""
    theirs = (row["customer_snapshot"].get("address") or {}).get("country")
    ours = (row["supplier_snapshot"].get("address") or {}).get("country")
    return bool(theirs and ours and theirs != ours)
