"""Owns the account of a rated line: plain JSON that holds every input and every step, enough to compute it again.

Numbers are decimal strings and times RFC 3339. What has no effect on the line (a full period, no discount, splits of a
price that does not look back) is left out. `recompute` and `replay` read it back.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from core.jsontext import canonical_json
from core.money import to_wire, trimmed
from invoicing.rating.values import Coupon, DetailedLine, FlatComponent, RatingInput

VERSION = 1


def explain_quantity(window: Decimal, earlier: Decimal, free: Decimal, priced: Decimal) -> dict[str, str]:
    """How the window's quantity became the priced one."""
    shown = {"window": trimmed(window)}
    if earlier:
        shown["earlier"] = trimmed(earlier)
    if free:
        shown["free"] = trimmed(free)
    shown["priced"] = trimmed(priced)
    return shown


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


def explain_totals(amount: Decimal, charges: Decimal, discounts: Decimal, net: Decimal) -> dict[str, str]:
    """The sums that close the account."""
    return {
        "amount": to_wire(amount),
        "chargesTotal": to_wire(charges),
        "discountsTotal": to_wire(discounts),
        "net": to_wire(net),
    }


def account_json(
    line: RatingInput,
    *,
    detailed: Iterable[DetailedLine],
    quantity: dict[str, str],
    totals: dict[str, str],
    minimum_due: Decimal | None,
) -> str:
    """The whole account of a line as canonical text."""
    price = line.price
    commits = price.minimum is not None or price.maximum is not None
    # In two halves around the price, whose text is made once for all lines; canonical text has its keys in order.
    opening: dict[str, Any] = {"currency": line.currency, "parts": [explain_part(part) for part in detailed]}
    closing: dict[str, Any] = {"quantity": quantity, "totals": totals, "version": VERSION}
    if line.discounts:
        opening["discounts"] = line.discounts.to_wire()
    if commits and line.previously_billed_net:
        opening["billedEarlier"] = to_wire(line.previously_billed_net)
    if price.counts_events:
        opening["eventCount"] = line.event_count
    if (price.is_flat or commits) and line.fraction[0] != line.fraction[1]:
        opening["fraction"] = list(line.fraction)
    if line.components:
        opening["components"] = [_component(component) for component in line.components]
    if line.coupon is not None:
        opening["coupon"] = _coupon(line.coupon)
    if minimum_due is not None:
        opening["minimumDue"] = to_wire(minimum_due)
    if not line.is_first_split or (commits and not line.is_last_split):
        closing["split"] = {"first": line.is_first_split, "last": line.is_last_split}
    return f'{canonical_json(opening)[:-1]},"price":{price.to_json()},{canonical_json(closing)[1:]}'


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
