"""Discounts that one person may not give alone: how much a coupon or a price of a customer's own takes off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from core.approvals.limits import need_second_person
from core.limits import default_limit
from core.money import ZERO, trimmed
from core.periods import parse_cadence
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.pricing import Usage, parse_price

_HUNDRED = Decimal(100)
_DAYS_OF_A_YEAR = 365
# What they charge depends on more than how many units there were.
_NOT_BY_UNITS = frozenset(["dimensional", "dynamic"])
# Default limit of fixed amounts: a millionth of the safety bound, 1,000 of most currencies' main unit.
_SHARE = Decimal(10**6)
# The one figure that prices of a model differ by.
_FIGURES = {
    "flat": "amount",
    "unit": "amount",
    "package": "amount",
    "percentage": "percentage",
    "dynamic": "multiplier",
}


def check_coupon_discount(code: str, percentage: Decimal | None, amount: Decimal | None, currency: str) -> None:
    """`ApprovalNeeded` where the coupon takes off more than one person may give."""
    if percentage is not None and percentage > _most():
        need_second_person(rule=_rule(), effect=f"The coupon {code} would take {trimmed(percentage)} % off.")
    if amount is not None and amount > (most := _most_amount(currency)):
        need_second_person(
            rule=f"Above {trimmed(most)} {currency}, a second person approves a coupon.",
            effect=f"The coupon {code} would take {trimmed(amount)} {currency} off each charge.",
        )


def check_card_discounts(cards: Iterable[RateCardTerms]) -> None:
    """The same for the percentage discounts of a plan that is made for one customer."""
    for card in cards:
        off = _percentage_of(card.discounts)
        if off > _most():
            need_second_person(rule=_rule(), effect=f"{card.name} would cost {trimmed(off)} % less than its price.")


@dataclass(frozen=True, slots=True)
class Charged:
    """What an item is charged: a price and its discounts, as on the wire, once every `cadence` (None: once). A coupon
    that runs on it takes off a percentage, or an amount of each charge."""

    price: Mapping[str, Any] | None
    discounts: Mapping[str, Any] | None
    cadence: str | None = None
    coupon: Decimal = ZERO
    coupon_amount: Decimal = ZERO


def check_own_price(
    name: str, new: Charged, *, now: Charged, listed: Charged, units: Decimal | None, currency: str
) -> None:
    """The same for an item's own terms, measured against what the plan `listed`, so that small steps add up; one that
    lowers nothing against `now` passes.

    The representative period is the latest whole one that was billed, with its `units`: both terms are priced for it.
    Without one (None, and for flat fees), prices are compared where both are of one model and differ by one figure, and
    where the new one is zero; free units that were not listed then count by what they would cost, as a fixed amount
    does. What can't be compared so is what the preview shows.
    """
    off = (1 - kept(new, listed, units)) * _HUNDRED
    if off > _most() and kept(new, now, units) < 1:
        need_second_person(rule=_rule(), effect=f"{name} would cost {trimmed(round(off, 2))} % less than listed.")
    if units is None and _free_units(new) > _free_units(now):
        worth = _worth(_free_units(new) - _free_units(listed), listed if listed.price else new)
        if worth > (most := _most_amount(currency)):
            need_second_person(
                rule=f"Above {trimmed(most)} {currency} a period, a second person approves free units of what was "
                "never billed yet.",
                effect=f"{name} would have units worth {trimmed(round(worth, 2))} {currency} free.",
            )


def check_combined(name: str, new: Charged, *, listed: Charged, units: Decimal | None) -> None:
    """The same for a coupon on an item that costs less than listed already: alone it was measured when it was made."""
    off = (1 - kept(new, listed, units)) * _HUNDRED
    alone = Charged(new.price, new.discounts, new.cadence)
    if off > _most() and kept(alone, listed, units) < 1:
        need_second_person(
            rule=_rule(), effect=f"With the coupon, {name} would cost {trimmed(round(off, 2))} % less than listed."
        )


def check_free_time(days: Decimal, period: Decimal, whose: str) -> None:
    """The same for time in which nothing is charged, or less than one person may leave of the list: `days` of it more
    than listed, measured against a billing period of so many days."""
    if _most() < _HUNDRED and days * _HUNDRED > period * _most():
        need_second_person(
            rule=f"More than {trimmed(_most())} % of a billing period is given free by two persons.",
            effect=f"{whose} would be charged next to nothing for {trimmed(round(days, 0))} days more than listed.",
        )


def charges_in_earnest(charged: Charged, listed: Charged) -> bool:
    """Whether it charges anything, and no less than one person may leave of what was `listed`."""
    if _is_free(charged.price) or _percentage_of(charged.discounts) == _HUNDRED:
        return False
    return (1 - kept(charged, listed)) * _HUNDRED <= _most()


def kept(new: Charged, old: Charged, units: Decimal | None = None) -> Decimal:
    """Which part of the old charge is left in the new one; 1 where that can't be said."""
    couponed = 1 - new.coupon / _HUNDRED
    fee = _fee(new, units)
    if new.coupon_amount and fee:
        couponed *= max(ZERO, 1 - new.coupon_amount / fee)
    had_coupon = 1 - old.coupon / _HUNDRED
    if had_coupon:
        couponed /= had_coupon
    return couponed * _kept_of_price(new, old, units)


