"""Decimals of any length that an ingest lets in, kept exact in ClickHouse, whose widest decimal has 76 digits.

A number is eight limbs of 64 digits, 256 before the point and 256 after it, each with the number's sign: limbs add up
apart (a limb holds ten thousand billion additions), and compare as lists.
"""

from collections.abc import Sequence
from decimal import Decimal

LIMBS, DIGITS, PLACES = 8, 64, 256
_NUMBER = r"^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9][0-9]?)?$"

# Whether the column `raw` spells a number, and that number in limbs with the places it is spelled with.
READABLE = f"ifNull(length(raw) <= 126 AND match(raw, '{_NUMBER}'), 0)"
SPELLED = "if(readable, assumeNotNull(raw), '0')"
_WHOLE, _FRACTION = "extract(spelled, '^-?([0-9]+)')", r"extract(spelled, '\\.([0-9]+)')"
_EXPONENT = "toInt32OrZero(extract(spelled, '[eE]([-+]?[0-9]+)'))"
_POINT = f"(length({_WHOLE}) + {_EXPONENT})"
_PADDED = (
    f"concat(repeat('0', {PLACES} - {_POINT}), {_WHOLE}, {_FRACTION},"
    f" repeat('0', {PLACES} - (length({_FRACTION}) - {_EXPONENT})))"
)
LIMBS_OF = (
    f"arrayMap(i -> if(startsWith(spelled, '-'), -1, 1) * toInt256(substring({_PADDED}, {DIGITS} * i + 1, {DIGITS})),"
    f" range({LIMBS}))"
)
PLACES_OF = f"greatest(0, length({_FRACTION}) - {_EXPONENT})"


def whole_of(limbs: Sequence[str]) -> int:
    """The number in limbs, times ten to the power of `PLACES`."""
    return sum(int(limb) * 10 ** (DIGITS * (LIMBS - 1 - place)) for place, limb in enumerate(limbs))


def decimal_of(limbs: Sequence[str], places: int = PLACES) -> Decimal:
    """The number in limbs, exact, written with so many places."""
    return _written(whole_of(limbs) // 10 ** (PLACES - places), places)


def average(total: Decimal, count: int) -> Decimal:
    """`total / count` with as many digits as PostgreSQL gives a quotient of numerics: sixteen significant ones at
    least, counted in groups of four, and never fewer places than the total has. Halves are rounded away from zero."""
    sign, digits, exponent = total.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits)))
    (above, first), (below, other) = _first_group(whole, -exponent), _first_group(count, 0)
    groups = above - below - (1 if first <= other else 0)
    places = max(16 - 4 * groups, -exponent, 0)
    quotient, rest = divmod(whole * 10 ** (places + exponent), count)
    quotient += 2 * rest >= count
    return _written(-quotient if sign else quotient, places)


def _first_group(whole: int, places: int) -> tuple[int, int]:
    """Which group of four digits is a number's first (0: the one before the point), and its value."""
    if whole == 0:
        return 0, 0
    # Filled up, so that groups begin at the point.
    whole, places = whole * 10 ** (-places % 4), places + -places % 4
    groups = (len(str(whole)) + 3) // 4
    return groups - places // 4 - 1, whole // 10 ** (4 * (groups - 1))


def _written(whole: int, places: int) -> Decimal:
    return Decimal(f"{whole}E-{places}")
