"""Where-is-it-decided and the rooms' READMEs name files and names that exist; each room has a README."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/where-is-it-decided.md"
ROW = re.compile(r"^\| (?P<question>[^|]+\?) \| `(?P<file>[^`]+)` \| `(?P<name>[^`]+)` \|$", re.MULTILINE)
# A file, and behind it what decides there: `states.py`, `MOVES` and `NOT_WRITTEN`.
NAMED_FILE = re.compile(r"`([a-z_/]+\.py)`((?:(?:, | and )`[A-Za-z_]+`)*)")
# The rooms of these folders say it themselves, or all of them hold one kind of thing.
NO_ROOMS = ("api", "formats", "management", "migrations", "settings")
FLOORS = [ROOT / name for name in ("core", "customers", "billing_site")]
# Customers is one room by itself; the admin of core is a room, that of the floors above has a folder for each room.
ROOMS = sorted(
    folder
    for package in ("billing_site", "core", "invoicing", "subscriptions", "entitlements")
    for folder in (ROOT / package).iterdir()
    if (folder / "__init__.py").exists() and folder.name not in NO_ROOMS
    if folder.name != "admin" or package == "core"
)


def rows() -> list[re.Match[str]]:
    return list(ROW.finditer(PAGE.read_text()))


def names_in(path: Path) -> set[str]:
    """What a module defines at its top: functions, classes, constants."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def test_at_least_forty_questions_are_answered_each_once():
    questions = [row["question"] for row in rows()]

    assert len(questions) >= 40
    assert len(set(questions)) == len(questions)
    assert len(questions) == PAGE.read_text().count("? | `"), "a row that is not read as one"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["question"])
def test_the_place_that_answers_exists(row):
    path = ROOT / row["file"]

    assert path.is_file(), f"{row['file']} is gone"
    assert row["name"] in names_in(path), f"{row['file']} defines no {row['name']}"


@pytest.mark.parametrize("room", [*FLOORS, *ROOMS], ids=lambda room: str(room.relative_to(ROOT)))
def test_each_room_says_what_it_owns_and_where_it_decides(room):
    readme = (room / "README.md").read_text()

    assert readme.startswith("# ")
    assert "\nOwns " in readme
    assert "\nDoes not own " in readme
    for file, names in NAMED_FILE.findall(readme):
        path = next((base / file for base in (room, room.parent, ROOT) if (base / file).is_file()), None)
        assert path is not None, f"{room.name}/README.md names {file}, which is gone"
        gone = set(re.findall(r"\w+", names.replace(" and ", " "))) - names_in(path)
        assert gone == set(), f"{file} defines no {gone}"
