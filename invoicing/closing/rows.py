"""Turns documents into rows, ready for COPY. JSON columns hold canonical text."""

import uuid
from datetime import datetime
from typing import Any

from core.ids import new_id
from core.jsontext import canonical_json
from core.money import ZERO, round_money
from core.times import time_text
from invoicing.choices import InvoiceStatus, LineKind, LineManagedBy, LineStatus, WindowKind
from invoicing.closing.basis import explained
from invoicing.closing.details import details_of
from invoicing.closing.documents import InvoiceDocument, RatedDocumentLine
from invoicing.closing.plan import PlannedGroup, PlannedLine
from invoicing.corrections.credit_rows import Row, tax_columns
from invoicing.lifecycle.snapshots import customer_snapshot, supplier_snapshot, workflow_snapshot
from invoicing.models import LateUsageLook
from invoicing.money_columns import SETTLEMENT, TOTALS
from invoicing.windows.components import components_to_json

# What rating fills, and what the facts of a line give: the columns that change when a line is rated or its terms are.
RATED_COLUMNS = (
    "quantity",
    "metered_quantity",
    "pre_period_quantity",
    *TOTALS,
    "explain",
)
TAX_COLUMNS = ("tax_rate", "tax_name", "tax_behavior")
TERMS_COLUMNS = (
    "name",
    "description",
    "revision_id",
    "feature_key",
    "period_start",
    "period_end",
    "invoice_at",
    "price",
    "discounts",
    "tax_config",
    "components",
)

_NO_MONEY = dict.fromkeys(TOTALS, ZERO)
_NO_SETTLEMENT = dict.fromkeys(SETTLEMENT, ZERO)
_BARE_INVOICE: Row = {
    "status_note": "",
    "description": None,
    "metadata": "{}",
    "run_id": None,
    "series_id": None,
    "sequence": None,
    "number": None,
    "replaces_id": None,
    "period_start": None,
    "period_end": None,
    "collection_at": None,
    "quantity_snapshoted_at": None,
    "draft_until": None,
    "issued_at": None,
    "due_at": None,
    "sent_to_customer_at": None,
    "voided_at": None,
    "deleted_at": None,
    "supplier_id": None,
    "app_id": None,
    "profile_id": None,
    "supplier_snapshot": "{}",
    "customer_snapshot": "{}",
    "workflow_snapshot": "{}",
    "collection_method": "",
    "next_collection_at": None,
    "content_hash": "",
    "anomalies": None,
    "anomaly_rank": None,
    **_NO_MONEY,
    **_NO_SETTLEMENT,
}


def gathering_row(invoice_id: uuid.UUID, customer_id: uuid.UUID, currency: str, now: datetime) -> Row:
    """A new gathering invoice: it freezes nothing."""
    return _BARE_INVOICE | {
        "id": invoice_id,
        "created_at": now,
        "updated_at": now,
        "customer_id": customer_id,
        "currency": currency,
        "status": InvoiceStatus.GATHERING.value,
    }


def invoice_row(document: InvoiceDocument, run_id: uuid.UUID | None, now: datetime, texts: dict[Any, str]) -> Row:
    """A standard invoice as a draft, terms frozen. `texts` keeps the JSON of what many invoices of a batch share."""
    loaded, terms = document.loaded, document.terms
    profile = terms.profile
    totals = document.totals()
    if profile.supplier_id not in texts:
        texts[profile.supplier_id] = canonical_json(supplier_snapshot(profile.supplier))
    if id(terms) not in texts:
        texts[id(terms)] = canonical_json(workflow_snapshot(terms))
    return (
        _BARE_INVOICE
        | totals
        | {
            "id": document.id,
            "created_at": now,
            "updated_at": now,
            "customer_id": loaded.id,
            "currency": document.currency,
            "status": str(document.status),
            "run_id": run_id,
            "replaces_id": document.replaces,
            "period_start": document.period_start,
            "period_end": document.period_end,
            "collection_at": document.collection_at,
            "quantity_snapshoted_at": document.snapshot_at,
            "draft_until": document.draft_until,
            "supplier_id": profile.supplier_id,
            "app_id": profile.app_id,
            "profile_id": profile.id,
            "supplier_snapshot": texts[profile.supplier_id],
            "customer_snapshot": canonical_json(customer_snapshot(loaded.customer, loaded.subjects)),
            "workflow_snapshot": texts[id(terms)],
            "collection_method": terms.settings.values["collection_method"],
            "due": totals["total"],
        }
    )


