"""Reads the numbers of documents in what people and banks write: `inv 42`, `INV000042` and `INV-000042` are one.

The prefix of one series may begin as that of another does (ACME, ACME2), and banks strip hyphens and spaces. So the
longest known prefix counts, a number counts only as a whole, and what can be read in two ways is given in both: whoever
asks knows which of the documents exist.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from invoicing.models.series import format_number

_SEPARATORS = re.compile(r"[\s\-_/\u2010-\u2015]+")
_START = re.compile(r"(?<![^\W_])[A-Z0-9]")
# No part of a longer run of digits, no amount (50.00), and no day (18.03.2026).
_WHOLE = r"(?!\d)(?![.,]\d{1,2}(?!\d))"
_NUMBER = re.compile(rf"(-?)([0-9]{{1,18}}){_WHOLE}")
_GOES_ON = re.compile(r"[^\W_]|-\d")
_ANOTHER = re.compile(rf"-?[-,+&;]-?([0-9]{{6,18}}){_WHOLE}")
_PRINTED_DIGITS = 6  # as `format_number` pads


@dataclass(frozen=True, slots=True)
class Named:
    """A number as it may be meant, the likeliest reading first. Those in `doubtful` are not printed in full, with a
    prefix that a longer one begins with: whether they are meant is for people to say."""

    numbers: tuple[str, ...]
    doubtful: frozenset[str] = frozenset()


class NumberReader:
    """Reads the numbers of the series with these prefixes. It needs those of all kinds: what is a credit note's is no
    invoice's."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._known: dict[str, list[str]] = defaultdict(list)
        for prefix in dict.fromkeys(prefixes):
            plain = _plain(prefix).strip("-")
            for written in dict.fromkeys([plain, plain.replace("-", "")]):
                self._known[written].append(prefix)
        self._lengths = sorted({len(written) for written in self._known}, reverse=True)

    def read(self, text: str) -> list[Named]:
        """Every number that `text` names, each once. Behind the longest prefix and a separator there is one reading;
        `ACME2000001` is ACME2-000001 or ACME-2000001."""
        plain = _plain(text)
        found: list[Named] = []
        end = 0
        for start in (match.start() for match in _START.finditer(plain)):
            if start >= end:
                named, end = self._at(plain, start)
                found += named
        return list(dict.fromkeys(found))

    def _at(self, plain: str, start: int) -> tuple[list[Named], int]:
        """The number that begins at `start` and those that follow it without a prefix of their own; where they end."""
        ways: list[str] = []
        doubtful: set[str] = set()
        first: list[str] = []
        end = start
        for length in self._lengths:
            prefixes = self._known.get(plain[start : start + length], [])
            number = _NUMBER.match(plain, start + length) if prefixes else None
            if number is None or not _is_whole(plain, number):
                continue
            separator, digits = number.groups()
            numbers = [format_number(prefix, int(digits)) for prefix in prefixes]
            if ways and len(digits) < _PRINTED_DIGITS:
                doubtful.update(numbers)
            if not ways:
                first, end = prefixes, number.end()
            ways += numbers
            if separator:
                break
        if not ways:
            return [], start
        found = [Named(tuple(ways), frozenset(doubtful))]
        while (more := _ANOTHER.match(plain, end)) is not None:
            found.append(Named(tuple(format_number(prefix, int(more[1])) for prefix in first)))
            end = more.end()
        return found, end


def _plain(text: str) -> str:
    """In capitals, and every run of what separates words as one hyphen."""
    return _SEPARATORS.sub("-", text.upper())


def _is_whole(plain: str, number: re.Match[str]) -> bool:
    """One that is printed in full ends where its digits do; a shorter one (`inv 42`) goes on with neither letters nor
    more digits: 2 is no part of `ACME-2-000009`, and no invoice is called `42B`. Zeros fill up to six digits only."""
    digits = number[2]
    if len(digits) >= _PRINTED_DIGITS:
        return len(digits) == _PRINTED_DIGITS or digits[0] != "0"
    return _GOES_ON.match(plain, number.end()) is None
