"""Owns the entrance to rating: the prepared way for plain lines, the chain for all others, with one result."""

from bisect import bisect_left
from decimal import getcontext
from typing import Final

from core.money import EXACT, ROUNDING, ZERO, exact_arithmetic, trimmed
from invoicing.rating.chain import run_chain
from invoicing.rating.explain import VERSION
from invoicing.rating.sheet import prepare
from invoicing.rating.values import PERCENTAGE_REASON, REGULAR, DetailedLine, LineDiscount, RatedLine, RatingInput

_FULL: Final = (1, 1)
_VERSION_JSON: Final = f'"}},"version":{VERSION}}}'
_quantize = ROUNDING.quantize
# A named tuple's own constructor takes twice as long as the tuple's.
_new = tuple.__new__


def rate(line: RatingInput) -> RatedLine:
    """The money of one line, with its detailed lines and the account of how it came about.

    A window whose usage fell below what earlier splits billed (a negative quantity) is priced as zero; the caller
    opens the late-usage case. Nothing used gives no detailed lines, save the flat part of a first tier.
    InvalidInput for an unknown currency. ValueError for a dimensional price, which has no figures of its own.

    Rate many lines under `exact_arithmetic`: otherwise each line has to enter and leave it.
    """
    window, price = line.quantity, line.price
    if not line.is_first_split or line.coupon is not None or line.pre_quantity:
        return run_chain(line)
    prepared = price.prepared
    if prepared is None or prepared[0] is not line.discounts or prepared[1] != line.currency:
        prepared = prepare(price, line.discounts, line.currency)
    if prepared[2] is None:
        return run_chain(line)
    if getcontext() is not EXACT:
        with exact_arithmetic():
            return rate(line)
    # Most lines of a close come this way, so the rest is written as Python does it fastest: few calls, each text made
    # once, tuples that are taken apart whole.
    bounds, rungs, free, percentage, rate_off, quantum, zero, discount_json, priced_json, totals_json = prepared[2]
    priced, priced_text = window, str(window)
    if not priced_text.isdigit() and (priced_text[-1] == "0" or "E" in priced_text):
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
        if not quantity_text.isdigit() and (quantity_text[-1] == "0" or "E" in quantity_text):
            quantity_text = trimmed(quantity)
    charged = total = _quantize(quantity * unit_amount, quantum)
    discount, taken_json = zero, '"'
    taken: tuple[LineDiscount, ...] = ()
    if rate_off is not None:
        discount = _quantize(charged * rate_off, quantum)
        if discount:
            total = charged - discount
            taken = (_new(LineDiscount, (PERCENTAGE_REASON, discount, percentage, None)),)
            taken_json = f'","discounts":[{{"amount":"{discount!s}{discount_json}'
    part = (kind, REGULAR, name, quantity, unit_amount, charged, discount, total, taken, _FULL, tier, None, None)
    detailed, amount, discounted, net = below
    detailed += (_new(DetailedLine, part),)
    amount += charged
    discounted += discount
    net += total
    start_json, kind_json, total_json, end_json = texts
    account = (
        f"{start_json}{charged!s}{taken_json}{kind_json}{quantity_text}{total_json}{total!s}{end_json}"
        f'{priced_json}{priced_text}","window":"{window_text}"}},"totals":{{"amount":"{amount!s}'
        f'{totals_json}{discounted!s}","net":"{net!s}{_VERSION_JSON}'
    )
    return _new(RatedLine, (detailed, priced, free, amount, zero, discounted, net, zero, account))
