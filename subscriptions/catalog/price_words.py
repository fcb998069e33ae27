"""Prices in words, as staff read them on plans, subscriptions and invoices. Pure; reads the form stored and sent."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.admin.words import amount_text, cadence_words, quantity_text


def price_words(price: Mapping[str, Any] | None, currency: str, cadence: str | None) -> str:
    """A price in words: "1.00 EUR per 25 units, every month in arrears". An unknown price type is named as it is."""
    if not price:
        return "free"
    kind = str(price.get("type", ""))
    words = _WORDS[kind](price, currency) if kind in _WORDS else kind
    limits = [
        f"{label} {_money(price[name], currency)}"
        for name, label in (("minimumAmount", "at least"), ("maximumAmount", "at most"))
        if price.get(name)
    ]
    return ", ".join([f"{words}{_rhythm(kind, price, cadence)}", *limits])


def tier_words(price: Mapping[str, Any] | None, currency: str) -> list[tuple[str, str]]:
    """The tiers of a price as (range, what it costs), in order; empty for prices without tiers."""
    rows = []
    lower: Decimal | None = None
    for tier in (price or {}).get("tiers") or ():
        upper = tier.get("upToAmount")
        rows.append((_range(lower, upper), _tier_cost(tier, currency)))
        lower = Decimal(upper) if upper is not None else None
    return rows


def discount_words(discounts: Mapping[str, Any] | None) -> str:
    """Discounts in words: "the first 500 units free, 10 % off"; empty for none."""
    parts = []
    usage = ((discounts or {}).get("usage") or {}).get("quantity")
    percentage = ((discounts or {}).get("percentage") or {}).get("percentage")
    if usage:
        parts.append(f"the first {quantity_text(str(usage))} units free")
    if percentage:
        parts.append(f"{quantity_text(str(percentage))} % off")
    return ", ".join(parts)


def _flat(price: Mapping[str, Any], currency: str) -> str:
    return _money(price["amount"], currency)


def _unit(price: Mapping[str, Any], currency: str) -> str:
    return f"{_money(price['amount'], currency)} per unit"


def _package(price: Mapping[str, Any], currency: str) -> str:
    return f"{_money(price['amount'], currency)} per {quantity_text(str(price['quantityPerPackage']))} units"


def _tiered(price: Mapping[str, Any], currency: str) -> str:
    tiers: Sequence[Any] = price.get("tiers") or ()
    mode = "all units at the tier reached" if price.get("mode") == "volume" else "each unit at its tier's price"
    return f"{len(tiers)} tiers, {mode}"


def _dynamic(price: Mapping[str, Any], currency: str) -> str:
    return f"the amounts in the events times {quantity_text(str(price.get('multiplier') or 1))}"


def _percentage(price: Mapping[str, Any], currency: str) -> str:
    words = f"{quantity_text(str(price['percentage']))} % of the amounts in the events"
    fee = price.get("fixedFeePerEvent")
    return f"{words}, plus {_money(fee, currency)} per event" if fee else words


def _dimensional(price: Mapping[str, Any], currency: str) -> str:
    return "by dimension, from the meter's rate card"


_WORDS = {
    "flat": _flat,
    "unit": _unit,
    "package": _package,
    "tiered": _tiered,
    "dynamic": _dynamic,
    "percentage": _percentage,
    "dimensional": _dimensional,
}


def _rhythm(kind: str, price: Mapping[str, Any], cadence: str | None) -> str:
    if not cadence:
        return " once"
    if kind == "flat":
        term = "in arrears" if price.get("paymentTerm") == "in_arrears" else "in advance"
        return f" {cadence_words(cadence)}, {term}"
    return ", in arrears"


def _range(lower: Decimal | None, upper: str | None) -> str:
    if upper is None:
        return "all units" if lower is None else f"above {quantity_text(lower)}"
    return (
        f"up to {quantity_text(upper)}"
        if lower is None
        else f"above {quantity_text(lower)} up to {quantity_text(upper)}"
    )


def _tier_cost(tier: Mapping[str, Any], currency: str) -> str:
    flat = (tier.get("flatPrice") or {}).get("amount")
    unit = (tier.get("unitPrice") or {}).get("amount")
    parts = []
    if flat is not None:
        parts.append(f"{_money(flat, currency)} flat")
    if unit is not None and (Decimal(unit) or not parts):
        parts.append(f"{_money(unit, currency)} per unit")
    return " + ".join(parts) or "free"


def _money(amount: Any, currency: str) -> str:
    return f"{amount_text(str(amount), currency)} {currency}"
