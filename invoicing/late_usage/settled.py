"""Reads what windows are settled for: what their lines charged for, and the late usage that was decided about since."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from core.money import WIDE, ZERO
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.closing.parts import events_and_coupon
from invoicing.closing.quantities import WindowKey, settled_late
from invoicing.models import BilledWindow, InvoiceLine
from invoicing.rating import read_explanation
from invoicing.rating.basis import FromMeter, Metering
from invoicing.rating.by_hand import computed_net
from invoicing.rating.explanation import ChargeExplanation


@dataclass(slots=True)
class SettledUsage:
    """What a settled window is billed for: its quantity, and what was charged for it, net. `metering` is how it was
    read (its meter's name left out). Until `is_final` it will be read again. `lines` are those which charged for it."""

    window_id: uuid.UUID
    kind: str
    quantity: Decimal = ZERO
    net: Decimal = ZERO
    events: int = 0
    coupon_used: Decimal = ZERO
    metering: Metering | None = None
    is_final: bool = True
    lines: list[uuid.UUID] = field(default_factory=list)


def settled_usage(item_ids: Collection[uuid.UUID], since: datetime) -> dict[WindowKey, SettledUsage]:
    """The settled windows of these items that begin at `since` (UTC) or later. Four queries at most."""
    found: dict[WindowKey, SettledUsage] = {}
    by_id: dict[uuid.UUID, SettledUsage] = {}
    windows = BilledWindow.objects.filter(item_id__in=item_ids, span__startswith__gte=since)
    for window_id, item_id, span, kind in windows.order_by().values_list("id", "item_id", "span", "kind"):
        found[item_id, span.lower] = by_id[window_id] = SettledUsage(window_id, kind)
    lines = InvoiceLine.objects.counted().filter(window_id__in=by_id, kind=LineKind.USAGE)
    lines = lines.exclude(invoice__status__in=[InvoiceStatus.GATHERING, InvoiceStatus.VOIDED])
    rows = lines.order_by("id").values_list(
        "id",
        "window_id",
        "metered_quantity",
        "amount",
        "charges_total",
        "discounts_total",
        "invoice__quantity_snapshoted_at",
        "explain",
    )
    for line_id, window_id, metered, amount, charges, discounts, read_at, explain in rows:
        settled = by_id[window_id]
        settled.quantity = WIDE.add(settled.quantity, metered or ZERO)
        net = amount + charges - discounts
        # What somebody let the customer off on the draft counts as billed: late usage does not charge it after all.
        settled.net += net if explain is None else max(net, computed_net(explain, net))
        settled.is_final &= read_at is not None
        settled.lines.append(line_id)
        if explain is None:
            continue
        events, coupon_used = events_and_coupon(explain)
        settled.events += events
        settled.coupon_used += coupon_used
        explanation = read_explanation(explain)
        basis = explanation.basis if isinstance(explanation, ChargeExplanation) else None
        if basis is not None and isinstance(basis.quantity, FromMeter):
            settled.metering = replace(basis.quantity.metering, meter="")
    for key, quantity, net, events in settled_late(item_ids, since):
        if key in found:
            found[key].quantity = WIDE.add(found[key].quantity, quantity)
            found[key].net += net
            found[key].events += events
    return found