def line_row(planned: PlannedLine, line_id: uuid.UUID, invoice_id: uuid.UUID, now: datetime) -> Row:
    """A line without money yet: as it waits on the gathering invoice."""
    obligation, revision = planned.obligation, planned.obligation.revision
    return {
        "id": line_id,
        "created_at": now,
        "updated_at": now,
        "invoice_id": invoice_id,
        "position": obligation.item.running_number,
        "kind": LineKind.FLAT.value if obligation.is_flat else LineKind.USAGE.value,
        "status": LineStatus.VALID.value,
        "managed_by": LineManagedBy.SUBSCRIPTION.value,
        "parent_id": None if planned.group is None else planned.group.id,
        "amends_id": None if planned.amends is None else planned.amends.lines[0].id,
        "window_id": None if planned.amends is None else planned.amends.id,
        "name": revision.name,
        "description": planned.terms.description,
        "metadata": "{}",
        "currency": obligation.subscription.currency,
        "subscription_id": obligation.subscription.id,
        "item_id": obligation.item.id,
        "revision_id": revision.id,
        "feature_key": revision.feature_key,
        "period_start": planned.start,
        "period_end": planned.end,
        "invoice_at": planned.invoice_at,
        "price": planned.terms.price,
        "discounts": planned.terms.discounts,
        "tax_config": planned.terms.tax_config,
        "components": components_to_json(planned.components),
        "tax_rate": None,
        "tax_name": "",
        "tax_behavior": "",
        "quantity": None,
        "metered_quantity": None,
        "pre_period_quantity": None,
        "explain": None,
        "deleted_at": None,
        **_NO_MONEY,
    }


def group_row(group: PlannedGroup, invoice_id: uuid.UUID, now: datetime) -> Row:
    """The row of a window that is billed in parts: it stands for all of its time, and for no money."""
    last = group.last
    assert last is not None and last.obligation.group is not None
    whole = last.obligation.group
    return line_row(last, group.id, invoice_id, now) | {
        "status": LineStatus.SPLIT.value,
        "parent_id": None,
        "period_start": whole.start,
        "period_end": whole.end,
        **dict.fromkeys(TOTALS, round_money(ZERO, last.obligation.subscription.currency)),
    }


def rated_columns(line: RatedDocumentLine) -> Row:
    """The columns that rating and tax fill."""
    metered = line.quantity.quantity if line.quantity is not None and line.quantity.metered else None
    return {
        "quantity": line.rated.quantity,
        "metered_quantity": metered,
        "pre_period_quantity": line.quantity.earlier if line.quantity is not None else None,
        "explain": explained(line.planned, line.quantity, line.rated.explanation),
        **tax_columns(line.tax_terms),
        **line.totals(),
    }


def detail_rows(line: RatedDocumentLine) -> list[Row]:
    """The detailed lines of a rated line."""
    return details_of(line.id, line.rated, line.planned.start, line.planned.end)


def look_at(customer_id: uuid.UUID, line: RatedDocumentLine) -> LateUsageLook:
    """The note that a window, or all of the one that it is a part of, is to be compared with what it was billed for,
    though nothing has come in since."""
    reach = line.planned.obligation.group or line
    return LateUsageLook(customer_id=customer_id, since=reach.start, until=reach.end)


def window_row(planned: PlannedLine, invoice_id: uuid.UUID | None, kind: WindowKind, now: datetime) -> Row:
    """The settled time of an item, as a range literal; a one-time fee settles its item for good."""
    until = planned.obligation.settles_until
    return {
        "id": new_id(),
        "item_id": planned.obligation.item.id,
        "span": span_text(planned.obligation.start, until),
        "kind": kind.value,
        "invoice_id": invoice_id,
        "created_at": now,
    }


def span_text(start: datetime, end: datetime | None) -> str:
    """The span of a window as PostgreSQL reads it; `end` None: for good."""
    return f"[{time_text(start)},{'' if end is None else time_text(end)})"
