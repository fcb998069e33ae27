"""Measures rating: lines a second on one core, for each price model and for lines with everything on them.

    python -m benchmarks.rating [--lines 20000] [--rounds 7]

Lines go through `rate` under `exact_arithmetic`, as in a close. Every line has its own quantity, is rounded, and comes
with its detailed lines and with its explanation as the JSON text that a close stores. Reported is the best round, in
processor time; inputs are made beforehand and results are thrown away.
"""

import argparse
import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from core.money import exact_arithmetic
from invoicing.rating import Coupon, FlatComponent, RatingInput, rate
from subscriptions.pricing import parse_discounts, parse_price

GOAL = 300_000
SEED = 20260417


def tiered(mode: str, **commitments: str) -> dict[str, Any]:
    """A price of five tiers, two of them with a flat part."""
    tiers = [("100", None, "0"), ("1000", None, "0.25"), ("5000", "5.00", "0.20"), ("10000", None, "0.1234")]
    wire = [_tier(*tier) for tier in [*tiers, (None, "20.00", "0.050001")]]
    return {"type": "tiered", "mode": mode, "tiers": wire, **commitments}


def _tier(up_to: str | None, flat: str | None, unit: str) -> dict[str, Any]:
    return {
        **({} if up_to is None else {"upToAmount": up_to}),
        "flatPrice": None if flat is None else {"type": "flat", "amount": flat},
        "unitPrice": {"type": "unit", "amount": unit},
    }


OFF = {"percentage": {"percentage": 12.5}}
FREE = {"usage": {"quantity": "100"}}
COMMITTED = {"minimumAmount": "10.00", "maximumAmount": "900.00"}
HALF_MONTH = (FlatComponent(Decimal(5), 1, 1), FlatComponent(Decimal(3), 1_296_000, 2_592_000))

# name, price, discounts, what else the line has
CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("graduated, 5 tiers, discount", tiered("graduated"), OFF, {}),
    ("graduated, 5 tiers, discount, free units", tiered("graduated"), OFF | FREE, {}),
    ("unit, free units", {"type": "unit", "amount": "0.25"}, FREE, {}),
    ("flat", {"type": "flat", "amount": "29.90"}, {}, {}),
    ("flat, prorated change of quantity", {"type": "flat", "amount": "10.00"}, {}, {"components": HALF_MONTH}),
    ("package", {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}, {}, {}),
    ("volume, 5 tiers, discount", tiered("volume"), OFF, {}),
    ("percentage, fee per event", {"type": "percentage", "percentage": 2.9, "fixedFeePerEvent": "0.30"}, {}, {}),
    ("graduated, later split", tiered("graduated"), OFF, {"pre_quantity": Decimal(400), "is_first_split": False}),
    (
        "graduated, discount, coupon, minimum, maximum",
        tiered("graduated", **COMMITTED),
        OFF | FREE,
        {"coupon": Coupon("SPRING", percentage=Decimal(10))},
    ),
]


def inputs(price: dict[str, Any], discounts: dict[str, Any], rest: dict[str, Any], count: int) -> list[RatingInput]:
    """`count` lines with quantities from 0 to 15,000, half of them with two places."""
    parsed, off = parse_price(price), parse_discounts(discounts)
    if parsed is None:
        raise ValueError("A case needs a price.")
    chance = random.Random(SEED)
    quantities = [Decimal(chance.randrange(1_500_000)).scaleb(-2) for _ in range(count // 2)]
    quantities += [Decimal(chance.randrange(15_000)) for _ in range(count - len(quantities))]
    chance.shuffle(quantities)
    return [RatingInput(parsed, quantity, "EUR", off, event_count=3, **rest) for quantity in quantities]


def best_rate(work: Callable[[RatingInput], object], lines: list[RatingInput], rounds: int) -> float:
    """Lines a second in the best of `rounds`."""
    best = float("inf")
    for _ in range(rounds):
        with exact_arithmetic():
            started = time.process_time()
            for line in lines:
                work(line)
            best = min(best, time.process_time() - started)
    return len(lines) / best


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--lines", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    print(f"{'line':48} {'lines/s':>10} {'us/line':>8} {'parts':>6}")
    for number, (name, price, discounts, rest) in enumerate(CASES):
        lines = inputs(price, discounts, rest, given.lines)
        speed = best_rate(rate, lines, given.rounds)
        parts = sum(len(rate(line).detailed) for line in lines) / len(lines)
        verdict = "" if number else f"   goal {GOAL:,}: {speed / GOAL:.0%}"
        print(f"{name:48} {speed:>10,.0f} {1e6 / speed:>8.2f} {parts:>6.1f}{verdict}")


if __name__ == "__main__":
    main()
