"""Owns the account as arithmetic that people read: one line of text for each part, then the sums."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from invoicing.rating.values import COUPON_REASON, MAXIMUM_REASON, PERCENTAGE_REASON


def readable(account: Mapping[str, Any]) -> list[str]:
    """The account in plain English, one step a line, such as "Tier 2: over 5 up to 10: 5 × 0.25 = 1.25"."""
    lines = _basis(account.get("basis", {}))
    lines += _quantity(account.get("quantity", {}), free=account.get("discounts", {}).get("usage"))
    lines += [_part(part) for part in account["parts"]]
    if not account["parts"]:
        lines.append("Nothing to charge.")
    if "minimumDue" in account:
        earlier = account.get("billedEarlier")
        billed = "" if earlier is None else f"; earlier parts of the period came to {earlier}"
        lines.append(f"Minimum spend of the period: {account['minimumDue']}{billed}")
    totals = account["totals"]
    net = f"{totals['net']} {account['currency']}"
    if "amount" not in totals:
        # A credit has nothing but its net.
        return [*lines, f"Net: {net}"]
    sums = [totals["amount"]]
    if _counts(totals["discountsTotal"]):
        sums.append(f"− {totals['discountsTotal']} discounts")
    if _counts(totals["chargesTotal"]):
        sums.append(f"+ {totals['chargesTotal']} commitments")
    lines.append(f"Net: {net}" if len(sums) == 1 else f"Net: {' '.join(sums)} = {net}")
    return lines


def _basis(basis: Mapping[str, Any]) -> list[str]:
    if not basis:
        return []
    window, quantity, price = basis["window"], basis["quantity"], basis["price"]
    lines = [f"Service period: {_moment(window['from'])} to {_moment(window['to'])}"]
    if quantity["source"] == "meter":
        value = f" of {quantity['valueProperty']}" if "valueProperty" in quantity else ""
        events = "1 event" if quantity["events"] == 1 else f"{quantity['events']} events"
        kept = " and ".join(f"{path} in {', '.join(values)}" for path, values in quantity.get("filters", {}).items())
        lines.append(
            f"Metered by {quantity['meter']}: {quantity['aggregation']}{value} over {events} of type "
            f"{quantity['eventType']}{f', where {kept}' if kept else ''}"
        )
    elif quantity["source"] == "report":
        said = quantity["reportedAt"]
        lines.append("Not reported yet" if said is None else f"Reported on {_moment(said)}")
    if price["source"] == "custom":
        return [*lines, "Priced by terms of the customer's own"]
    sold = "add-on" if price["source"] == "addon" else "plan"
    return [*lines, f"Priced by {sold} {price[price['source']]}, version {price['version']}"]


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _quantity(quantity: Mapping[str, str], *, free: Mapping[str, str] | None) -> list[str]:
    lines = []
    if "earlier" in quantity:
        lines.append(f"Billed earlier in the period: {quantity['earlier']}")
    if "free" in quantity and free is not None:
        lines.append(
            f"Quantity: {quantity['window']} − {quantity['free']} of {free['quantity']} free = {quantity['priced']}"
        )
    elif quantity and quantity["window"] != quantity["priced"]:
        lines.append(f"Quantity: {quantity['window']}, priced as {quantity['priced']}")
    return lines


def _part(part: Mapping[str, Any]) -> str:
    product = f"{part['quantity']} × {part['unitAmount']}"
    if "fraction" in part:
        product += f" × {part['fraction'][0]}/{part['fraction'][1]}"
    text = f"{part['name']}: {product} = {part['amount']}"
    for discount in part.get("discounts", ()):
        text += f", − {discount['amount']} ({_reason(discount)})"
    return text + (f" = {part['total']}" if part.get("discounts") else "")


def _reason(discount: Mapping[str, str]) -> str:
    if discount["reason"] == PERCENTAGE_REASON:
        return f"{discount['percentage']} % discount"
    if discount["reason"] == COUPON_REASON:
        return f"coupon {discount['code']}"
    return "over the maximum spend" if discount["reason"] == MAXIMUM_REASON else discount["reason"]


def _counts(amount: str) -> bool:
    return amount.strip("0.") != ""
