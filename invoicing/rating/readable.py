"""Owns the explanation as arithmetic that people read: one line of text for each part, then the sums."""

from datetime import datetime
from fractions import Fraction

from core.money import to_wire, trimmed
from core.periods import Period
from invoicing.rating.basis import Basis, FromMeter, FromReport
from invoicing.rating.explanation import (
    ChargeExplanation,
    CreditExplanation,
    ExplainedPart,
    Explanation,
    LateUsageExplanation,
)
from invoicing.rating.values import COUPON_REASON, MAXIMUM_REASON, PERCENTAGE_REASON, Coupon, LineDiscount


def readable(explanation: Explanation) -> list[str]:
    """The explanation in plain English, one step a line, such as "Tier 2: over 5 up to 10: 5 × 0.25 = 1.25"."""
    if isinstance(explanation, CreditExplanation):
        return _credit(explanation)
    if isinstance(explanation, LateUsageExplanation):
        return _late_usage(explanation)
    lines = [] if explanation.basis is None else _basis(explanation.basis)
    lines += _quantity(explanation)
    lines += _coupon(explanation.coupon)
    window = None if explanation.basis is None else explanation.basis.window
    lines += [_part(part, window) for part in explanation.parts] or ["Nothing to charge."]
    lines += _commitments(explanation)
    totals, net = explanation.totals, _net(explanation)
    sums = [to_wire(totals.amount)]
    if totals.discounts:
        sums.append(f"− {to_wire(totals.discounts)} discounts")
    if totals.charges:
        sums.append(f"+ {to_wire(totals.charges)} commitments")
    return [*lines, f"Net: {net}" if len(sums) == 1 else f"Net: {' '.join(sums)} = {net}"]


def same_time(credit: CreditExplanation) -> str:
    """What a charge for the time that a credit gives back comes to, and how; empty where the credit names none."""
    charge = credit.same_time
    if charge is None:
        return ""
    steps = [*_coupon(charge.coupon), *(_part(part, credit.parts[0].period) for part in charge.parts)]
    return f"{to_wire(charge.net)} ({'; '.join(steps) or 'nothing to charge'})"


def _credit(credit: CreditExplanation) -> list[str]:
    lines = [_part(part, None) for part in credit.parts] or ["Nothing to charge."]
    if credit.same_time is not None:
        lines.insert(1, f"A charge for the same time comes to {same_time(credit)}")
    return [*lines, f"Net: {_net(credit)}"]


def _late_usage(late: LateUsageExplanation) -> list[str]:
    lines: list[str] = []
    for charge in late.charges:
        lines += readable(charge)
    return [*lines, *(_part(part, None) for part in late.parts), f"Net: {_net(late)}"]


def _net(explanation: Explanation) -> str:
    return f"{to_wire(explanation.net)} {explanation.currency}"


def _basis(basis: Basis) -> list[str]:
    lines = [f"Service period: {_span(basis.window)}"]
    if basis.full_period is not None:
        lines.append(f"Part of the full period: {_span(basis.full_period)}")
    if isinstance(basis.quantity, FromMeter):
        lines.append(f"Metered by {_metered(basis.quantity)}")
    elif isinstance(basis.quantity, FromReport):
        reported_at = basis.quantity.reported_at
        lines.append("Not reported yet" if reported_at is None else f"Reported on {_moment(reported_at)}")
    price = basis.price
    if price.kind == "custom":
        return [*lines, "Priced by terms of the customer's own"]
    sold = "add-on" if price.kind == "addon" else "plan"
    return [*lines, f"Priced by {sold} {price.key}, version {price.version}"]


def _metered(quantity: FromMeter) -> str:
    metering = quantity.metering
    value = "" if metering.value_property is None else f" of {metering.value_property}"
    events = "1 event" if quantity.events == 1 else f"{quantity.events} events"
    kept = " and ".join(f"{path} in {', '.join(values)}" for path, values in metering.filters)
    return (
        f"{metering.meter}: {metering.aggregation}{value} over {events} of type "
        f"{metering.event_type}{f', where {kept}' if kept else ''}"
    )


def _span(period: Period) -> str:
    return f"{_moment(period.start)} to {_moment(period.end)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment.second else f"{moment:%Y-%m-%d %H:%M} UTC"


def _quantity(charge: ChargeExplanation) -> list[str]:
    if charge.price.is_flat:
        return []
    quantity, free = charge.quantity, charge.discounts.usage
    window, priced = trimmed(quantity.window), trimmed(quantity.priced)
    lines = []
    if quantity.earlier:
        lines.append(f"Billed earlier in the period: {trimmed(quantity.earlier)}")
    if quantity.free and free is not None:
        lines.append(f"Quantity: {window} − {trimmed(quantity.free)} of {to_wire(free)} free = {priced}")
    elif quantity.window != quantity.priced:
        lines.append(f"Quantity: {window}, priced as {priced}")
    else:
        lines.append(f"Quantity: {window}")
    packages = charge.packages
    if packages is not None:
        before = f", {trimmed(packages.billed)} of them billed earlier" if packages.billed else ""
        lines.append(
            f"Packages of {trimmed(packages.size)} units: {trimmed(packages.quantity)} / {trimmed(packages.size)}, "
            f"rounded up = {trimmed(packages.started)}{before}"
        )
    return lines


def _coupon(coupon: Coupon | None) -> list[str]:
    if coupon is None:
        return []
    if coupon.percentage is not None:
        share = "" if coupon.share is None else f"{Fraction(*coupon.share)} of "
        return [f"Coupon {coupon.code}: {trimmed(coupon.percentage)} % of {share}the line, rounded once"]
    remaining = "" if coupon.remaining is None else to_wire(coupon.remaining)
    return [f"Coupon {coupon.code}: up to {remaining} off"]


def _part(part: ExplainedPart, window: Period | None) -> str:
    """One part; its time, where that is not the `window` that was named already."""
    product = f"{trimmed(part.quantity)} × {to_wire(part.unit_amount)}"
    if part.fraction is not None:
        product += f" × {part.share or '{}/{}'.format(*part.fraction)}"
    time = "" if part.period is None or part.period == window else f" ({_span(part.period)})"
    text = f"{part.name}{time}: {product} = {to_wire(part.amount)}"
    for discount in part.discounts:
        text += f", − {to_wire(discount.amount)} ({_reason(discount)})"
    return text + (f" = {to_wire(part.total)}" if part.discounts else "")


def _commitments(charge: ChargeExplanation) -> list[str]:
    earlier = charge.billed_earlier
    billed = f"; earlier parts of the period came to {to_wire(earlier)}" if earlier else ""
    maximum = "" if charge.price.maximum is None else to_wire(charge.price.maximum)
    lines = []
    if charge.is_limited:
        lines.append(f"Maximum spend of the period: {maximum}{billed}")
    minimum = charge.minimum
    if minimum is not None:
        due = to_wire(minimum.due)
        if minimum.share is not None:
            due = f"{to_wire(minimum.minimum)} × {minimum.share} = {to_wire(minimum.prorated)}"
        if minimum.prorated != minimum.due:
            due += f", at most the maximum spend of {maximum}"
        lines.append(f"Minimum spend of the period: {due}{billed}")
    return lines


def _reason(discount: LineDiscount) -> str:
    percentage = None if discount.percentage is None else trimmed(discount.percentage)
    if discount.reason == PERCENTAGE_REASON:
        return f"{percentage} % discount"
    if discount.reason == COUPON_REASON:
        return f"coupon {discount.code}{'' if percentage is None else f', {percentage} %'}"
    return "over the maximum spend" if discount.reason == MAXIMUM_REASON else discount.reason
