"""Discounts that one person may not give alone: how much a coupon or a price of a customer's own takes off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from core.approvals.limits import need_second_person
from core.limits import default_limit
from core.money import trimmed
from core.periods import parse_cadence
from subscriptions.catalog.plan_terms import RateCardTerms

_HUNDRED = Decimal(100)
_DAYS_OF_A_YEAR = 365
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
    """What an item is charged: a price and its discounts, as on the wire, once every `cadence` (None: once)."""

    price: Mapping[str, Any] | None
    discounts: Mapping[str, Any] | None
    cadence: str | None = None


def check_own_price(name: str, new: Charged, *, now: Charged, listed: Charged) -> None:
    """The same for an item's own terms, measured against what the plan `listed`, so that small steps add up; one that
    lowers nothing against `now` passes.

    Prices are compared where both are of one model and differ by one figure, and where the new one is zero. Others
    can't be compared in a single figure; the preview shows what they come to.
    """
    off = (1 - _kept(new, listed)) * _HUNDRED
    if off > _most() and _kept(new, now) < 1:
        need_second_person(rule=_rule(), effect=f"{name} would cost {trimmed(round(off, 2))} % less than listed.")


def _kept(new: Charged, old: Charged) -> Decimal:
    """Which part of the old charge is left in the new one; 1 where that can't be said."""
    had = 1 - _percentage_of(old.discounts) / _HUNDRED
    rest = (1 - _percentage_of(new.discounts) / _HUNDRED) / had if had else Decimal(1)
    if _is_free(old.price):
        return rest
    if _is_free(new.price):
        return Decimal(0)
    before, after = _figure(old), _figure(new)
    alike = new.price and old.price and new.price["type"] == old.price["type"]
    if not (alike and before and after and (new.cadence is None) == (old.cadence is None)):
        return rest
    return rest * after / before


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
