"""Owns the account of a rated line: plain JSON that holds every input and every step, enough to compute it again."""

from decimal import Decimal
from typing import Any

from core.money import to_wire, trimmed
from invoicing.rating.values import Coupon, DetailedLine, FlatComponent, RatedLine, RatingInput

VERSION = 1


def explain(
    line: RatingInput, detailed: tuple[DetailedLine, ...], rated: RatedLine, minimum_due: Decimal | None
) -> dict[str, Any]:
    """The account of `rated`, as JSON: numbers are decimal strings, times RFC 3339."""
    account: dict[str, Any] = {
        "version": VERSION,
        "currency": line.currency,
        "price": line.price.to_wire(),
        "quantity": {
            "window": trimmed(line.quantity),
            "earlier": trimmed(line.pre_quantity),
            "free": trimmed(rated.free_quantity),
            "priced": trimmed(rated.quantity),
        },
        "split": {"first": line.is_first_split, "last": line.is_last_split},
        "billedEarlier": to_wire(line.previously_billed_net),
        "parts": [explain_part(part) for part in detailed],
        "totals": {
            "amount": to_wire(rated.amount),
            "chargesTotal": to_wire(rated.charges_total),
            "discountsTotal": to_wire(rated.discounts_total),
            "net": to_wire(rated.net),
        },
    }
    if line.event_count:
        account["eventCount"] = line.event_count
    if line.discounts:
        account["discounts"] = line.discounts.to_wire()
    if line.fraction[0] != line.fraction[1]:
        account["fraction"] = list(line.fraction)
    if line.components:
        account["components"] = [_component(component) for component in line.components]
    if line.coupon is not None:
        account["coupon"] = _coupon(line.coupon)
    if minimum_due is not None:
        account["minimumDue"] = to_wire(minimum_due)
    return account


def explain_part(part: DetailedLine) -> dict[str, Any]:
    """One detailed line of the account."""
    shown: dict[str, Any] = {
        "kind": part.kind,
        "name": part.name,
        "quantity": trimmed(part.quantity),
        "unitAmount": to_wire(part.unit_amount),
        "amount": to_wire(part.amount),
        "total": to_wire(part.total),
    }
    if part.tier is not None:
        shown["tier"] = part.tier
    if part.fraction[0] != part.fraction[1]:
        shown["fraction"] = list(part.fraction)
    if part.start is not None and part.end is not None:
        shown["from"], shown["to"] = part.start.isoformat(), part.end.isoformat()
    if part.discounts:
        shown["discounts"] = [
            {
                "reason": discount.reason,
                "amount": to_wire(discount.amount),
                **({} if discount.percentage is None else {"percentage": trimmed(discount.percentage)}),
                **({} if discount.code is None else {"code": discount.code}),
            }
            for discount in part.discounts
        ]
    return shown


def _component(component: FlatComponent) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "quantity": trimmed(component.quantity),
        "fraction": [component.numerator, component.denominator],
    }
    if component.start is not None and component.end is not None:
        shown["from"], shown["to"] = component.start.isoformat(), component.end.isoformat()
    return shown


def _coupon(coupon: Coupon) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": coupon.code}
    if coupon.percentage is not None:
        shown["percentage"] = trimmed(coupon.percentage)
    if coupon.remaining is not None:
        shown["remaining"] = to_wire(coupon.remaining)
    return shown
