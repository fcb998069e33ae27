"""Owns the way back: computing a line again from its account alone, to prove that nothing else is needed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.money import EXACT, ZERO, round_money, round_share
from invoicing.rating.explain import VERSION
from invoicing.rating.rate import rate
from invoicing.rating.values import PERCENTAGE_REASON, Coupon, FlatComponent, RatedLine, RatingInput
from subscriptions.pricing import parse_discounts, parse_price

_HUNDREDTH = Decimal("0.01")


def replay(account: Mapping[str, Any]) -> RatedLine:
    """The line rated once more from the inputs in its account. ValueError for an account of another version."""
    if account.get("version") != VERSION:
        raise ValueError(f"This account is of version {account.get('version')!r}; only {VERSION} can be replayed.")
    price = parse_price(account["price"])
    if price is None:
        raise ValueError("This account has no price.")
    quantity, split = account["quantity"], account.get("split", {})
    return rate(
        RatingInput(
            price=price,
            quantity=Decimal(quantity["window"]),
            currency=account["currency"],
            discounts=parse_discounts(account.get("discounts")),
            pre_quantity=Decimal(quantity.get("earlier", "0")),
            fraction=_fraction(account.get("fraction")),
            is_first_split=split.get("first", True),
            is_last_split=split.get("last", True),
            previously_billed_net=Decimal(account.get("billedEarlier", "0")),
            event_count=account.get("eventCount", 0),
            coupon=_coupon(account.get("coupon")),
            components=tuple(_component(component) for component in account.get("components", ())),
        )
    )


def recompute(account: Mapping[str, Any]) -> Decimal:
    """The net that the parts of the account come to by their figures alone, as a controller would check them by hand.

    quantity x unit amount x fraction, rounded; percentage discounts computed, other discounts as written.
    """
    currency = account["currency"]
    net = ZERO
    for part in account["parts"]:
        whole = EXACT.multiply(Decimal(part["quantity"]), Decimal(part["unitAmount"]))
        total = round_share(whole, *_fraction(part.get("fraction")), currency)
        for discount in part.get("discounts", ()):
            amount = Decimal(discount["amount"])
            if discount["reason"] == PERCENTAGE_REASON:
                rate_off = EXACT.multiply(Decimal(discount["percentage"]), _HUNDREDTH)
                amount = round_money(EXACT.multiply(total, rate_off), currency)
            total = EXACT.subtract(total, amount)
        net = EXACT.add(net, total)
    return round_money(net, currency)


def _fraction(pair: Sequence[int] | None) -> tuple[int, int]:
    return (1, 1) if pair is None else (pair[0], pair[1])


def _coupon(shown: Mapping[str, str] | None) -> Coupon | None:
    if shown is None:
        return None
    percentage, remaining = shown.get("percentage"), shown.get("remaining")
    return Coupon(
        code=shown["code"],
        percentage=None if percentage is None else Decimal(percentage),
        remaining=None if remaining is None else Decimal(remaining),
    )


def _component(shown: Mapping[str, Any]) -> FlatComponent:
    start, end = shown.get("from"), shown.get("to")
    return FlatComponent(
        Decimal(shown["quantity"]),
        *_fraction(shown["fraction"]),
        None if start is None else datetime.fromisoformat(start),
        None if end is None else datetime.fromisoformat(end),
    )
