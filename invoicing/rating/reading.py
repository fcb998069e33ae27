"""Owns what an account leaves to its readers: shares of time in units, packages started, how a minimum came about.

Both ways to read an account, the sentences of `readable` and the admin's table, take these from here.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from core.money import EXACT, ZERO, round_share, trimmed

_UNITS_OF_TIME = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
_HUNDRED_YEARS = 100 * 366 * 86400


class TimeShare(NamedTuple):
    """A share of a period, `part` of `whole` `unit`s."""

    part: Decimal
    whole: Decimal
    unit: str


class StartedPackages(NamedTuple):
    """Packages of `size` units: `started` by the period's `quantity` so far, `billed` of them by what came before."""

    size: Decimal
    quantity: Decimal
    started: Decimal
    billed: Decimal


class MinimumDue(NamedTuple):
    """A price's `minimum`, what of it falls on the time billed, and what is `due`: never more than the maximum."""

    minimum: Decimal
    share: TimeShare | None
    prorated: Decimal
    due: Decimal


def time_share(numerator: int, denominator: int) -> TimeShare:
    """A share of a period, as `core.periods.fraction` gives it, in the largest unit of which both are whole numbers."""
    if denominator > _HUNDRED_YEARS:
        # Boundaries within a second: these are microseconds.
        return TimeShare(Decimal(numerator).scaleb(-6), Decimal(denominator).scaleb(-6), "seconds")
    seconds, unit = next(found for found in _UNITS_OF_TIME if not (numerator % found[0] or denominator % found[0]))
    return TimeShare(Decimal(numerator // seconds), Decimal(denominator // seconds), unit)


def started_packages(account: Mapping[str, Any]) -> StartedPackages | None:
    """How a package price came to its number of packages; None for other prices, and where nothing was priced."""
    price, quantity = account.get("price") or {}, account.get("quantity") or {}
    if price.get("type") != "package" or not Decimal(quantity.get("priced", "0")):
        return None
    size, priced = Decimal(price["quantityPerPackage"]), Decimal(quantity["priced"])
    free = Decimal((account.get("discounts") or {}).get("usage", {}).get("quantity", "0"))
    earlier = max(EXACT.subtract(Decimal(quantity.get("earlier", "0")), free), ZERO)
    total = EXACT.add(earlier, priced)
    return StartedPackages(size, total, _started(total, size), _started(earlier, size))


def minimum_due(account: Mapping[str, Any]) -> MinimumDue | None:
    """How the minimum spend came to what is due; None where the line does not close its period, or there is none."""
    if "minimumDue" not in account:
        return None
    minimum, due = Decimal(account["price"]["minimumAmount"]), Decimal(account["minimumDue"])
    if "fraction" not in account:
        return MinimumDue(minimum, None, round_share(minimum, 1, 1, account["currency"]), due)
    top, bottom = account["fraction"]
    return MinimumDue(minimum, time_share(top, bottom), round_share(minimum, top, bottom, account["currency"]), due)


def is_limited(account: Mapping[str, Any]) -> bool:
    """Whether the maximum spend took something off."""
    return any(
        discount["reason"] == "maximum_spend" for part in account["parts"] for discount in part.get("discounts", ())
    )


def share_of(part: Mapping[str, Any]) -> TimeShare | None:
    """The share of a part's account as time; None where it is none, but a proportion of what was charged."""
    numerator, denominator = part["fraction"]
    if part["kind"] == "unused" and numerator not in _lengths(part):
        return None
    return time_share(numerator, denominator)


def shown_share(part: Mapping[str, Any]) -> str:
    """The share of a part's account as arithmetic: 15/30 days."""
    share = share_of(part)
    return "{}/{}".format(*part["fraction"]) if share is None else share_text(share)


def share_text(share: TimeShare) -> str:
    """A share of time as arithmetic: 15/30 days."""
    return f"{trimmed(share.part)}/{trimmed(share.whole)} {share.unit}"


def _lengths(part: Mapping[str, Any]) -> tuple[int, int]:
    """How long an unused part is, in seconds and in microseconds, either of which a share of time is counted in."""
    length = datetime.fromisoformat(part["to"]) - datetime.fromisoformat(part["from"])
    return length // timedelta(seconds=1), length // timedelta(microseconds=1)


def _started(quantity: Decimal, size: Decimal) -> Decimal:
    whole, rest = EXACT.divmod(quantity, size)
    return whole + 1 if rest else whole
