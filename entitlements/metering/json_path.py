"""The paths by which meters read an event's data. Pure.

Of JSONPath this takes the part that means the same in Python and in PostgreSQL: `$`, names after dots, and indexes in
brackets: `$.tokens`, `$.usage.total`, `$.items[0].bytes`.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]{0,127}|\[[0-9]{1,4}\]){1,16}", re.ASCII)
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[([0-9]+)\]", re.ASCII)
# What PostgreSQL's numeric reads too, so that a value which was let in can always be added up.
NUMBER_PATTERN = r"-?[0-9]{1,60}(\.[0-9]{1,60})?([eE][-+]?[0-9]{1,2})?"
_NUMBER = re.compile(NUMBER_PATTERN, re.ASCII)


def is_path(text: str) -> bool:
    """Whether `text` is a path that we can follow."""
    return _PATH.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str, ...]:
    """The names and indexes along `path`: the form of PostgreSQL's `#>>` operator."""
    return tuple(name or index for name, index in _STEP.findall(path))


def value_at(data: Any, path: str) -> Any:
    """What stands at `path` in `data`, or None where there is nothing."""
    for step in steps(path):
        # The exact type first: asking for any mapping costs ten times as much.
        if type(data) is dict or isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, Sequence) and not isinstance(data, str) and step.isdigit() and int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data


def is_number(value: Any) -> bool:
    """Whether a meter can read `value` as a number: a JSON number, or a text that spells one."""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, Decimal)):
        # Written out as PostgreSQL will see it.
        return _NUMBER.fullmatch(format(value, "f") if isinstance(value, Decimal) else str(value)) is not None
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None
