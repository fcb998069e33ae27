"""Owns the codes of countries, currencies and time zones that may be chosen, with their names for people."""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

from babel import Locale

from core.money import currencies

# What CLDR has a name for, but ISO 3166 no country: unions, exceptional reservations, codes for testing. Kosovo's XK,
# which ISO leaves to its users, stays: customers live there, and payment providers take it.
_NO_COUNTRIES: Final = frozenset(["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"])
# Older names of the same places.
_OLD_SPELLINGS: Final = ("Etc/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/", "SystemV/")


@cache
def country_names() -> dict[str, str]:
    """The English name of every country by its code of ISO 3166-1 alpha-2, in the order of the names."""
    known: dict[str, str] = dict(Locale("en").territories)
    codes = (code for code in known if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES)
    return {code: known[code] for code in sorted(codes, key=lambda code: known[code])}


@cache
def currency_names() -> dict[str, str]:
    """The English name of every currency that amounts may have, by its code, in the order of the codes."""
    known = Locale("en").currencies
    return {code: known.get(code, code) for code in currencies()}


@cache
def offered_zones() -> tuple[str, ...]:
    """The time zones to choose from: one spelling for each place, and UTC first."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(_OLD_SPELLINGS))
    return ("UTC", *places)
