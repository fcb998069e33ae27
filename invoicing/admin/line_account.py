"""Owns how the account of a line reads in the admin: the facts it rests on, then the sum from quantity to total.

Everything is read from the line itself, so a page of many lines needs no further query.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.display import link, moment
from core.admin.words import amount_text, counted, joined, quantity_text
from core.money import ROUNDING, ZERO, trimmed
from invoicing.choices import LineKind
from invoicing.models import InvoiceLine
from invoicing.rating.readable import same_time
from invoicing.rating.reading import (
    MinimumDue,
    StartedPackages,
    TimeShare,
    is_limited,
    minimum_due,
    share_of,
    started_packages,
    time_share,
)
from invoicing.rating.values import COUPON_REASON, MAXIMUM_REASON, PERCENTAGE_REASON
from subscriptions.price_words import discount_words, price_words, tier_words

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


class LineAccount(NamedTuple):
    """What the page shows when a line is opened; `missing` says why there is no account, if there is none."""

    facts: list[tuple[str, SafeString | str]]
    steps: list[Step]
    has_share: bool
    has_exact: bool
    missing: str


def line_account(line: InvoiceLine, *, live: bool) -> LineAccount:
    """The account of `line`, in its subscription's time zone. Expects `shown_details`, `amends` and its invoice."""
    account: Mapping[str, Any] | None = line.explain
    zone = line.subscription.time_zone if line.subscription else "UTC"
    facts = [("Service period", _span(line.period_start, line.period_end, zone)), *_origin(line)]
    if account is None:
        steps = [*_stored_parts(line), *_closing(line)]
        missing = (
            "Nothing has been rated for it yet." if live else "No account was stored with it: these are its parts."
        )
    else:
        facts += [*_basis(account, zone), *_terms(account, line)]
        steps = [*_quantities(account), *_parts(account, line, zone), *_closing(line)]
        missing = ""
    return LineAccount(facts, steps, any(step.share for step in steps), any(step.exact for step in steps), missing)


def _span(start: datetime, end: datetime, zone: str) -> SafeString:
    return format_html("{} to {}", moment(start, zone), moment(end, zone))


def _origin(line: InvoiceLine) -> Iterator[tuple[str, SafeString | str]]:
    if line.amends is not None:
        label = "Gives back from" if line.kind == LineKind.CREDIT else "Adds to"
        invoice = line.amends.invoice
        yield label, format_html("{} on {}", line.amends.name, link(invoice, invoice.number or "a draft"))


def _basis(account: Mapping[str, Any], zone: str) -> Iterator[tuple[str, SafeString | str]]:
    basis = account.get("basis")
    if not basis:
        return
    quantity, price = basis["quantity"], basis["price"]
    if "period" in basis:
        start, end = (datetime.fromisoformat(basis["period"][name]) for name in ("from", "to"))
        yield "Part of the full period", _span(start, end, zone)
    if quantity["source"] == "meter":
        yield "Quantity from", _metered(quantity)
    elif quantity["source"] == "report":
        said = quantity["reportedAt"]
        reported = "A report that has not come yet"
        yield (
            "Quantity from",
            format_html("A report of {}", moment(datetime.fromisoformat(said), zone)) if said else reported,
        )
    else:
        yield "Quantity from", "The subscription item"
    if price["source"] == "custom":
        yield "Price from", "Terms of the customer's own"
    else:
        sold = "Add-on" if price["source"] == "addon" else "Plan"
        yield "Price from", f"{sold} {price[price['source']]}, version {price['version']}"


def _metered(quantity: Mapping[str, Any]) -> str:
    value = f" of {quantity['valueProperty']}" if "valueProperty" in quantity else ""
    kept = joined(f"{path} is {' or '.join(values)}" for path, values in quantity.get("filters", {}).items())
    return (
        f"Meter {quantity['meter']}: {quantity['aggregation']}{value} over {counted(quantity['events'], 'event')} "
        f"of type {quantity['eventType']}{f', where {kept}' if kept else ''}"
    )


def _terms(account: Mapping[str, Any], line: InvoiceLine) -> Iterator[tuple[str, SafeString | str]]:
    price, currency = account.get("price"), account["currency"]
    if price:
        cadence = line.revision.billing_cadence if line.revision else None
        tiers = tier_words(price, currency)
        listed = format_html_join("", "<li>{}: {}</li>", tiers)
        words = price_words(price, currency, cadence)
        yield "Price", format_html('{}<ul class="ch-tiers">{}</ul>', words, listed) if tiers else words
    discount = discount_words(account.get("discounts"))
    if discount:
        yield "Discounts", discount
    if "eventCount" in account:
        yield "Events charged", quantity_text(account["eventCount"])
    if "sameTime" in account:
        yield "A charge for the same time", same_time(account)
    coupon = account.get("coupon")
    if coupon and "percentage" in coupon:
        yield "Coupon", f"{coupon['code']}: {quantity_text(coupon['percentage'])} % of the line"
    elif coupon:
        yield "Coupon", f"{coupon['code']}: up to {amount_text(coupon['remaining'], currency)} {currency} off"
    if is_limited(account):
        yield "Maximum of the period", f"{amount_text(account['price']['maximumAmount'], currency)} {currency}"
    minimum = minimum_due(account)
    if minimum is not None:
        yield "Minimum due", _minimum(minimum, currency)
    if "billedEarlier" in account:
        yield "Billed earlier in the period", f"{amount_text(account['billedEarlier'], currency)} {currency}"


