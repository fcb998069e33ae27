"""What the benchmarks of usage have to come to, as multiples of what the same machine does with nothing of ours.

The goals were set on a machine where a bare Django view answered in 0.43 ms and a plain insert over Django stored
84,000 events a second: 30,000 over HTTP, 60,000 by import, a value in 1 ms, or 4 ms at the 99th percentile. Elsewhere
the multiples say what the figures said there.
"""

from typing import Final

_BARE_MS, _PLAIN = 0.43, 84_000
HTTP: Final = 30_000 / _PLAIN
IMPORT: Final = 60_000 / _PLAIN
MEDIAN: Final = 1 / _BARE_MS
LATE: Final = 4 / _BARE_MS
GROWN: Final = 1.2
"""How many times as slow a million events may be as a thousand."""

FLAT: Final = 1.05
"""How many times as much memory a process may hold after some thousand requests more."""


def at_least(figure: float, goal: float) -> str:
    """The figure with its goal, and whether it is met."""
    return f"{figure:.2f}, goal at least {goal:.2f} {'met' if figure >= goal else 'NOT MET'}"


def at_most(figure: float, goal: float) -> str:
    """As `at_least`, where less is better."""
    return f"{figure:.2f}, goal at most {goal:.2f} {'met' if figure <= goal else 'NOT MET'}"