def _kept_of_price(new: Charged, old: Charged, units: Decimal | None) -> Decimal:
    if (
        units
        and new.cadence == old.cadence
        and (before := _cost(old, units))
        and (after := _cost(new, units)) is not None
    ):
        return after / before
    least = _least_kept(new, old)
    had = 1 - _percentage_of(old.discounts) / _HUNDRED
    rest = (1 - _percentage_of(new.discounts) / _HUNDRED) / had if had else Decimal(1)
    rest = min(rest, least)
    if _is_free(old.price):
        return rest
    if _is_free(new.price):
        return Decimal(0)
    before, after = _figure(old), _figure(new)
    alike = new.price and old.price and new.price["type"] == old.price["type"]
    if not (alike and before and after and (new.cadence is None) == (old.cadence is None)):
        return rest
    return rest * after / before


def _least_kept(new: Charged, old: Charged) -> Decimal:
    """What is left of a minimum spend, or of a cap, that the old price had: 0 of a minimum that is gone."""
    if not (old.price and new.price):
        return Decimal(1)
    left = Decimal(1)
    if minimum := _decimal(old.price.get("minimumAmount"), 0):
        left = min(left, _decimal(new.price.get("minimumAmount"), 0) / minimum)
    cap, new_cap = _decimal(old.price.get("maximumAmount"), 0), new.price.get("maximumAmount")
    if cap and new_cap is not None:
        left = min(left, _decimal(new_cap, 0) / cap)
    return left


def _cost(charged: Charged, units: Decimal) -> Decimal | None:
    """What `units` of a whole period come to, net; None for a price that units alone don't decide."""
    if charged.price is None:
        return ZERO
    price = parse_price(charged.price)
    if price is None or price.is_flat or price.counts_events or price.type in _NOT_BY_UNITS:
        return None
    billed = max(units - _free_units(charged), ZERO)
    parts = price.charges(Usage(billed))
    cost = sum((part.quantity * part.unit_amount for part in parts), ZERO)
    cost *= 1 - _percentage_of(charged.discounts) / _HUNDRED
    if price.maximum is not None:
        cost = min(cost, price.maximum)
    return cost if price.minimum is None else max(cost, price.minimum)


def _fee(charged: Charged, units: Decimal | None) -> Decimal:
    """What one charge comes to before coupons, of `units` (of a flat fee one); zero where that is not known."""
    if charged.price is not None and charged.price["type"] == "flat":
        return _decimal(charged.price["amount"], 0) * (units or 1) * (1 - _percentage_of(charged.discounts) / _HUNDRED)
    return (_cost(charged, units) or ZERO) if units else ZERO


def _free_units(charged: Charged) -> Decimal:
    said = ((charged.discounts or {}).get("usage") or {}).get("quantity")
    return Decimal(str(said)) if said is not None else ZERO


def _worth(units: Decimal, charged: Charged) -> Decimal:
    """What so many units would cost by these terms without any of them free."""
    priced = Charged(charged.price, None, charged.cadence)
    return (_cost(priced, units) or ZERO) if units > 0 else ZERO


def _is_free(price: Mapping[str, Any] | None) -> bool:
    """Whether it charges nothing, whatever is used: no price, zero in every figure, or a cap of zero."""
    if price is None or _decimal(price.get("maximumAmount"), 1) == 0:
        return True
    if _decimal(price.get("minimumAmount"), 0):
        return False
    if price["type"] == "tiered":
        figures = [
            (tier.get(part) or {}).get("amount") for tier in price["tiers"] for part in ("flatPrice", "unitPrice")
        ]
        return not any(_decimal(figure, 0) for figure in figures)
    name = _FIGURES.get(price["type"])
    return name is not None and _decimal(price.get(name), 1) == 0


def _figure(charged: Charged) -> Decimal:
    """The figure that the model has, of a fee for a month; zero for a model that has several."""
    price = charged.price or {}
    name = _FIGURES.get(price.get("type", ""))
    if name is None:
        return Decimal(0)
    figure = _decimal(price.get(name), 1)
    if price["type"] == "package":
        return figure / Decimal(str(price["quantityPerPackage"]))
    cadence = parse_cadence(charged.cadence)
    if price["type"] != "flat" or cadence is None:
        return figure
    return figure / cadence.months if cadence.months else figure * _DAYS_OF_A_YEAR / (12 * cadence.days)


def _decimal(said: Any, otherwise: int) -> Decimal:
    return Decimal(otherwise) if said is None else Decimal(str(said))


def _percentage_of(discounts: Any) -> Decimal:
    said = ((discounts or {}).get("percentage") or {}).get("percentage")
    return Decimal(str(said)) if said is not None else Decimal(0)


def _most() -> Decimal:
    most: Decimal = settings.DISCOUNT_TWO_PERSON_ABOVE_PERCENT
    return most


def _most_amount(currency: str) -> Decimal:
    said: Mapping[str, Decimal] = settings.DISCOUNT_TWO_PERSON_ABOVE_AMOUNTS
    return said.get(currency, default_limit(currency) / _SHARE)


def _rule() -> str:
    return f"Above {trimmed(_most())} %, a second person approves a discount."
