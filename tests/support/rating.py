"""Short ways to rate a line in tests: wire prices and decimal text in, text out."""

from decimal import Decimal

from invoicing.rating import RatingInput, rate
from subscriptions.pricing import parse_discounts, parse_price


def rated(price, quantity="0", currency="USD", *, earlier="0", billed="0", percent=None, free=None, **rest):
    """The rated line of `quantity` at the wire `price`; `rest` goes to the input as it is."""
    wire = {}
    if percent is not None:
        wire["percentage"] = {"percentage": percent}
    if free is not None:
        wire["usage"] = {"quantity": free}
    return rate(
        RatingInput(
            price=parse_price(price),
            quantity=Decimal(quantity),
            currency=currency,
            pre_quantity=Decimal(earlier),
            previously_billed_net=Decimal(billed),
            discounts=parse_discounts(wire),
            **rest,
        )
    )


def net(*args, **rest):
    """The net of a rated line, as text with the currency's places."""
    return str(rated(*args, **rest).net)


def totals(*args, **rest):
    """The totals of the detailed lines, in order, as text."""
    return [str(part.total) for part in rated(*args, **rest).detailed]


def tiered(mode, *tiers, **rest):
    """A tiered wire price; each tier is (up to, flat, unit) with None for what it lacks."""
    wire = []
    for up_to, flat, unit in tiers:
        tier = {} if up_to is None else {"upToAmount": up_to}
        tier["flatPrice"] = None if flat is None else {"type": "flat", "amount": flat}
        tier["unitPrice"] = None if unit is None else {"type": "unit", "amount": unit}
        wire.append(tier)
    return {"type": "tiered", "mode": mode, "tiers": wire, **rest}
