"""Owns how an explanation is stored: its JSON, written and read. Nothing else knows the names in it, or its version.

Numbers are decimal strings and times RFC 3339. What has no effect on the line (a full period, no discount, splits of a
price that does not look back) is left out. What a close makes by the million is spliced rather than encoded: the texts
of a rate sheet and of a basis. `tests/unit/test_explanation_json.py` holds them to `to_json`, to the byte.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from core.ids import from_text, to_text
from core.jsontext import canonical_json
from core.money import ZERO, to_wire, trimmed
from core.times import time_text
from invoicing.rating.basis import Basis, basis_to_json, basis_to_stored, read_basis, read_period
from invoicing.rating.explanation import (
    WHOLE,
    ChargeExplanation,
    CreditExplanation,
    ExplainedLine,
    ExplainedPart,
    Explanation,
    LateUsageExplanation,
    QuantitySteps,
    Split,
    Totals,
)
from invoicing.rating.values import PERCENTAGE_REASON, Coupon, DetailedLine, FlatComponent, LineDiscount, RatingInput
from subscriptions.pricing import Charge, Discounts, Price, parse_discounts, parse_price

VERSION: Final = 1

_CREDIT: Final = "credit"
_LATE_USAGE: Final = "lateUsage"
_STEPS: Final = ("window", "priced", "earlier", "free")
_Figures = tuple[Decimal, Decimal, Decimal, Decimal]

# What stands around the figures of a line by a rate sheet: up to the amount; from there to the quantity where nothing
# is taken off; from the amount to the discount's, and from there to the quantity, where something is; up to the total;
# from there to what was priced; from the totals' amount to their discounts. A plain tuple: see `rating.sheet`.
SheetTexts = tuple[str, str, str, str, str, str, str]
NO_TEXTS: Final[SheetTexts] = ("", "", "", "", "", "", "")
# The rest is the same for all: from what was priced to the window's quantity, from there to the totals' amount, from
# their discounts to the net, and the end.
TO_WINDOW: Final = '","window":"'
TO_TOTALS: Final = '"},"totals":{"amount":"'
TO_NET: Final = '","net":"'
END: Final = f'"}},"version":{VERSION}}}'


# Writing.


def to_json(explanation: Explanation) -> str:
    """The explanation as it is stored, canonical text."""
    return canonical_json(to_stored(explanation))


def to_stored(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain JSON values, for a JSON column."""
    if isinstance(explanation, CreditExplanation):
        return _stored_credit(explanation)
    if isinstance(explanation, LateUsageExplanation):
        charges = [to_stored(charge) for charge in explanation.charges]
        return {**_of_kind(_LATE_USAGE, explanation), "charges": charges}
    steps, totals, split = explanation.quantity, explanation.totals, explanation.split
    before, after = _around_price(
        currency=explanation.currency,
        parts=[_explained_part(part) for part in explanation.parts],
        quantity=(steps.window, steps.earlier, steps.free, steps.priced),
        totals=(totals.amount, totals.charges, totals.discounts, explanation.net),
        discounts=explanation.discounts,
        coupon=explanation.coupon,
        components=explanation.components,
        fraction=explanation.fraction,
        billed_earlier=explanation.billed_earlier,
        event_count=explanation.event_count,
        minimum_due=explanation.minimum_due,
        split=None if split == WHOLE else (split.first, split.last),
    )
    basis = {} if explanation.basis is None else {"basis": basis_to_stored(explanation.basis)}
    return {**basis, **before, "price": explanation.price.to_wire(), **after}


