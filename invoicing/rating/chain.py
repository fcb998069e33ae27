"""Owns the order of the steps: free units, price, percentage, coupon, maximum, minimum (billing rules 3)."""

from core.money import EXACT, ZERO, round_money
from invoicing.rating.charge import charge_flat, rounded
from invoicing.rating.coupon import apply_coupon
from invoicing.rating.explanation_json import charge_json
from invoicing.rating.maximum import apply_maximum
from invoicing.rating.minimum import due_minimum, minimum_part
from invoicing.rating.percentage_discount import apply_percentage_discount
from invoicing.rating.usage_discount import after_free_units
from invoicing.rating.values import COMMITMENT, RatedLine, RatingInput
from subscriptions.pricing import FlatPrice, Usage


def run_chain(line: RatingInput) -> RatedLine:
    """Rate a line step by step. Serves every line; `sheet` is a shorter way for the plainest ones."""
    price, currency = line.price, line.currency
    nothing = round_money(ZERO, currency)
    if isinstance(price, FlatPrice):
        priced, free = line.quantity, ZERO
        parts = charge_flat(price, line)
    else:
        window = max(line.quantity, ZERO)
        priced, earlier = window, line.pre_quantity
        if line.discounts.usage is not None:
            priced, earlier = after_free_units(window, earlier, line.discounts.usage)
        free = EXACT.subtract(window, priced)
        usage = Usage(priced, earlier, line.event_count, line.is_first_split)
        parts = rounded(price.charges(usage), currency)

    if line.discounts.percentage is not None:
        apply_percentage_discount(parts, line.discounts.percentage, currency)
    coupon_used = nothing if line.coupon is None else apply_coupon(parts, line.coupon, currency) or nothing
    if price.maximum is not None:
        apply_maximum(parts, price.maximum, line.previously_billed_net, currency)
    minimum_due = None
    if price.minimum is not None and line.is_last_split:
        minimum_due = due_minimum(line, price.minimum)
        topping = minimum_part(parts, line, minimum_due)
        if topping is not None:
            parts.append(topping)

    amount = charges = net = nothing
    for part in parts:
        net = EXACT.add(net, part.total)
        if part.category == COMMITMENT:
            charges = EXACT.add(charges, part.amount)
        else:
            amount = EXACT.add(amount, part.amount)
    discounted = EXACT.subtract(EXACT.add(amount, charges), net)
    detailed = tuple(part.frozen() for part in parts)
    explanation = charge_json(
        line,
        detailed=detailed,
        quantity=(line.quantity, line.pre_quantity, free, priced),
        totals=(amount, charges, discounted, net),
        minimum_due=minimum_due,
    )
    return RatedLine(detailed, priced, free, amount, charges, discounted, net, coupon_used, explanation)
