"""Two sets of billing settings side by side: what each says in words, and where they differ. Nothing stored is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from customers.settings_words import SETTING_LABELS, setting_words


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting on both sides, in words. `before` and `after` stand for left and right where nothing changes."""

    field: str
    label: str
    before: str
    after: str
    origin: str = ""

    @property
    def differs(self) -> bool:
        return self.before != self.after


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], *, origins: Mapping[str, str | None] | None = None
) -> list[Difference]:
    """Every setting in the order in which staff read them; `origins` are those of `after`."""
    return [
        Difference(
            field,
            label,
            setting_words(field, before.get(field)),
            setting_words(field, after.get(field)),
            (origins or {}).get(field) or "",
        )
        for field, label in SETTING_LABELS.items()
    ]
