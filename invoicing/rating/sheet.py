"""Owns rate sheets: a price worked out ahead, so that the plainest lines, most of a close, cost a few operations each.

Between two bounds, a graduated (or unit) price is a fixed part plus one unit amount. The fixed part, with its detailed
lines, discounts, sums and JSON, is the same for every customer, so it is made once, by the chain's own steps; `rate`
adds a line's last detailed line. `tests/unit/test_rate_sheet.py` holds the two ways to the same result, to the byte.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from core.jsontext import canonical_json
from core.money import EXACT, ZERO, quantum, round_money, to_wire, trimmed
from invoicing.rating.charge import rounded
from invoicing.rating.explain import explain_part
from invoicing.rating.percentage_discount import apply_percentage_discount
from invoicing.rating.values import PERCENTAGE_REASON, DetailedLine
from subscriptions.pricing import Discounts, Price, Step

_HUNDREDTH: Final = Decimal("0.01")
_MAX_KEPT: Final = 4096

# All of these are plain tuples, because Python takes those apart faster than named ones.

# What lies below a stretch of a price, ready made: detailed lines, amount, discounts, net.
_Below = tuple[tuple[DetailedLine, ...], Decimal, Decimal, Decimal]
# How the units of the stretch are charged: unit amount (None where they are not), kind, name, tier.
_Unit = tuple[Decimal | None, str, str, int | None]
# The account around a line's figures: up to the amount; from there to the quantity where nothing is taken off, and
# from the discount's amount to the quantity where something is; up to the total; from there to what was priced.
_Texts = tuple[str, str, str, str, str]
_Rung = tuple[Decimal, _Below, _Unit, _Texts]

# The upper bounds of all rungs but the last, and the rungs; free units; the percentage discount, and the same as a
# factor; minor unit and zero of the currency; the account from the amount to the discounts of its totals.
Sheet = tuple[list[Decimal], list[_Rung], Decimal, Decimal | None, Decimal | None, Decimal, Decimal, str]
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
    # By text, not by value: 0.1 and 0.10 are equal, but the account shows the price as it was written.
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
    terms: dict[str, Any] = {"currency": currency}
    if discounts:
        terms["discounts"] = discounts.to_wire()
    opening = canonical_json(terms)[:-1] + ',"parts":['
    closing = f'],"price":{price.to_json()},"quantity":{{' + (f'"free":"{trimmed(free)}",' if free else "")
    return (
        [step.lower for step in steps[1:]],
        [_rung(step, discounts, currency, opening, closing) for step in steps],
        free,
        percentage,
        None if percentage is None else EXACT.multiply(percentage, _HUNDREDTH),
        quantum(currency),
        zero,
        f'","chargesTotal":"{zero}","discountsTotal":"',
    )


def _rung(step: Step, discounts: Discounts, currency: str, opening: str, closing: str) -> _Rung:
    parts = rounded(step.below, currency)
    if discounts.percentage is not None:
        apply_percentage_discount(parts, discounts.percentage, currency)
    detailed = tuple(part.frozen() for part in parts)
    amount = discounted = net = round_money(ZERO, currency)
    for part in detailed:
        amount = EXACT.add(amount, part.amount)
        discounted = EXACT.add(discounted, part.discount_total)
        net = EXACT.add(net, part.total)
    below = (detailed, amount, discounted, net)
    if step.unit is None:
        return step.lower, below, (None, "", "", None), ("", "", "", "", "")
    kind, name, _, unit_amount, tier = step.unit
    shown = [canonical_json(explain_part(part)) for part in detailed]
    kind_json = f',"kind":{canonical_json(kind)},"name":{canonical_json(name)},"quantity":"'
    texts = (
        opening + ",".join([*shown, '{"amount":"']),
        f'"{kind_json}',
        f'","percentage":"{trimmed(discounts.percentage or ZERO)}","reason":"{PERCENTAGE_REASON}"}}]{kind_json}',
        '","total":"' if tier is None else f'","tier":{tier},"total":"',
        f'","unitAmount":"{to_wire(unit_amount)}"}}{closing}"priced":"',
    )
    return step.lower, below, (unit_amount, kind, name, tier), texts
