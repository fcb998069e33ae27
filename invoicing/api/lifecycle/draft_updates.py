"""What callers send to replace a draft, and what of it is a change."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from core.errors import field_error
from core.money import ONE
from core.rest.fields import ObjectField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from invoicing.api.lifecycle.invoice_inputs import ChargeSerializer, charge_of
from invoicing.drafts.edit_draft import DraftChanges, can_be_set, is_by_hand
from invoicing.gathering.add_charges import MOST_LINES, Charge
from invoicing.models import Invoice, InvoiceLine
from invoicing.rating.by_hand import SetByHand
from subscriptions.pricing import Discounts, parse_discounts, parse_price

_FROZEN = ("supplier", "customer", "workflow")


class LineUpdateSerializer(ChargeSerializer):
    """A line of the draft by its id, or without one a charge to be added. `quantity` is ours beyond the clients'
    types."""

    id = ULIDField(required=False)


class DraftUpdateSerializer(WireSerializer):
    """The draft as it is to be. `updatedAt` (what was read) and `reason` are ours beyond the clients' types."""

    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False, allow_null=True)
    supplier = ObjectField(required=False)
    customer = ObjectField(required=False)
    workflow = ObjectField(required=False)
    lines = serializers.ListField(child=LineUpdateSerializer(), max_length=MOST_LINES)
    updated_at = TimeField(required=False)
    reason = TextField(required=False, default="Edited through the API.", max_length=1000)


def changes_of(invoice: Invoice, body: Mapping[str, Any], served: Mapping[str, Any]) -> DraftChanges:
    """What `body` changes of the draft, which is `served` as it is now. InvalidInput names what can't be changed."""
    for name in _FROZEN:
        for key, value in (body.get(name) or {}).items():
            if key in (served.get(name) or {}) and not _says_the_same(value, served[name][key]):
                raise field_error(
                    f"{name}.{key}",
                    "frozen",
                    f"A draft has its {name} frozen since it was made. Nothing was changed. Change the customer or the "
                    "billing profile, delete the draft, and let it be made again.",
                )
    lines = {line.pk: line for line in InvoiceLine.objects.counted().filter(invoice=invoice)}
    given: dict[uuid.UUID, Mapping[str, Any]] = {}
    added: list[Charge] = []
    for index, line in enumerate(body["lines"]):
        if line.get("id") is None:
            added.append(charge_of(line))
        elif line["id"] not in lines:
            raise field_error(f"lines.{index}.id", "not_on_draft", "It is not on this draft. Nothing was changed.")
        elif line["id"] in given:
            raise field_error(f"lines.{index}.id", "twice", "It is named twice. Nothing was changed.")
        else:
            given[line["id"]] = line
    chosen, charges = {}, {}
    for index, (line_id, line) in enumerate(given.items()):
        stored = lines[line_id]
        if is_by_hand(stored):
            charge = charge_of({"quantity": stored.quantity or ONE, **line})
            if charge != _standing(stored):
                charges[line_id] = charge
        elif can_be_set(stored):
            chosen[line_id] = _chosen(stored, line, f"lines.{index}")
    return DraftChanges(
        lines=chosen,
        charges=charges,
        added=added,
        # Whoever leaves out what comes back, or what a subscription owes, is told that it can't be.
        removed=[line_id for line_id in lines if line_id not in given],
        description=body.get("description", ""),
        metadata=body.get("metadata") or {},
    )


def _chosen(line: InvoiceLine, given: Mapping[str, Any], path: str) -> SetByHand:
    """What is set by hand on a subscription's line once it is as `given`."""
    card = given.get("rate_card", {})
    price = card.get("price", given.get("price"))
    stays = {
        "name": given["name"] == line.name,
        "period": (given["period"]["start"], given["period"]["end"]) == (line.period_start, line.period_end),
        "invoiceAt": given["invoice_at"] == line.invoice_at,
        "rateCard.price": price is None or _price(price, path) == _price(line.price, path),
    }
    for name, same in stays.items():
        if not same:
            raise field_error(
                f"{path}.{name}",
                "of_a_subscription",
                f"{line.name} is what a subscription owes: its quantity and its discounts can be set, nothing else. "
                "Nothing was changed. Change the subscription.",
            )
    stored: Mapping[str, Any] = line.explain or {}
    # As computed, which the explanation keeps where something is set by hand.
    before = stored.get("byHand", {"quantity": stored["quantity"]["window"], "discounts": stored.get("discounts")})
    computed, listed = Decimal(before["quantity"]), _discounts(before.get("discounts"), path)
    quantity = given.get("quantity", Decimal(stored["quantity"]["window"]))
    wire = card.get("discounts", {}) if "rate_card" in given else line.discounts
    return SetByHand(
        None if quantity == computed else quantity,
        None if _discounts(wire, path) == listed else wire or {},
    )


def _price(wire: Mapping[str, Any] | None, path: str) -> str | None:
    price = parse_price(wire, f"{path}.rateCard.price")
    return None if price is None else price.to_json()


def _discounts(wire: Mapping[str, Any] | None, path: str) -> Discounts:
    return parse_discounts(wire or None, f"{path}.rateCard.discounts")


def _standing(line: InvoiceLine) -> Charge:
    """The charge by hand as it stands."""
    return Charge(
        name=line.name,
        start=line.period_start,
        end=line.period_end,
        invoice_at=line.invoice_at,
        price=line.price,
        quantity=line.quantity or ONE,
        discounts=line.discounts,
        tax_config=line.tax_config,
        description=line.description,
        metadata=line.metadata,
    )


def _says_the_same(given: Any, served: Any) -> bool:
    """Whether `given` says nothing else than what is served: of objects, what both have."""
    if isinstance(given, Mapping) and isinstance(served, Mapping):
        return all(_says_the_same(value, served[key]) for key, value in given.items() if key in served)
    if isinstance(given, str) and isinstance(served, str) and given != served:
        # A client that reads a time writes it in its own way.
        return _as_time(given) is not None and _as_time(given) == _as_time(served)
    return bool(given == served)


def _as_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