def charge_json(
    line: RatingInput,
    *,
    detailed: Iterable[DetailedLine],
    quantity: _Figures,
    totals: _Figures,
    minimum_due: Decimal | None,
) -> str:
    """The stored explanation of a rated line, without a basis, from what rating has at hand.

    `quantity`: the window's, what was billed earlier, the free units, what was priced. `totals`: amount, commitments,
    discounts, net.
    """
    price = line.price
    commits = price.minimum is not None or price.maximum is not None
    first, last = line.is_first_split, line.is_last_split
    shortened = (price.is_flat or commits) and line.fraction[0] != line.fraction[1]
    before, after = _around_price(
        currency=line.currency,
        parts=[_detailed_part(part) for part in detailed],
        quantity=quantity,
        totals=totals,
        discounts=line.discounts,
        coupon=line.coupon,
        components=line.components,
        fraction=line.fraction if shortened else None,
        billed_earlier=line.previously_billed_net if commits else ZERO,
        event_count=line.event_count if price.counts_events else None,
        minimum_due=minimum_due,
        split=(first, last) if not first or (commits and not last) else None,
    )
    # The text of the price is made once for all lines.
    return f'{canonical_json(before)[:-1]},"price":{price.to_json()},{canonical_json(after)[1:]}'


def with_basis(text: str, basis: Basis) -> str:
    """The stored explanation of a rated line with its basis, which sorts before all else in it."""
    return f'{{"basis":{basis_to_json(basis)},{text[1:]}'


def sheet_texts(
    price: Price, discounts: Discounts, currency: str, below: Sequence[DetailedLine], unit: Charge, zero: Decimal
) -> SheetTexts:
    """The texts around a line's figures on one stretch of a rate sheet; `below` are the parts that are ready made."""
    terms: dict[str, Any] = {"currency": currency}
    if discounts:
        terms["discounts"] = discounts.to_wire()
    opening = canonical_json(terms)[:-1] + ',"parts":['
    free = f'"free":"{trimmed(discounts.usage)}",' if discounts.usage else ""
    ready = [canonical_json(_detailed_part(part)) for part in below]
    kind = f',"kind":{canonical_json(unit.kind)},"name":{canonical_json(unit.name)},"quantity":"'
    percentage = trimmed(discounts.percentage or ZERO)
    return (
        opening + ",".join([*ready, '{"amount":"']),
        f'"{kind}',
        '","discounts":[{"amount":"',
        f'","percentage":"{percentage}","reason":"{PERCENTAGE_REASON}"}}]{kind}',
        '","total":"' if unit.tier is None else f'","tier":{unit.tier},"total":"',
        f'","unitAmount":"{to_wire(unit.unit_amount)}"}}],"price":{price.to_json()},"quantity":{{{free}"priced":"',
        f'","chargesTotal":"{zero}","discountsTotal":"',
    )


