"""Owns the entrance to rating: the prepared way for plain lines, the chain for all others, with one result."""

from invoicing.rating.chain import run_chain
from invoicing.rating.sheet import sheet_for
from invoicing.rating.values import RatedLine, RatingInput


def rate(line: RatingInput) -> RatedLine:
    """The money of one line, with its detailed lines and the account of how it came about.

    A window whose usage fell below what earlier splits billed (a negative quantity) is priced as zero; the caller
    opens the late-usage case. Nothing used gives no detailed lines, save the flat part of a first tier.
    InvalidInput for an unknown currency. ValueError for a dimensional price, which has no figures of its own.
    """
    if line.is_first_split and line.coupon is None and not line.pre_quantity and line.quantity >= 0:
        sheet = sheet_for(line.price, line.discounts, line.currency)
        if sheet is not None:
            return sheet.rate(line.quantity)
    return run_chain(line)
