"""Owns how the explanation of a line reads in the admin: the facts it rests on, then the sum from quantity to total.

Everything is read from the line itself, so a page of many lines needs no further query.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.display import link, moment
from core.admin.words import amount_text, counted, joined, money_text, quantity_text
from core.money import ROUNDING, ZERO, trimmed
from core.periods import Period
from invoicing.admin.rating.part_groups import ShownGroup, usage_so_far
from invoicing.choices import LineKind
from invoicing.models import InvoiceLine
from invoicing.rating import Explanation, read_explanation
from invoicing.rating.basis import Basis, FromMeter, FromReport
from invoicing.rating.by_hand import words_of
from invoicing.rating.explanation import (
    ChargeExplanation,
    CreditExplanation,
    ExplainedPart,
    LateUsageExplanation,
    MinimumDue,
    StartedPackages,
    TimeShare,
)
from invoicing.rating.readable import readable, same_time
from invoicing.rating.values import COUPON_REASON, MAXIMUM_REASON, PERCENTAGE_REASON, Coupon, LineDiscount
from subscriptions.catalog.price_words import discount_words, price_words, tier_words

_SIX_PLACES = Decimal("0.000001")


class Step(NamedTuple):
    """One row of the sum; texts that are empty have no cell. `exact` is set where rounding changed the product."""

    name: str
    note: SafeString | str = ""
    quantity: str = ""
    price: str = ""
    share: str = ""
    exact: str = ""
    amount: str = ""
    is_sum: bool = False


class LineExplanation(NamedTuple):
    """What the page shows when a line is opened; `missing` says why there is no explanation, if there is none."""

    facts: list[tuple[str, SafeString | str]]
    steps: list[Step]
    has_share: bool
    has_exact: bool
    missing: str


def line_explanation(line: InvoiceLine, *, live: bool, group: ShownGroup | None = None) -> LineExplanation:
    """The explanation of `line`, in its subscription's time zone, and of the `group` that it is a part of. Expects
    `shown_details`, `amends`, its invoice."""
    zone = line.subscription.time_zone if line.subscription else "UTC"
    facts = [("Service period", _span(line.period_start, line.period_end, zone)), *_origin(line)]
    if group is not None:
        facts.append(("Part of", _span(group.start, group.end, zone)))
        so_far = usage_so_far(group, line.period_end)
        if so_far:
            facts.append(("Used of it so far", so_far))
    if line.explain is None:
        steps = [*_stored_parts(line), *_closing(line)]
        missing = (
            "Nothing has been rated for it yet." if live else "No explanation was stored with it: these are its parts."
        )
    else:
        explanation = read_explanation(line.explain)
        facts += _facts(explanation, line, zone)
        steps = [*_quantities(explanation), *_parts(explanation, line, zone), *_closing(line)]
        missing = ""
    return LineExplanation(facts, steps, any(step.share for step in steps), any(step.exact for step in steps), missing)


def _span(start: datetime, end: datetime, zone: str) -> SafeString:
    return format_html("{} to {}", moment(start, zone), moment(end, zone))


def _origin(line: InvoiceLine) -> Iterator[tuple[str, SafeString | str]]:
    if line.amends is not None:
        label = "Gives back from" if line.kind == LineKind.CREDIT else "Adds to"
        invoice = line.amends.invoice
        yield label, format_html("{} on {}", line.amends.name, link(invoice, invoice.number or "a draft"))


def _facts(explanation: Explanation, line: InvoiceLine, zone: str) -> Iterator[tuple[str, SafeString | str]]:
    if isinstance(explanation, CreditExplanation):
        if explanation.same_time is not None:
            yield "A charge for the same time", same_time(explanation)
        return
    if isinstance(explanation, LateUsageExplanation):
        for charge in explanation.charges:
            yield "Rated with it", format_html_join("", "{}<br>", ((text,) for text in readable(charge)))
        return
    set_by_hand = words_of(line.explain or {}, explanation.quantity.window)
    if set_by_hand:
        yield "Set by hand", set_by_hand
    if explanation.basis is not None:
        yield from _basis(explanation.basis, zone)
    yield from _terms(explanation, line)


def _basis(basis: Basis, zone: str) -> Iterator[tuple[str, SafeString | str]]:
    if basis.full_period is not None:
        yield "Part of the full period", _span(basis.full_period.start, basis.full_period.end, zone)
    yield "Quantity from", _counted(basis, zone)
    price = basis.price
    if price.kind == "custom":
        yield "Price from", "Terms of the customer's own"
    else:
        sold = "Add-on" if price.kind == "addon" else "Plan"
        yield "Price from", f"{sold} {price.key}, version {price.version}"


def _counted(basis: Basis, zone: str) -> SafeString | str:
    quantity = basis.quantity
    if isinstance(quantity, FromMeter):
        return _metered(quantity)
    if not isinstance(quantity, FromReport):
        return "The subscription item"
    if quantity.reported_at is None:
        return "A report that has not come yet"
    return format_html("A report of {}", moment(quantity.reported_at, zone))


def _metered(quantity: FromMeter) -> str:
    metering = quantity.metering
    value = "" if metering.value_property is None else f" of {metering.value_property}"
    kept = joined(f"{path} is {' or '.join(values)}" for path, values in metering.filters)
    return (
        f"Meter {metering.meter}: {metering.aggregation}{value} over {counted(quantity.events, 'event')} "
        f"of type {metering.event_type}{f', where {kept}' if kept else ''}"
    )


def _terms(charge: ChargeExplanation, line: InvoiceLine) -> Iterator[tuple[str, SafeString | str]]:
    price, currency = charge.price.to_wire(), charge.currency
    cadence = line.revision.billing_cadence if line.revision else None
    tiers = tier_words(price, currency)
    listed = format_html_join("", "<li>{}: {}</li>", tiers)
    words = price_words(price, currency, cadence)
    yield "Price", format_html('{}<ul class="ch-tiers">{}</ul>', words, listed) if tiers else words
    discount = discount_words(charge.discounts.to_wire())
    if discount:
        yield "Discounts", discount
    if charge.event_count is not None:
        yield "Events charged", quantity_text(charge.event_count)
    if charge.coupon is not None:
        yield "Coupon", _coupon(charge.coupon, currency)
    if charge.is_limited and charge.price.maximum is not None:
        yield "Maximum of the period", money_text(charge.price.maximum, currency)
    if charge.minimum is not None:
        yield "Minimum due", _minimum(charge.minimum, currency)
    if charge.billed_earlier:
        yield "Billed earlier in the period", money_text(charge.billed_earlier, currency)


def _coupon(coupon: Coupon, currency: str) -> str:
    if coupon.percentage is not None:
        share = "" if coupon.share is None else f"{Fraction(*coupon.share)} of "
        return f"{coupon.code}: {quantity_text(coupon.percentage)} % of {share}the line"
    return f"{coupon.code}: up to {money_text(coupon.remaining or ZERO, currency)} off"


def _minimum(minimum: MinimumDue, currency: str) -> str:
    """What is due, and how a shortened period, or the maximum, made it that."""
    due = money_text(minimum.due, currency)
    if minimum.share is None:
        return due
    whole, prorated = (amount_text(amount, currency) for amount in (minimum.minimum, minimum.prorated))
    capped = "" if minimum.prorated == minimum.due else f", at most the maximum of {due}"
    return f"{whole} × {share_words(minimum.share)} = {prorated} {currency}{capped}"


def _quantities(explanation: Explanation) -> Iterator[Step]:
    if not isinstance(explanation, ChargeExplanation):
        return
    quantity, packages = explanation.quantity, explanation.packages
    priced = Step("Quantity charged", quantity=quantity_text(quantity.priced), is_sum=True)
    if quantity.window == quantity.priced and not quantity.earlier:
        # The parts below show it, but for packages.
        if packages is not None:
            yield priced
            yield _packages(packages)
        return
    if quantity.earlier:
        note = "sets the tier and uses up free units"
        yield Step("Billed earlier in the period", note, quantity_text(quantity.earlier))
    yield Step("Quantity of this period", quantity=quantity_text(quantity.window))
    if quantity.free:
        of = explanation.discounts.usage
        note = f"of {quantity_text(of)} free units" if of else ""
        yield Step("Free", note, f"-{quantity_text(quantity.free)}")
    yield priced
    if packages is not None:
        yield _packages(packages)


def _packages(packages: StartedPackages) -> Step:
    size, quantity = quantity_text(packages.size), quantity_text(packages.quantity)
    billed = f", {quantity_text(packages.billed)} of them billed earlier" if packages.billed else ""
    return Step("Packages started", f"{quantity} / {size}, rounded up{billed}", quantity_text(packages.started))


def _parts(explanation: Explanation, line: InvoiceLine, zone: str) -> Iterator[Step]:
    currency = explanation.currency
    if not explanation.parts:
        yield Step("Nothing to charge", amount=amount_text(0, currency))
    for part in explanation.parts:
        window: SafeString | str = ""
        if part.period is not None and part.period != Period(line.period_start, line.period_end):
            window = _span(part.period.start, part.period.end, zone)
        yield Step(
            part.name,
            window,
            quantity_text(part.quantity),
            amount_text(part.unit_amount, currency),
            _share(part),
            _exact(part, currency),
            _signed(part.amount, currency),
        )
        for discount in part.discounts:
            yield Step(_reason(discount), amount=_signed(-discount.amount, currency))


def _share(part: ExplainedPart) -> str:
    if part.fraction is None:
        return ""
    # What a credit gives back may be a product of shares: no time can be read from it.
    return share_words(part.share) if part.share is not None else "{:,}/{:,}".format(*part.fraction)


def share_words(share: TimeShare) -> str:
    """A share of a period in the largest unit that fits: "15 of 30 days"."""
    return f"{quantity_text(share.part)} of {quantity_text(share.whole)} {share.unit}"


def _exact(part: ExplainedPart, currency: str) -> str:
    """The product before rounding, where rounding changed it; cut to six places when it has more."""
    product = Fraction(part.quantity) * Fraction(part.unit_amount) * Fraction(*(part.fraction or (1, 1)))
    if product == Fraction(part.amount):
        return ""
    shown = ROUNDING.divide(Decimal(product.numerator), Decimal(product.denominator))
    cut = shown.quantize(_SIX_PLACES, context=ROUNDING)
    text = amount_text(trimmed(cut), currency)
    return text if Fraction(cut) == product else f"≈ {text}"


def _reason(discount: LineDiscount) -> str:
    percentage = quantity_text(discount.percentage)
    if discount.reason == PERCENTAGE_REASON:
        return f"{percentage} % discount"
    if discount.reason == COUPON_REASON:
        share = f", {percentage}\N{NO-BREAK SPACE}%" if percentage else ""
        return f"Coupon {discount.code}{share}"
    return "Over the maximum spend" if discount.reason == MAXIMUM_REASON else discount.reason


def _stored_parts(line: Any) -> Iterator[Step]:
    for part in line.shown_details:
        yield Step(
            part.name,
            "",
            quantity_text(part.quantity),
            amount_text(trimmed(part.unit_amount), line.currency),
            amount=_signed(part.amount, line.currency),
        )
        if part.discounts_total:
            yield Step("Discount", amount=_signed(-part.discounts_total, line.currency))


def _closing(line: InvoiceLine) -> Iterator[Step]:
    """From the net of the parts to the line's total: credits and tax (billing rules 1)."""
    net = line.amount + line.charges_total - line.discounts_total
    rest = [("Prepaid credits", -line.credits_total), (_tax_name(line), line.taxes_exclusive_total)]
    shown = [(name, amount) for name, amount in rest if amount]
    if shown:
        yield Step("Net", amount=_signed(net, line.currency), is_sum=True)
    for name, amount in shown:
        yield Step(name, amount=_signed(amount, line.currency))
    note = ""
    if line.taxes_inclusive_total:
        note = f"{_signed(line.taxes_inclusive_total, line.currency)} {line.currency} {_tax_name(line)} in it"
    yield Step("Total", note, amount=f"{_signed(line.total, line.currency)} {line.currency}", is_sum=True)


def _tax_name(line: InvoiceLine) -> str:
    name = line.tax_name or "Tax"
    return name if line.tax_rate is None else f"{name} {quantity_text(line.tax_rate)} %"


def _signed(amount: Decimal, currency: str) -> str:
    # Adding zero turns a negative zero into a plain one.
    return amount_text(amount + ZERO, currency)
