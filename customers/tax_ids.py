"""Owns which texts pass as tax ids: check digits and formats by country, as python-stdnum knows them. Pure.

What was decided, and what was rejected, is in `docs/decisions/input-as-meant.md`.
"""

from importlib import import_module
from typing import Any, Final

from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.util import get_cc_module

from core.countries_and_zones import country_names

# National numbers that stand on invoices beside, or instead of, the one for value-added tax.
_ALSO: Final = {
    "AT": ("tin",),
    "AU": ("acn", "tfn"),
    "BR": ("cpf",),
    "CA": ("sin",),
    "CH": ("uid",),
    "CN": ("uscc",),
    "DE": ("stnr", "idnr"),
    "ES": ("nif", "nie", "dni"),
    "FI": ("ytunnus",),
    "FR": ("siren", "siret", "nif"),
    "GB": ("utr",),
    "IE": ("pps",),
    "IL": ("idnr",),
    "IN": ("pan",),
    "IS": ("kennitala",),
    "IT": ("codicefiscale",),
    "NO": ("orgnr", "fodselsnummer"),
    "PL": ("pesel", "regon"),
    "PT": ("nif",),
    "SE": ("orgnr", "personnummer"),
    "TR": ("tckimlik",),
    "ZA": ("idnr",),
}
# The library knows only a part of the numbers in use there.
_AS_GIVEN: Final = frozenset(["SG"])


def tidy_tax_id(text: str) -> str:
    """The tax id as it is stored: one for value-added tax in the EU without its gaps and in capitals, which is how it
    is looked up and compared; any other as written, but for spaces around it."""
    text = text.strip()
    return eu_vat.compact(text) if _passes(eu_vat, text) else text


def tax_id_problem(text: str, country: str) -> str:
    """Why `text` is no tax id of a party in `country` (ISO 3166, "" unknown); "" where it is one or can't be known.

    A number with the prefix of an EU country is one wherever the party sits: companies register abroad.
    """
    text = text.strip()
    if not text:
        return ""
    judges = _judges(country) if country else []
    if _has_eu_prefix(text):
        judges.append(eu_vat)
    if not judges or any(_passes(judge, text) for judge in judges):
        return ""
    where = f" of {country_names().get(country, country)}" if country else ""
    return f"{text} is not a tax id{where}: its length or a check digit is wrong. Compare it with the original."


def _has_eu_prefix(text: str) -> bool:
    prefix = text[:2].lower()
    return prefix == "el" or prefix in eu_vat.MEMBER_STATES


def _judges(country: str) -> list[Any]:
    if country in _AS_GIVEN:
        return []
    code = country.lower()
    found: list[Any] = [get_cc_module(code, name) for name in ("vat", "tin")]
    package = {"in": "in_", "is": "is_", "do": "do_"}.get(code, code)
    found += [import_module(f"stdnum.{package}.{name}") for name in _ALSO.get(country, ())]
    return [module for module in found if module is not None]


def _passes(judge: Any, text: str) -> bool:
    try:
        judge.validate(text)
    except ValidationError:
        return False
    return True
