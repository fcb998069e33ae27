"""Owns money arithmetic: exponents of currencies, rounding, splitting without loss, decimal text (billing rules 1)."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from typing import Final

from core.errors import InvalidInput, field_error

MAX_PLACES: Final = 12
MAX_INTEGER_DIGITS: Final = 18
_INTEGER_LIMIT: Final = 10**MAX_INTEGER_DIGITS

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

# The default context keeps 28 digits, too few for 10^15 times a price of 12 places. EXACT raises where a result
# would lose a digit, so that a wrong amount can't pass in silence; so does WIDE, though only for figures that nobody
# means; ROUNDING is the only one that may drop digits.
_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
EXACT: Final = Context(prec=150, traps=[*_TRAPS, Inexact])
# Sums and differences of what events spell, digits from 10^99 down to 10^-99, and what was stored long ago.
WIDE: Final = Context(prec=5000, traps=[*_TRAPS, Inexact])
ROUNDING: Final = Context(prec=150, rounding=ROUND_HALF_UP, traps=_TRAPS)

# ISO 4217, not CLDR: CLDR (and so babel) gives several currencies the digits of daily cash use.
_ISO_4217: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
        CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
        HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR
        MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK
        SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD
        XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS: Final = {code: places for places, codes in _ISO_4217.items() for code in codes.split()}
_QUANTA: Final = {code: Decimal(1).scaleb(-places) for code, places in _EXPONENTS.items()}

# ASCII digits only: \d would also let other scripts' digits through.
_DECIMAL_TEXT: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Plain operators on decimals in the context EXACT, which raises where a result would lose a digit.

    They take half the time of the context's own methods; to change the context takes as long as five of them.
    """
    before = getcontext()
    setcontext(EXACT)
    try:
        yield
    finally:
        setcontext(before)


def currencies() -> tuple[str, ...]:
    """Every currency code that amounts may have, in alphabetical order."""
    return tuple(sorted(_EXPONENTS))


def exponent(currency: str) -> int:
    """How many decimal places amounts of `currency` have (JPY 0, USD 2, KWD 3). InvalidInput for an unknown code."""
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise _unknown_currency(currency) from None


def quantum(currency: str) -> Decimal:
    """The smallest amount of `currency` (USD 0.01). InvalidInput for an unknown code."""
    try:
        return _QUANTA[currency]
    except KeyError:
        raise _unknown_currency(currency) from None


def round_money(amount: Decimal, currency: str) -> Decimal:
    """`amount` at the exponent of `currency`, half away from zero: 2.345 USD is 2.35, 50 USD is 50.00."""
    return amount.quantize(quantum(currency), context=ROUNDING)


def round_share(amount: Decimal, numerator: int, denominator: int, currency: str) -> Decimal:
    """`amount x numerator / denominator`, rounded once, half away from zero, to the exponent of `currency`.

    The quotient is never written down as a decimal: a third that was cut off first could turn a half the wrong way.
    ValueError unless `denominator` is positive.
    """
    if denominator <= 0:
        raise ValueError(f"A fraction needs a positive denominator, not {denominator}.")
    unit = quantum(currency)
    if numerator == denominator:
        return amount.quantize(unit, context=ROUNDING)
    top, bottom = amount.as_integer_ratio()
    top *= numerator * 10 ** _EXPONENTS[currency]
    bottom *= denominator
    minor = (2 * abs(top) + bottom) // (2 * bottom)
    return EXACT.multiply(Decimal(minor if top >= 0 else -minor), unit)


def is_in_minor_units(amount: Decimal, currency: str) -> bool:
    """Whether `amount`, of any size, has no more places than `currency` has. InvalidInput for an unknown code."""
    places = exponent(currency)
    top, bottom = amount.as_integer_ratio()
    fine: bool = top * 10**places % bottom == 0
    return fine


def allocate(total: Decimal, weights: Sequence[Decimal], currency: str) -> tuple[Decimal, ...]:
    """Split `total` in proportion to `weights`, so that the parts add up to it exactly (billing rules 1).

    Largest remainder, ties to the earlier part. A negative total splits like the positive one, so that a credit
    mirrors its invoice. Weights may be negative (a credit line among charges) as long as they do not cancel out.
    ValueError when `total` has more places than `currency`, or has nothing to be split over.
    """
    unit = quantum(currency)
    minor = _minor_units(total, currency)
    if not minor:
        return (EXACT.multiply(ZERO, unit),) * len(weights)
    ratios = [weight.as_integer_ratio() for weight in weights]
    scale = math.lcm(*(bottom for _, bottom in ratios))
    scaled = [top * (scale // bottom) for top, bottom in ratios]
    whole = sum(scaled)
    if not whole:
        raise ValueError(f"{total} can't be split over weights that add up to zero.")
    if whole < 0:
        whole, scaled = -whole, [-weight for weight in scaled]
    shares: list[int] = []
    remainders: list[int] = []
    for weight in scaled:
        share, remainder = divmod(abs(minor) * weight, whole)
        shares.append(share)
        remainders.append(remainder)
    left = abs(minor) - sum(shares)
    for index in sorted(range(len(shares)), key=lambda index: -remainders[index])[:left]:
        shares[index] += 1
    sign = 1 if minor > 0 else -1
    return tuple(EXACT.multiply(Decimal(sign * share), unit) for share in shares)


def parse_decimal(value: object, *, places: int = MAX_PLACES, field: str) -> Decimal:
    """The number that a decimal string (or a JSON integer) spells, exactly as written.

    InvalidInput, naming `field`, for anything else: floats, exponents, NaN, infinity, signs other than a leading
    minus, spaces, more than `places` decimal places or more than 18 digits before the point.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise field_error(field, "not_a_decimal", f'{field} must be a decimal string such as "12.50".')
    if isinstance(value, int):
        # Compared before it is written out: Python refuses to write integers of thousands of digits.
        value = str(value) if abs(value) < _INTEGER_LIMIT else "9" * (MAX_INTEGER_DIGITS + 1)
    match = _DECIMAL_TEXT.fullmatch(value)
    if match is None:
        raise field_error(
            field, "not_a_decimal", f'{field} must be a decimal string such as "12.50", not {_shown(value)}.'
        )
    digits, decimals = match[2], match[3] or ""
    if len(decimals) > places:
        raise field_error(
            field, "too_many_places", f"{field} has {len(decimals)} decimal places; at most {places} are allowed."
        )
    if len(digits.lstrip("0")) > MAX_INTEGER_DIGITS:
        raise field_error(
            field, "too_large", f"{field} has more than {MAX_INTEGER_DIGITS} digits before the decimal point."
        )
    # Not the text as given: "-0" would carry its sign into every total.
    number = Decimal(match[0])
    return number if number else number.copy_abs()


def to_wire(value: Decimal) -> str:
    """`value` as plain decimal text: no exponent, no negative zero, its places kept (50.00 stays "50.00")."""
    return format(value if value else value.copy_abs(), "f")


def trimmed(value: Decimal) -> str:
    """`value` as plain decimal text without trailing zeros: for quantities and prices that columns have padded."""
    text = str(value) if value else "0"
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _minor_units(amount: Decimal, currency: str) -> int:
    scaled = amount.scaleb(_EXPONENTS[currency], context=EXACT)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more decimal places than {currency}.")
    return int(scaled)


def _unknown_currency(currency: object) -> InvalidInput:
    return InvalidInput(
        f'{_shown(currency)} is not a currency of ISO 4217; use a code such as "EUR".', code="unknown_currency"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
