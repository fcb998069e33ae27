"""Owns the states of a profile migration, and which of them may follow which (billing rules 5)."""

from collections.abc import Mapping
from typing import Final

from invoicing.choices import MigrationStatus as Status
from invoicing.errors import WrongMigrationState
from invoicing.models import ProfileMigration

_AFTER: Final[Mapping[Status, set[Status]]] = {
    # Checked anew it is a draft again, until the last customer is looked at.
    Status.DRAFT: {Status.DRAFT, Status.CHECKED, Status.CANCELLED},
    Status.CHECKED: {Status.DRAFT, Status.APPROVED, Status.CANCELLED},
    # From here on its customers are listed for good: nothing leads back to the check.
    Status.APPROVED: {Status.RUNNING, Status.CANCELLED},
    Status.RUNNING: {Status.RUNNING, Status.PAUSED, Status.DONE, Status.CANCELLED},
    Status.PAUSED: {Status.RUNNING, Status.CANCELLED},
    # Who failed is tried again.
    Status.DONE: {Status.RUNNING},
    Status.CANCELLED: set(),
}

MOVES: Final[Mapping[str, frozenset[str]]] = {
    before.value: frozenset(after.value for after in afters) for before, afters in _AFTER.items()
}
"""From each state, those that may follow: a state itself only where it is listed."""


def may_follow(before: str, after: str) -> bool:
    """Whether a migration in the state `before` may come to be in `after`."""
    return str(after) in MOVES[str(before)]


def move(migration: ProfileMigration, to: str) -> None:
    """Put a migration, which the caller holds (`hold_migration`), into another state; the caller saves it.
    WrongMigrationState where the table has no such move."""
    if not may_follow(migration.status, to):
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}, and can't become {Status(to).label.lower()}. "
            "Nothing was changed."
        )
    migration.status = Status(to)
