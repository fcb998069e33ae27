"""Owns the entrance to rating: the prepared way for plain lines, the chain for all others, with one result."""

from bisect import bisect_left
from decimal import getcontext
from typing import Final

from core.money import EXACT, ROUNDING, ZERO, exact_arithmetic, trimmed
from invoicing.rating.chain import run_chain
from invoicing.rating.explanation_json import END, TO_NET, TO_TOTALS, TO_WINDOW
from invoicing.rating.sheet import prepare
from invoicing.rating.values import PERCENTAGE_REASON, REGULAR, DetailedLine, LineDiscount, RatedLine, RatingInput

_FULL: Final = (1, 1)
_quantize = ROUNDING.quantize
# A named tuple's own constructor takes twice as long as the tuple's.
_new = tuple.__new__


def rate(line: RatingInput) -> RatedLine:
    """The money of one line, with its detailed lines and the explanation of how it came about.

    A window whose usage fell below what earlier splits billed (a negative quantity) is priced as zero; the caller
    opens the late-usage case. Nothing used gives no detailed lines, save the flat part of a first tier.
    InvalidInput for an unknown currency. ValueError for a dimensional price, which has no figures of its own.

    Rate many lines under `exact_arithmetic`: otherwise each line has to enter and leave it.
    """
    # A slice is a plain tuple, which Python takes apart at once; seven fields by name take half as long again.
    price, window, currency, discounts, pre_quantity, is_first_split, coupon = line[:7]
    if not is_first_split or coupon is not None or pre_quantity:
        return run_chain(line)
    prepared = price.prepared
    if prepared is None or prepared[0] is not discounts or prepared[1] != currency:
        prepared = prepare(price, discounts, currency)
    if prepared[2] is None:
        return run_chain(line)
    if getcontext() is not EXACT:
        with exact_arithmetic():
            return rate(line)
    # Most lines of a close come this way, so the rest is written as Python does it fastest: few calls, each text made
    # once and in one go, tuples that are taken apart whole.
    bounds, rungs, free, percentage, rate_off, quantum, zero = prepared[2]
    priced, priced_text = window, str(window)
    if "E" in priced_text or ("." in priced_text and priced_text[-1] == "0"):
        priced_text = trimmed(window)
    window_text = priced_text
    if free:
        priced = window - free
        priced_text = trimmed(priced)
    if priced <= ZERO:
        return run_chain(line)
    lower, below, (unit_amount, kind, name, tier), texts = rungs[bisect_left(bounds, priced)]
    if unit_amount is None:
        return run_chain(line)
    quantity, quantity_text = priced, priced_text
    if lower:
        quantity = priced - lower
        quantity_text = str(quantity)
        if "E" in quantity_text or ("." in quantity_text and quantity_text[-1] == "0"):
            quantity_text = trimmed(quantity)
    charged = _quantize(quantity * unit_amount, quantum)
    detailed, amount, discounted, net = below
    amount += charged
    to_amount, to_quantity, to_discount, off_to_quantity, to_total, to_priced, to_discounts = texts
    if rate_off is not None and (discount := _quantize(charged * rate_off, quantum)):
        total = charged - discount
        discounted += discount
        net += total
        taken: tuple[LineDiscount, ...] = (_new(LineDiscount, (PERCENTAGE_REASON, discount, percentage, None)),)
        part = (kind, REGULAR, name, quantity, unit_amount, charged, discount, total, taken, _FULL, tier, None, None)
        explanation = (
            f"{to_amount}{charged!s}{to_discount}{discount!s}{off_to_quantity}{quantity_text}{to_total}{total!s}"
            f"{to_priced}{priced_text}{TO_WINDOW}{window_text}{TO_TOTALS}{amount!s}"
            f"{to_discounts}{discounted!s}{TO_NET}{net!s}{END}"
        )
    else:
        net += charged
        part = (kind, REGULAR, name, quantity, unit_amount, charged, zero, charged, (), _FULL, tier, None, None)
        text = str(charged)
        explanation = (
            f"{to_amount}{text}{to_quantity}{quantity_text}{to_total}{text}"
            f"{to_priced}{priced_text}{TO_WINDOW}{window_text}{TO_TOTALS}{amount!s}"
            f"{to_discounts}{discounted!s}{TO_NET}{net!s}{END}"
        )
    detailed += (_new(DetailedLine, part),)
    return _new(RatedLine, (detailed, priced, free, amount, zero, discounted, net, zero, explanation))
