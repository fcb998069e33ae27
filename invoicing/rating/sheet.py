"""Owns rate sheets: a price worked out ahead, so that the plainest lines, most of a close, cost a few operations each.

Between two bounds, a graduated (or unit) price is a fixed part plus one unit amount. The fixed part, with its detailed
lines, discounts, sums and JSON, is the same for every customer, so it is made once, by the chain's own steps; `rate`
adds a line's last detailed line. `tests/unit/test_rate_sheet.py` holds the two ways to the same result, to the byte.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from core.jsontext import canonical_json
from core.money import EXACT, ZERO, quantum, round_money
from invoicing.rating.charge import rounded
from invoicing.rating.explanation_json import NO_TEXTS, SheetTexts, sheet_texts
from invoicing.rating.percentage_discount import apply_percentage_discount
from invoicing.rating.values import DetailedLine
from subscriptions.pricing import Discounts, Price, Step

_HUNDREDTH: Final = Decimal("0.01")
_MAX_KEPT: Final = 4096

# All of these are plain tuples, because Python takes those apart faster than named ones.

# What lies below a stretch of a price, ready made: detailed lines, amount, discounts, net.
_Below = tuple[tuple[DetailedLine, ...], Decimal, Decimal, Decimal]
# How the units of the stretch are charged: unit amount (None where they are not), kind, name, tier.
_Unit = tuple[Decimal | None, str, str, int | None]
_Rung = tuple[Decimal, _Below, _Unit, SheetTexts]

# The upper bounds of all rungs but the last, and the rungs; free units; the percentage discount, and the same as a
# factor; minor unit and zero of the currency.
Sheet = tuple[list[Decimal], list[_Rung], Decimal, Decimal | None, Decimal | None, Decimal, Decimal]
# As it is kept on a price: the discounts and the currency that it is for; None where only the chain can rate.
Prepared = tuple[Discounts, str, Sheet | None]


_by_identity: dict[tuple[int, int, str], tuple[Price, Prepared]] = {}
_by_text: dict[str, Sheet] = {}


def prepare(price: Price, discounts: Discounts, currency: str) -> Prepared:
    """The rate sheet of a price, made once, and kept on the price for the next line, which is likely to need it too."""
    # Comparing prices costs more than rating by them, so objects that were seen before are known by their identity.
    # The entry keeps them alive, so that no other object can get the same id.
    key = (id(price), id(discounts), currency)
    known = _by_identity.get(key)
    if known is None:
        if len(_by_identity) >= _MAX_KEPT:
            _by_identity.clear()
        known = _by_identity[key] = (price, (discounts, currency, _sheet_by_text(price, discounts, currency)))
    object.__setattr__(price, "prepared", known[1])
    return known[1]


def _sheet_by_text(price: Price, discounts: Discounts, currency: str) -> Sheet | None:
    steps = price.steps()
    if not steps or price.minimum is not None or price.maximum is not None:
        return None
    # By text, not by value: 0.1 and 0.10 are equal, but the explanation shows the price as it was written.
    text = f"{price.to_json()}{canonical_json(discounts.to_wire())}{currency}"
    sheet = _by_text.get(text)
    if sheet is None:
        if len(_by_text) >= _MAX_KEPT:
            _by_text.clear()
        sheet = _by_text[text] = _sheet(price, steps, discounts, currency)
    return sheet


def _sheet(price: Price, steps: Sequence[Step], discounts: Discounts, currency: str) -> Sheet:
    """A price without commitments in one currency, with its discounts, ready for whole windows from zero."""
    zero, free, percentage = round_money(ZERO, currency), discounts.usage or ZERO, discounts.percentage
    return (
        [step.lower for step in steps[1:]],
        [_rung(step, price, discounts, currency) for step in steps],
        free,
        percentage,
        None if percentage is None else EXACT.multiply(percentage, _HUNDREDTH),
        quantum(currency),
        zero,
    )


def _rung(step: Step, price: Price, discounts: Discounts, currency: str) -> _Rung:
    parts = rounded(step.below, currency)
    if discounts.percentage is not None:
        apply_percentage_discount(parts, discounts.percentage, currency)
    detailed = tuple(part.frozen() for part in parts)
    zero = amount = discounted = net = round_money(ZERO, currency)
    for part in detailed:
        amount = EXACT.add(amount, part.amount)
        discounted = EXACT.add(discounted, part.discount_total)
        net = EXACT.add(net, part.total)
    below = (detailed, amount, discounted, net)
    if step.unit is None:
        return step.lower, below, (None, "", "", None), NO_TEXTS
    kind, name, _, unit_amount, tier = step.unit
    texts = sheet_texts(price, discounts, currency, detailed, step.unit, zero)
    return step.lower, below, (unit_amount, kind, name, tier), texts
