"""Owns the safety bound of amounts: what is larger is taken for a mistake, not for money. Pure.

An installation may set its own bound for a currency (docs/operations.md); `read_limits` reads what it says.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from core.errors import InvalidInput
from core.money import currencies, exponent, is_in_minor_units, parse_decimal

# A thousand million of the main unit: above any invoice that anybody has sent in earnest.
USUAL_LIMIT: Final = Decimal(10**9)
# The same for currencies of which a dollar buys hundreds or thousands: a million millions.
SMALL_UNIT_LIMIT: Final = Decimal(10**12)
_CODES: Final = """
    AMD AOA ARS BIF CDF CLP COP CRC DJF DZD GNF HUF IDR IQD IRR ISK JPY KES KHR KMF KPW KRW KZT LAK LBP LKR LRD MGA
    MMK MNT MWK NGN PKR PYG RSD RWF SDG SLE SOS SSP STN SYP TZS UGX UZS VES VND XAF XOF XPF YER ZMW
"""
_SMALL_UNITS: Final = frozenset(_CODES.split())


def default_limit(currency: str) -> Decimal:
    """The bound of `currency` where the installation says nothing, in its main unit. InvalidInput: unknown code."""
    exponent(currency)
    return SMALL_UNIT_LIMIT if currency in _SMALL_UNITS else USUAL_LIMIT


def read_limits(text: str) -> Mapping[str, Decimal]:
    """Bounds by currency, in main units, as the environment spells them: `EUR=50000000,JPY=9000000000`.

    ValueError, saying which part is wrong, for an unknown currency, one that is named twice, or a bound that is no
    amount of its currency above zero with at most 18 digits before the point.
    """
    limits: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        currency, _, figure = (piece.strip() for piece in part.partition("="))
        if currency not in currencies() or currency in limits:
            raise ValueError(f"{part!r} must name a currency such as EUR, each once.")
        try:
            limit = parse_decimal(figure, field=currency)
        except InvalidInput as error:
            raise ValueError(f"{part!r}: {error.message}") from error
        if limit <= 0 or not is_in_minor_units(limit, currency):
            raise ValueError(f"{part!r} must be an amount of {currency} above zero.")
        limits[currency] = limit
    return limits
