"""Owns strict reading of price JSON: every problem is found in one pass and named by its dotted path."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.errors import FieldProblem, InvalidInput
from core.money import parse_decimal, trimmed

PERCENT_PLACES = 6


class Reader:
    """Reads one JSON object and notes what is wrong with it; `finish` raises all of it at once."""

    __slots__ = ("_data", "_path", "_problems", "_seen")

    def __init__(self, data: Mapping[str, Any], path: str, problems: list[FieldProblem] | None = None) -> None:
        self._data = data
        self._path = path
        self._problems: list[FieldProblem] = [] if problems is None else problems
        self._seen: dict[str, None] = {}  # in the order in which they were asked for

    def path(self, name: str) -> str:
        return ".".join(part for part in (self._path, name) if part)

    def problem(self, name: str, code: str, message: str) -> None:
        self._problems.append(FieldProblem(self.path(name), code, message))

    def value(self, name: str) -> Any:
        """The raw value of `name`; None where it is missing: the two mean the same on the wire."""
        self._seen[name] = None
        return self._data.get(name)

    def decimal(self, name: str, *, required: bool = True, positive: bool = False) -> Decimal | None:
        """The decimal string under `name`, not negative; None (noted, if required) where it is missing or wrong."""
        return self._number(name, self.value(name), required=required, positive=positive)

    def percentage(self, name: str, *, at_most: int | None = None) -> Decimal | None:
        """The percentage under `name` (50 means 50 %), a JSON number or a decimal string, with at most 6 places."""
        value = self.value(name)
        if isinstance(value, float | Decimal):
            # Percentages are JSON numbers on the wire, and JSON columns give them back as floats. The shortest text
            # of a float is the number that was written; nothing is computed with the float itself.
            value = _plain(value)
        number = self._number(name, value, required=True, positive=False, places=PERCENT_PLACES)
        if number is not None and at_most is not None and number > at_most:
            self.problem(name, "too_large", f"{self.path(name)} must be at most {at_most}.")
            return None
        # A JSON number has no trailing zeros to keep: 2.90 must be the same percentage before and after the wire.
        return None if number is None else Decimal(trimmed(number))

    def choice(self, name: str, allowed: Sequence[str], *, default: str | None = None) -> str | None:
        """The word under `name`, one of `allowed`."""
        value = self.value(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in allowed:
            self.problem(name, "not_a_choice", f"{self.path(name)} must be one of: {', '.join(allowed)}.")
            return None
        return value

    def child(self, name: str) -> "Reader | None":
        """A reader for the object under `name`, its problems noted here; None where it is missing or no object."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.problem(name, "not_an_object", f"{self.path(name)} must be an object or null.")
            return None
        return self.nested(value, name)

    def nested(self, data: Mapping[str, Any], name: str) -> "Reader":
        """A reader for an object inside this one, say an item of a list, its problems noted here."""
        return Reader(data, self.path(name), self._problems)

    def commitments(self) -> dict[str, Decimal | None]:
        """The minimum and maximum spend, as keyword arguments of a price."""
        minimum = self.decimal("minimumAmount", required=False)
        maximum = self.decimal("maximumAmount", required=False)
        if minimum is not None and maximum is not None and minimum > maximum:
            self.problem("minimumAmount", "above_maximum", f"{self.path('minimumAmount')} is above maximumAmount.")
        return {"minimum": minimum, "maximum": maximum}

    def close(self) -> None:
        """Note every field that nobody asked for: a misspelt commitment must not be dropped in silence."""
        for name in self._data:
            if name not in self._seen:
                known = f"Known here: {', '.join(self._seen)}."
                self.problem(
                    str(name), "unknown_field", f"{self.path(str(name))} is not a field of this object. {known}"
                )

    def finish(self) -> None:
        """Close, then raise InvalidInput if anything was noted."""
        self.close()
        self.raise_problems()

    def raise_problems(self) -> None:
        """Raise InvalidInput if anything was noted so far."""
        if self._problems:
            raise InvalidInput(" ".join(problem.message for problem in self._problems), problems=self._problems)

    def _number(
        self, name: str, value: Any, *, required: bool, positive: bool, places: int | None = None
    ) -> Decimal | None:
        if value is None:
            if required:
                self.problem(name, "required", f"{self.path(name)} is required.")
            return None
        try:
            number = (
                parse_decimal(value, field=self.path(name))
                if places is None
                else parse_decimal(value, places=places, field=self.path(name))
            )
        except InvalidInput as error:
            self._problems.extend(error.problems)
            return None
        if number < 0:
            self.problem(name, "negative", f"{self.path(name)} must not be negative.")
            return None
        if positive and not number:
            self.problem(name, "not_positive", f"{self.path(name)} must be more than zero.")
            return None
        return number


def percent_text(value: Decimal) -> str:
    """A percentage for people: 12.5 %."""
    return f"{trimmed(value)} %"


def _plain(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else value
    return format(number, "f")
