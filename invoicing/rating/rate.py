"""Owns the order of the chain: free units, price, percentage, coupon, maximum, minimum (billing rules 3)."""

from core.money import EXACT, ZERO, round_money
from invoicing.rating.charge import charge_flat, charge_usage
from invoicing.rating.coupon import apply_coupon
from invoicing.rating.explain import explain
from invoicing.rating.maximum import apply_maximum
from invoicing.rating.minimum import due_minimum, minimum_part
from invoicing.rating.percentage_discount import apply_percentage_discount
from invoicing.rating.usage_discount import after_free_units
from invoicing.rating.values import COMMITMENT, RatedLine, RatingInput
from invoicing.rating.working import Part
from subscriptions.pricing import FlatPrice, Usage


def rate(line: RatingInput) -> RatedLine:
    """The money of one line, with its detailed lines and the account of how it came about.

    A window whose usage fell below what earlier splits billed (a negative quantity) is priced as zero; the caller
    opens the late-usage case. Nothing used gives no detailed lines, save the flat part of a first tier.
    InvalidInput for an unknown currency.
    """
    price, currency = line.price, line.currency
    nothing = round_money(ZERO, currency)
    if isinstance(price, FlatPrice):
        quantity, free = line.quantity, ZERO
        parts = charge_flat(price, line)
    else:
        window = max(line.quantity, ZERO)
        quantity, earlier = window, line.pre_quantity
        if line.discounts.usage is not None:
            quantity, earlier = after_free_units(window, earlier, line.discounts.usage)
        free = EXACT.subtract(window, quantity)
        parts = charge_usage(price, Usage(quantity, earlier, line.event_count, line.is_first_split), currency)

    if line.discounts.percentage is not None:
        apply_percentage_discount(parts, line.discounts.percentage, currency)
    coupon_used = nothing if line.coupon is None else apply_coupon(parts, line.coupon, currency)
    if price.maximum is not None:
        apply_maximum(parts, price.maximum, line.previously_billed_net, currency)
    due = None
    if price.minimum is not None and line.is_last_split:
        due = due_minimum(line, price.minimum)
        topping = minimum_part(parts, line, due)
        if topping is not None:
            parts.append(topping)

    amount = charges = net = nothing
    for part in parts:
        net = EXACT.add(net, part.total)
        if part.category == COMMITMENT:
            charges = EXACT.add(charges, part.amount)
        else:
            amount = EXACT.add(amount, part.amount)
    detailed = tuple(Part.frozen(part) for part in parts)
    rated = RatedLine(
        detailed=detailed,
        quantity=quantity,
        free_quantity=free,
        amount=amount,
        charges_total=charges,
        discounts_total=EXACT.subtract(EXACT.add(amount, charges), net),
        net=net,
        coupon_used=coupon_used or nothing,
        explain={},
    )
    rated.explain.update(explain(line, detailed, rated, due))
    return rated