def _around_price(
    *,
    currency: str,
    parts: list[dict[str, Any]],
    quantity: _Figures,
    totals: _Figures,
    discounts: Discounts,
    coupon: Coupon | None,
    components: Sequence[FlatComponent],
    fraction: tuple[int, int] | None,
    billed_earlier: Decimal,
    event_count: int | None,
    minimum_due: Decimal | None,
    split: tuple[bool, bool] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What sorts before the price of a charge, and what after it."""
    window, earlier, free, priced = quantity
    steps = {"window": trimmed(window), "priced": trimmed(priced)}
    if earlier:
        steps["earlier"] = trimmed(earlier)
    if free:
        steps["free"] = trimmed(free)
    amount, charges, discounted, net = totals
    sums = {
        "amount": to_wire(amount),
        "chargesTotal": to_wire(charges),
        "discountsTotal": to_wire(discounted),
        "net": to_wire(net),
    }
    before: dict[str, Any] = {"currency": currency, "parts": parts}
    after: dict[str, Any] = {"quantity": steps, "totals": sums, "version": VERSION}
    if discounts:
        before["discounts"] = discounts.to_wire()
    if billed_earlier:
        before["billedEarlier"] = to_wire(billed_earlier)
    if event_count is not None:
        before["eventCount"] = event_count
    if fraction is not None:
        before["fraction"] = list(fraction)
    if components:
        before["components"] = [_component(component) for component in components]
    if coupon is not None:
        before["coupon"] = _coupon(coupon)
    if minimum_due is not None:
        before["minimumDue"] = to_wire(minimum_due)
    if split is not None:
        after["split"] = {"first": split[0], "last": split[1]}
    return before, after


def _stored_credit(explanation: CreditExplanation) -> dict[str, Any]:
    stored = _of_kind(_CREDIT, explanation)
    if explanation.credits is not None:
        stored["credits"] = to_text(explanation.credits)
    if explanation.same_time is not None:
        stored["sameTime"] = to_stored(explanation.same_time)
    return stored


def _of_kind(kind: str, explanation: ExplainedLine) -> dict[str, Any]:
    parts = [_explained_part(part) for part in explanation.parts]
    totals = {"net": to_wire(explanation.net)}
    return {"version": VERSION, "kind": kind, "currency": explanation.currency, "parts": parts, "totals": totals}


def _explained_part(part: ExplainedPart) -> dict[str, Any]:
    start, end = (None, None) if part.period is None else (part.period.start, part.period.end)
    return _part(part, part.fraction, start, end)


def _detailed_part(part: DetailedLine) -> dict[str, Any]:
    fraction = part.fraction
    return _part(part, fraction if fraction[0] != fraction[1] else None, part.start, part.end)


def _part(
    part: ExplainedPart | DetailedLine, fraction: tuple[int, int] | None, start: datetime | None, end: datetime | None
) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "kind": part.kind,
        "name": part.name,
        "quantity": trimmed(part.quantity),
        "unitAmount": to_wire(part.unit_amount),
        "amount": to_wire(part.amount),
        "total": to_wire(part.total),
    }
    if part.tier is not None:
        stored["tier"] = part.tier
    if fraction is not None:
        stored["fraction"] = list(fraction)
    if start is not None and end is not None:
        stored["from"], stored["to"] = time_text(start), time_text(end)
    if part.discounts:
        stored["discounts"] = [
            {
                "reason": discount.reason,
                "amount": to_wire(discount.amount),
                **({} if discount.percentage is None else {"percentage": trimmed(discount.percentage)}),
                **({} if discount.code is None else {"code": discount.code}),
            }
            for discount in part.discounts
        ]
    return stored


def _component(component: FlatComponent) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "quantity": trimmed(component.quantity),
        "fraction": [component.numerator, component.denominator],
    }
    if component.start is not None and component.end is not None:
        stored["from"], stored["to"] = time_text(component.start), time_text(component.end)
    return stored


def _coupon(coupon: Coupon) -> dict[str, Any]:
    stored: dict[str, Any] = {"code": coupon.code}
    if coupon.percentage is not None:
        stored["percentage"] = trimmed(coupon.percentage)
    if coupon.remaining is not None:
        stored["remaining"] = to_wire(coupon.remaining)
    if coupon.share is not None:
        stored["share"] = list(coupon.share)
    return stored


# Reading.


def read_explanation(stored: Mapping[str, Any]) -> Explanation:
    """The explanation that `stored` holds. ValueError for one of a version that can't be read, or that lacks a field.

    Whoever changes the format reads the old versions here; `to_stored` writes the newest.
    """
    version = stored.get("version")
    if version != VERSION:
        raise ValueError(f"This explanation is of version {version!r}; only version {VERSION} can be read.")
    try:
        kind = stored.get("kind")
        if kind == _LATE_USAGE:
            return _read_late_usage(stored)
        return _read_credit(stored) if kind == _CREDIT else _read_charge(stored)
    except KeyError as lacking:
        raise ValueError(f"This explanation lacks its {lacking}.") from lacking


def read_credit(stored: Mapping[str, Any]) -> CreditExplanation:
    """The explanation of a credit; ValueError where it is none."""
    explanation = read_explanation(stored)
    if not isinstance(explanation, CreditExplanation):
        raise ValueError("This is the explanation of a charge, not of a credit.")
    return explanation


def _read_credit(stored: Mapping[str, Any]) -> CreditExplanation:
    same_time = stored.get("sameTime")
    return CreditExplanation(
        currency=stored["currency"],
        parts=tuple(_read_part(part) for part in stored["parts"]),
        net=Decimal(stored["totals"]["net"]),
        credits=_read_id(stored["credits"]) if "credits" in stored else None,
        same_time=None if same_time is None else _read_charge(same_time),
    )


def _read_late_usage(stored: Mapping[str, Any]) -> LateUsageExplanation:
    parts, charges = map(_read_part, stored["parts"]), map(_read_charge, stored["charges"])
    net = Decimal(stored["totals"]["net"])
    return LateUsageExplanation(currency=stored["currency"], parts=tuple(parts), net=net, charges=tuple(charges))


def _read_charge(stored: Mapping[str, Any]) -> ChargeExplanation:
    totals, steps, split = stored["totals"], {"earlier": "0", "free": "0"} | stored["quantity"], stored.get("split")
    return ChargeExplanation(
        currency=stored["currency"],
        parts=tuple(_read_part(part) for part in stored["parts"]),
        net=Decimal(totals["net"]),
        price=_read_price(canonical_json(stored["price"])),
        quantity=QuantitySteps(*(Decimal(steps[name]) for name in _STEPS)),
        totals=Totals(Decimal(totals["amount"]), Decimal(totals["chargesTotal"]), Decimal(totals["discountsTotal"])),
        basis=read_basis(stored["basis"]) if "basis" in stored else None,
        discounts=parse_discounts(stored.get("discounts")),
        coupon=_read_coupon(stored["coupon"]) if "coupon" in stored else None,
        components=tuple(_read_component(component) for component in stored.get("components", ())),
        fraction=_read_fraction(stored),
        billed_earlier=Decimal(stored.get("billedEarlier", "0")),
        event_count=stored.get("eventCount"),
        minimum_due=_read_decimal(stored, "minimumDue"),
        split=WHOLE if split is None else Split(split["first"], split["last"]),
    )


# Many lines share a few price texts; parsed prices are immutable.
@lru_cache(maxsize=4096)
def _read_price(text: str) -> Price:
    price = parse_price(json.loads(text))
    if price is None:
        raise ValueError("This explanation has no price.")
    return price


def _read_part(stored: Mapping[str, Any]) -> ExplainedPart:
    return ExplainedPart(
        stored["kind"],
        stored["name"],
        Decimal(stored["quantity"]),
        Decimal(stored["unitAmount"]),
        Decimal(stored["amount"]),
        Decimal(stored["total"]),
        stored.get("tier"),
        _read_fraction(stored),
        read_period(stored) if "from" in stored else None,
        tuple(
            LineDiscount(
                discount["reason"],
                Decimal(discount["amount"]),
                _read_decimal(discount, "percentage"),
                discount.get("code"),
            )
            for discount in stored.get("discounts", ())
        ),
    )


def _read_id(text: str) -> UUID:
    found = from_text(text)
    if found is None:
        raise ValueError(f"{text!r} is not an id.")
    return found


def _read_component(stored: Mapping[str, Any]) -> FlatComponent:
    start, end = (datetime.fromisoformat(stored[name]) if name in stored else None for name in ("from", "to"))
    numerator, denominator = stored["fraction"]
    return FlatComponent(Decimal(stored["quantity"]), numerator, denominator, start, end)


def _read_coupon(stored: Mapping[str, Any]) -> Coupon:
    share = (stored["share"][0], stored["share"][1]) if "share" in stored else None
    return Coupon(stored["code"], _read_decimal(stored, "percentage"), _read_decimal(stored, "remaining"), share)


def _read_fraction(stored: Mapping[str, Any]) -> tuple[int, int] | None:
    return (stored["fraction"][0], stored["fraction"][1]) if "fraction" in stored else None


def _read_decimal(stored: Mapping[str, Any], name: str) -> Decimal | None:
    return Decimal(stored[name]) if name in stored else None
