"""Rating: from a window's quantity and price to its money, explained. Pure: no database, no clock."""

from invoicing.rating.explanation import Explanation
from invoicing.rating.explanation_json import read_explanation
from invoicing.rating.rate import rate
from invoicing.rating.readable import readable
from invoicing.rating.replay import recompute, replay
from invoicing.rating.values import (
    COMMITMENT,
    REGULAR,
    Coupon,
    DetailedLine,
    FlatComponent,
    LineDiscount,
    RatedLine,
    RatingInput,
)

__all__ = [
    "COMMITMENT",
    "REGULAR",
    "Coupon",
    "DetailedLine",
    "Explanation",
    "FlatComponent",
    "LineDiscount",
    "RatedLine",
    "RatingInput",
    "rate",
    "read_explanation",
    "readable",
    "recompute",
    "replay",
]
