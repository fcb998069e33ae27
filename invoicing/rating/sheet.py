"""Owns rate sheets: a price worked out ahead, so that the plainest lines, most of a close, cost a few operations each.

Between two bounds, a graduated (or unit) price is a fixed part plus one unit amount. The fixed part, with its detailed
lines, discounts, sums and JSON, is the same for every customer, so it is made once, by the chain's own steps; a line
then adds its last detailed line. `tests/unit/test_rate_sheet.py` holds the two ways to the same result, to the byte.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from core.jsontext import canonical_json
from core.money import EXACT, ROUNDING, ZERO, quantum, round_money, to_wire, trimmed
from invoicing.rating.charge import rounded
from invoicing.rating.explain import VERSION, explain_part
from invoicing.rating.percentage_discount import apply_percentage_discount
from invoicing.rating.values import PERCENTAGE_REASON, REGULAR, DetailedLine, LineDiscount, RatedLine
from subscriptions.pricing import Discounts, Price, Step

_HUNDREDTH: Final = Decimal("0.01")
_MAX_KEPT: Final = 4096
_VERSION_JSON: Final = f'"version":{VERSION}}}'
_FULL: Final = (1, 1)
_add, _subtract, _multiply, _quantize = EXACT.add, EXACT.subtract, EXACT.multiply, ROUNDING.quantize
# A named tuple's own constructor takes twice as long as the tuple's.
_new = tuple.__new__


# One stretch between two bounds: its lower bound; what lies below it, ready made (detailed lines, their JSON, amount,
# discounts, net); how its own units are charged (unit amount, kind, name, tier), and the JSON around their figures. A
# plain tuple, because Python takes those apart faster than named ones.
_Rung = tuple[
    *tuple[Decimal, tuple[DetailedLine, ...], str, Decimal, Decimal, Decimal],
    *tuple[Decimal | None, str, str, int | None, str, str, str, str],
]


class RateSheet:
    """A price without commitments in one currency, with its discounts, ready for whole windows from zero."""

    __slots__ = (
        "_bounds",
        "_charges_json",
        "_discount_json",
        "_free",
        "_head_json",
        "_percentage",
        "_price_json",
        "_quantum",
        "_rate",
        "_rungs",
        "_zero",
    )

    def __init__(self, price: Price, steps: Sequence[Step], discounts: Discounts, currency: str) -> None:
        self._bounds = [step.lower for step in steps[1:]]
        self._free = discounts.usage
        self._percentage = discounts.percentage
        self._rate = None if discounts.percentage is None else _multiply(discounts.percentage, _HUNDREDTH)
        self._quantum = quantum(currency)
        self._zero = _multiply(ZERO, self._quantum)
        self._rungs = [_rung(step, discounts, currency) for step in steps]
        terms: dict[str, Any] = {"currency": currency}
        if discounts:
            terms["discounts"] = discounts.to_wire()
        self._head_json = canonical_json(terms)[:-1] + ',"parts":['
        self._price_json = f'],"price":{price.to_json()},"quantity":{{'
        self._charges_json = f'","chargesTotal":"{self._zero}","discountsTotal":"'
        self._discount_json = f'","percentage":"{trimmed(self._percentage or ZERO)}","reason":"{PERCENTAGE_REASON}"}}]'

    def rate(self, window: Decimal) -> RatedLine:
        """The line of a period that used `window` units, not negative, and had none before them."""
        priced, free, free_json = window, ZERO, ""
        priced_text = window_text = _text(window)
        if self._free is not None:
            priced = _subtract(window, self._free)
            if priced < 0:
                priced = ZERO
            free = _subtract(window, priced)
            priced_text = _text(priced)
            if free:
                free_json = f'"free":"{_text(free)}",'
        (
            lower,
            detailed,
            parts_json,
            amount,
            discounted,
            net,
            unit_amount,
            kind,
            name,
            tier,
            amount_json,
            kind_json,
            total_json,
            unit_json,
        ) = self._rungs[bisect_left(self._bounds, priced)]
        if unit_amount is not None and priced:
            quantity, quantity_text = priced, priced_text
            if lower:
                quantity = _subtract(priced, lower)
                quantity_text = _text(quantity)
            charged = total = _quantize(_multiply(quantity, unit_amount), self._quantum)
            discount = self._zero
            taken: tuple[LineDiscount, ...] = ()
            taken_json = '"'
            if self._rate is not None:
                discount = _quantize(_multiply(charged, self._rate), self._quantum)
                if discount:
                    total = _subtract(charged, discount)
                    taken = (_new(LineDiscount, (PERCENTAGE_REASON, discount, self._percentage, None)),)
                    taken_json = f'","discounts":[{{"amount":"{discount!s}{self._discount_json}'
            part = (
                kind,
                REGULAR,
                name,
                quantity,
                unit_amount,
                charged,
                discount,
                total,
                taken,
                _FULL,
                tier,
                None,
                None,
            )
            detailed = (*detailed, _new(DetailedLine, part))
            part_json = (
                f"{amount_json}{charged!s}{taken_json}{kind_json}{quantity_text}{total_json}{total!s}{unit_json}"
            )
            parts_json += part_json
            amount = _add(amount, charged)
            discounted = _add(discounted, discount)
            net = _add(net, total)
        account = (
            f'{self._head_json}{parts_json}{self._price_json}{free_json}"priced":"{priced_text}","window":"{window_text}'
            f'"}},"totals":{{"amount":"{amount!s}{self._charges_json}{discounted!s}","net":"{net!s}"}},{_VERSION_JSON}'
        )
        zero = self._zero
        return _new(RatedLine, (detailed, priced, free, amount, zero, discounted, net, zero, account))


_by_identity: dict[tuple[int, int, str], tuple[Price, Discounts, RateSheet | None]] = {}
_by_text: dict[str, RateSheet] = {}


def sheet_for(price: Price, discounts: Discounts, currency: str) -> RateSheet | None:
    """The rate sheet of a price, made once; None where only the chain can rate it."""
    # Comparing prices costs more than rating by them, so objects that were seen before are known by their identity.
    # The entry keeps them alive, so that no other object can get the same id.
    key = (id(price), id(discounts), currency)
    known = _by_identity.get(key)
    if known is None:
        if len(_by_identity) >= _MAX_KEPT:
            _by_identity.clear()
        known = _by_identity[key] = (price, discounts, _sheet_by_text(price, discounts, currency))
    return known[2]


def _sheet_by_text(price: Price, discounts: Discounts, currency: str) -> RateSheet | None:
    steps = price.steps()
    if not steps or price.minimum is not None or price.maximum is not None:
        return None
    # By text, not by value: 0.1 and 0.10 are equal, but the account shows the price as it was written.
    text = f"{price.to_json()}{canonical_json(discounts.to_wire())}{currency}"
    sheet = _by_text.get(text)
    if sheet is None:
        if len(_by_text) >= _MAX_KEPT:
            _by_text.clear()
        sheet = _by_text[text] = RateSheet(price, steps, discounts, currency)
    return sheet


def _rung(step: Step, discounts: Discounts, currency: str) -> _Rung:
    parts = rounded(step.below, currency)
    if discounts.percentage is not None:
        apply_percentage_discount(parts, discounts.percentage, currency)
    detailed = tuple(part.frozen() for part in parts)
    amount = discounted = net = round_money(ZERO, currency)
    for part in detailed:
        amount = _add(amount, part.amount)
        discounted = _add(discounted, part.discount_total)
        net = _add(net, part.total)
    below_json = ",".join(canonical_json(explain_part(part)) for part in detailed)
    below = (step.lower, detailed, below_json, amount, discounted, net)
    if step.unit is None:
        return (*below, None, "", "", None, "", "", "", "")
    kind, name, _, unit_amount, tier = step.unit
    amount_json = f'{"," if detailed else ""}{{"amount":"'
    kind_json = f',"kind":{canonical_json(kind)},"name":{canonical_json(name)},"quantity":"'
    total_json = '","total":"' if tier is None else f'","tier":{tier},"total":"'
    unit_json = f'","unitAmount":"{to_wire(unit_amount)}"}}'
    return (*below, unit_amount, kind, name, tier, amount_json, kind_json, total_json, unit_json)


def _text(quantity: Decimal) -> str:
    text = str(quantity)
    return text if text.isdigit() or (text[-1] != "0" and "E" not in text) else trimmed(quantity)
