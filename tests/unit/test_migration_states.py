"""The states of a profile migration: which may follow which, every pair of them; and that verbs go by the table."""

import re
from itertools import product
from pathlib import Path

import pytest

from invoicing.choices import MigrationStatus
from invoicing.errors import WrongMigrationState
from invoicing.models import ProfileMigration
from invoicing.profile_moves.states import MOVES, may_follow, move

ROOT = Path(__file__).resolve().parent.parent.parent
FOLLOWS = {
    "draft": "draft checked cancelled",
    "checked": "draft approved cancelled",
    "approved": "running cancelled",
    "running": "running paused done cancelled",
    "paused": "running cancelled",
    "done": "running",
    "cancelled": "",
}
PAIRS = list(product(MigrationStatus.values, repeat=2))
ALLOWED = [(before, after) for before, after in PAIRS if after in FOLLOWS[before].split()]
FORBIDDEN = [pair for pair in PAIRS if pair not in ALLOWED]


def test_the_table_names_every_state():
    assert set(MOVES) == set(FOLLOWS) == set(MigrationStatus.values)
    assert (len(ALLOWED), len(FORBIDDEN)) == (15, 34)


@pytest.mark.parametrize(("before", "after"), ALLOWED)
def test_a_move_of_the_table_is_made(before, after):
    migration = ProfileMigration(status=before)
    assert may_follow(before, after)
    move(migration, after)
    assert migration.status == after


@pytest.mark.parametrize(("before", "after"), FORBIDDEN)
def test_another_move_is_refused_and_changes_nothing(before, after):
    migration = ProfileMigration(status=before)
    assert not may_follow(before, after)
    with pytest.raises(WrongMigrationState, match=r"can't become .* Nothing was changed\."):
        move(migration, after)
    assert migration.status == before


def test_no_verb_writes_a_state_past_the_table():
    written = re.compile(
        r"\bmigration\.status(?:, [\w. ,]+)? = "
        r"|\.status(?:, [\w. ,]+)? = MigrationStatus\."
        r"|\.update\([^)]*status=MigrationStatus\."
        r"|ProfileMigration\.objects\.[^=]*\.update\([^)]*status="
        r"|update_rows\(ProfileMigration, [^)]*[\"']status[\"']"
    )
    writers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "invoicing").rglob("*.py")
        if "migrations" not in path.parts and written.search(path.read_text())
    ]
    assert writers == ["invoicing/profile_moves/states.py"]
    for way in (
        "migration.status, migration.finished_at = MigrationStatus.DONE, now",
        "held.status = MigrationStatus.PAUSED",
        "ProfileMigration.objects.filter(pk=pk).update(status=MigrationStatus.PAUSED)",
        "ProfileMigration.objects.select_for_update().update(status=wanted)",
        "mine.update(finished_at=now, status=MigrationStatus.DONE)",
        "update_rows(ProfileMigration, ('status',), rows)",
    ):
        assert written.search(way)
    assert not written.search("ProfileMigration.objects.filter(status=MigrationStatus.RUNNING).update(moved=1)")