def _minimum(minimum: MinimumDue, currency: str) -> str:
    """What is due, and how a shortened period, or the maximum, made it that."""
    due = f"{amount_text(minimum.due, currency)} {currency}"
    if minimum.share is None:
        return due
    whole, prorated = (amount_text(amount, currency) for amount in (minimum.minimum, minimum.prorated))
    capped = "" if minimum.prorated == minimum.due else f", at most the maximum of {due}"
    return f"{whole} × {_of(minimum.share)} = {prorated} {currency}{capped}"


def _quantities(account: Mapping[str, Any]) -> Iterator[Step]:
    quantity = account.get("quantity", {})
    packages = started_packages(account)
    if not quantity:
        return
    if quantity["window"] == quantity["priced"] and "earlier" not in quantity:
        # The parts below show it, but for packages.
        if packages is not None:
            yield Step("Quantity charged", quantity=quantity_text(quantity["priced"]), is_sum=True)
            yield _packages(packages)
        return
    if "earlier" in quantity:
        yield Step(
            "Billed earlier in the period", "sets the tier and uses up free units", quantity_text(quantity["earlier"])
        )
    yield Step("Quantity of this period", quantity=quantity_text(quantity["window"]))
    if "free" in quantity:
        of = account.get("discounts", {}).get("usage", {}).get("quantity")
        note = f"of {quantity_text(str(of))} free units" if of else ""
        yield Step("Free", note, f"-{quantity_text(quantity['free'])}")
    yield Step("Quantity charged", quantity=quantity_text(quantity["priced"]), is_sum=True)
    if packages is not None:
        yield _packages(packages)


def _packages(packages: StartedPackages) -> Step:
    size, quantity = quantity_text(packages.size), quantity_text(packages.quantity)
    billed = f", {quantity_text(packages.billed)} of them billed earlier" if packages.billed else ""
    return Step("Packages started", f"{quantity} / {size}, rounded up{billed}", quantity_text(packages.started))


def _parts(account: Mapping[str, Any], line: InvoiceLine, zone: str) -> Iterator[Step]:
    currency = account["currency"]
    if not account["parts"]:
        yield Step("Nothing to charge", amount=amount_text(0, currency))
    for part in account["parts"]:
        window: SafeString | str = ""
        if "from" in part:
            start, end = datetime.fromisoformat(part["from"]), datetime.fromisoformat(part["to"])
            if (start, end) != (line.period_start, line.period_end):
                window = _span(start, end, zone)
        yield Step(
            part["name"],
            window,
            quantity_text(part["quantity"]),
            amount_text(part["unitAmount"], currency),
            _share(part),
            _exact(part, currency),
            _signed(Decimal(part["amount"]), currency),
        )
        for discount in part.get("discounts", ()):
            yield Step(_reason(discount), amount=_signed(-Decimal(discount["amount"]), currency))


def _share(part: Mapping[str, Any]) -> str:
    if "fraction" not in part:
        return ""
    share = share_of(part)
    # What a credit gives back may be a product of shares: no time can be read from it.
    return _of(share) if share is not None else "{:,}/{:,}".format(*part["fraction"])


def share_words(numerator: int, denominator: int) -> str:
    """A share of a period in the largest unit that fits: "15 of 30 days"."""
    return _of(time_share(numerator, denominator))


def _of(share: TimeShare) -> str:
    return f"{quantity_text(share.part)} of {quantity_text(share.whole)} {share.unit}"


def _exact(part: Mapping[str, Any], currency: str) -> str:
    """The product before rounding, where rounding changed it; cut to six places when it has more."""
    product = Fraction(part["quantity"]) * Fraction(part["unitAmount"]) * Fraction(*part.get("fraction", (1, 1)))
    if product == Fraction(part["amount"]):
        return ""
    shown = ROUNDING.divide(Decimal(product.numerator), Decimal(product.denominator))
    cut = shown.quantize(_SIX_PLACES, context=ROUNDING)
    text = amount_text(trimmed(cut), currency)
    return text if Fraction(cut) == product else f"≈ {text}"


def _reason(discount: Mapping[str, str]) -> str:
    if discount["reason"] == PERCENTAGE_REASON:
        return f"{quantity_text(discount['percentage'])} % discount"
    if discount["reason"] == COUPON_REASON:
        share = f", {quantity_text(discount['percentage'])}\N{NO-BREAK SPACE}%" if "percentage" in discount else ""
        return f"Coupon {discount['code']}{share}"
    return "Over the maximum spend" if discount["reason"] == MAXIMUM_REASON else discount["reason"]


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
