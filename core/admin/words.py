"""Owns the words for stored values: durations, cadences, amounts and quantities as staff read them. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import BillingError
from core.money import exponent, trimmed
from core.periods import read_duration

_RHYTHMS = {"P1D": "daily", "P1W": "weekly", "P1M": "monthly", "P1Y": "yearly"}


def duration_words(text: str | None) -> str:
    """An ISO 8601 duration in words: "P30D" is "30 days", "PT0S" is "none". What can't be read stays as it is."""
    duration = read_duration(text or "")
    if duration is None:
        return text or ""
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in duration.parts) or "none"


def cadence_words(text: str | None) -> str:
    """A billing cadence as it follows a price: "P1M" is "a month", "P3M" is "every 3 months", none is "once"."""
    if not text:
        return "once"
    duration = read_duration(text)
    if duration is None or len(duration.parts) != 1:
        return f"every {text}"
    count, unit = duration.parts[0]
    return f"a {unit}" if count == 1 else f"every {count} {unit}s"


def amount_text(amount: Decimal | str | int, currency: str) -> str:
    """An amount with thousands separators and at least the currency's own places; more where the value has them."""
    value = Decimal(amount)
    try:
        places = exponent(currency)
    except BillingError:
        places = 2
    _, _, decimals = trimmed(value).partition(".")
    return f"{value:,.{max(places, len(decimals))}f}"


def money_text(amount: Decimal | str | int, currency: str) -> str:
    """An amount in a sentence: "1,250.00 EUR"."""
    return f"{amount_text(amount, currency)} {currency}"


def quantity_text(quantity: Decimal | str | int | None) -> str:
    """A quantity with thousands separators, without trailing zeros; empty for none."""
    if quantity is None:
        return ""
    whole, _, decimals = trimmed(Decimal(quantity).copy_abs()).partition(".")
    # The sign apart: the whole part of -0.5 has none.
    sign = "-" if Decimal(quantity) < 0 else ""
    return f"{sign}{int(whole):,}" + (f".{decimals}" if decimals else "")


def rhythm_words(text: str | None) -> str:
    """A billing cadence as it follows "billed": "P1M" is "monthly", "P3M" is "every 3 months", none is "once"."""
    return _RHYTHMS.get(text or "", cadence_words(text))


def local_time(moment: datetime, zone: str) -> datetime:
    """The time on the wall of `zone`."""
    return moment.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))


def moment_text(moment: datetime, zone: str = "UTC", *, seconds: bool = False) -> str:
    """A time on the wall of `zone`, without its label: "17 Mar 2026 08:30"."""
    local = local_time(moment, zone)
    return f"{local.day} {local:%b %Y %H:%M:%S}" if seconds else f"{local.day} {local:%b %Y %H:%M}"


def joined(words: Iterable[Any]) -> str:
    """A list in a sentence: "a, b and c"."""
    texts = [str(word) for word in words]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 customer", "1,200 customers"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
