"""Owns the account as arithmetic that people read: one line of text for each part, then the sums."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.money import to_wire, trimmed
from invoicing.rating.reading import is_limited, minimum_due, share_text, shown_share, started_packages
from invoicing.rating.values import COUPON_REASON, MAXIMUM_REASON, PERCENTAGE_REASON


def readable(account: Mapping[str, Any]) -> list[str]:
    """The account in plain English, one step a line, such as "Tier 2: over 5 up to 10: 5 × 0.25 = 1.25"."""
    lines = _basis(account.get("basis", {}))
    lines += _quantity(account)
    lines += _coupon(account.get("coupon"))
    window = account.get("basis", {}).get("window")
    lines += [_part(part, window) for part in account["parts"]]
    if "sameTime" in account:
        lines.insert(
            len(lines) - len(account["parts"]) + 1, f"A charge for the same time comes to {same_time(account)}"
        )
    if not account["parts"]:
        lines.append("Nothing to charge.")
    lines += _commitments(account)
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


def same_time(account: Mapping[str, Any]) -> str:
    """What a charge for the time that a credit gives back comes to, and how; expects an account that holds one."""
    charge, unused = account["sameTime"], account["parts"][0]
    steps = [*_coupon(charge.get("coupon")), *(_part(part, unused) for part in charge["parts"])]
    return f"{charge['totals']['net']} ({'; '.join(steps) or 'nothing to charge'})"


def _basis(basis: Mapping[str, Any]) -> list[str]:
    if not basis:
        return []
    window, quantity, price = basis["window"], basis["quantity"], basis["price"]
    lines = [f"Service period: {_span(window)}"]
    if "period" in basis:
        lines.append(f"Part of the full period: {_span(basis['period'])}")
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


def _span(window: Mapping[str, str]) -> str:
    return f"{_moment(window['from'])} to {_moment(window['to'])}"


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment.second else f"{moment:%Y-%m-%d %H:%M} UTC"


def _quantity(account: Mapping[str, Any]) -> list[str]:
    quantity, free = account.get("quantity", {}), account.get("discounts", {}).get("usage")
    if not quantity or account["price"]["type"] == "flat":
        return []
    lines = []
    if "earlier" in quantity:
        lines.append(f"Billed earlier in the period: {quantity['earlier']}")
    if "free" in quantity and free is not None:
        lines.append(
            f"Quantity: {quantity['window']} − {quantity['free']} of {free['quantity']} free = {quantity['priced']}"
        )
    elif quantity["window"] != quantity["priced"]:
        lines.append(f"Quantity: {quantity['window']}, priced as {quantity['priced']}")
    else:
        lines.append(f"Quantity: {quantity['window']}")
    packages = started_packages(account)
    if packages is not None:
        before = f", {trimmed(packages.billed)} of them billed earlier" if packages.billed else ""
        lines.append(
            f"Packages of {trimmed(packages.size)} units: {trimmed(packages.quantity)} / {trimmed(packages.size)}, "
            f"rounded up = {trimmed(packages.started)}{before}"
        )
    return lines


def _coupon(coupon: Mapping[str, str] | None) -> list[str]:
    if coupon is None:
        return []
    if "percentage" in coupon:
        return [f"Coupon {coupon['code']}: {coupon['percentage']} % of the line, rounded once"]
    return [f"Coupon {coupon['code']}: up to {coupon['remaining']} off"]


def _part(part: Mapping[str, Any], window: Mapping[str, str] | None) -> str:
    """One part; its time, where that is not the `window` that was named already."""
    product = f"{part['quantity']} × {part['unitAmount']}"
    if "fraction" in part:
        product += f" × {shown_share(part)}"
    named = "from" not in part or (window is not None and (part["from"], part["to"]) == (window["from"], window["to"]))
    text = f"{part['name']}{'' if named else f' ({_span(part)})'}: {product} = {part['amount']}"
    for discount in part.get("discounts", ()):
        text += f", − {discount['amount']} ({_reason(discount)})"
    return text + (f" = {part['total']}" if part.get("discounts") else "")


def _commitments(account: Mapping[str, Any]) -> list[str]:
    earlier = account.get("billedEarlier")
    billed = "" if earlier is None else f"; earlier parts of the period came to {earlier}"
    lines = []
    if is_limited(account):
        lines.append(f"Maximum spend of the period: {account['price']['maximumAmount']}{billed}")
    minimum = minimum_due(account)
    if minimum is not None:
        due = to_wire(minimum.due)
        if minimum.share is not None:
            due = f"{to_wire(minimum.minimum)} × {share_text(minimum.share)} = {to_wire(minimum.prorated)}"
        if minimum.prorated != minimum.due:
            due += f", at most the maximum spend of {account['price']['maximumAmount']}"
        lines.append(f"Minimum spend of the period: {due}{billed}")
    return lines


def _reason(discount: Mapping[str, str]) -> str:
    if discount["reason"] == PERCENTAGE_REASON:
        return f"{discount['percentage']} % discount"
    if discount["reason"] == COUPON_REASON:
        share = f", {discount['percentage']} %" if "percentage" in discount else ""
        return f"coupon {discount['code']}{share}"
    return "over the maximum spend" if discount["reason"] == MAXIMUM_REASON else discount["reason"]


def _counts(amount: str) -> bool:
    return amount.strip("0.") != ""
