"""Computes a line again from its explanation alone, to prove that nothing else is needed."""

from decimal import Decimal

from core.money import EXACT, ZERO, round_money, round_share
from invoicing.rating.explanation import ChargeExplanation, Explanation
from invoicing.rating.rate import rate
from invoicing.rating.values import PERCENTAGE_REASON, RatedLine, RatingInput

_HUNDREDTH = Decimal("0.01")


def replay(explanation: Explanation) -> RatedLine:
    """The line rated once more from the inputs in its explanation. ValueError for what was not rated by itself: a
    credit, late usage."""
    if not isinstance(explanation, ChargeExplanation):
        raise ValueError("It has no price of its own to be rated by.")
    return rate(input_of(explanation))


def input_of(explanation: ChargeExplanation) -> RatingInput:
    """What the line was rated from."""
    return RatingInput(
        price=explanation.price,
        quantity=explanation.quantity.window,
        currency=explanation.currency,
        discounts=explanation.discounts,
        pre_quantity=explanation.quantity.earlier,
        fraction=explanation.fraction or (1, 1),
        is_first_split=explanation.split.first,
        is_last_split=explanation.split.last,
        previously_billed_net=explanation.billed_earlier,
        event_count=explanation.event_count or 0,
        coupon=explanation.coupon,
        components=explanation.components,
    )


def recompute(explanation: Explanation) -> Decimal:
    """The net that the parts come to by their figures alone, as a controller would check them by hand.

    quantity x unit amount x fraction, rounded; percentage discounts computed, other discounts as written.
    """
    currency = explanation.currency
    net = ZERO
    for part in explanation.parts:
        whole = EXACT.multiply(part.quantity, part.unit_amount)
        total = round_share(whole, *(part.fraction or (1, 1)), currency)
        for discount in part.discounts:
            amount = discount.amount
            if discount.reason == PERCENTAGE_REASON and discount.percentage is not None:
                rate_off = EXACT.multiply(discount.percentage, _HUNDREDTH)
                amount = round_money(EXACT.multiply(total, rate_off), currency)
            total = EXACT.subtract(total, amount)
        net = EXACT.add(net, total)
    return round_money(net, currency)
