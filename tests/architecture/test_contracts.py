"""The lists in the contracts of import-linter are complete: each is derived again, from what stands in the tree."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
FLOORS = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site")
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
# No lower halves: "record a payment" is what staff and API call, and the trail is written by whoever acts.
WHOLE_ACTS = {
    "invoicing.payments.record_payment",
    "core.audit.services.record_many",
    "core.notifications.services.record_events",
}
# It plays months of a company's history: facts of times past, whose money the closes after them bill.
PLAYS_HISTORY = "billing_site.demo"
# Whose docstring says so is held to it; "pure but for" something is not.
SAYS_PURE = re.compile(r"\bPure\b(?! but for)")


# A line of rooms in the table of the decision, and the floor where it begins one.
LINE_OF_ROOMS = re.compile(r"^\| (?:`(?P<floor>\w+)` )?\| (?P<rooms>`.+) \|$", re.MULTILINE)


def contract(words: str) -> dict[str, Any]:
    [found] = [each for each in CONTRACTS if words in each["name"]]
    return found


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules() -> list[Path]:
    return [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py") if "migrations" not in path.parts]


def packages_in(floor: str) -> set[str]:
    return {dotted(path.parent) for path in (ROOT / floor).glob("*/__init__.py")}


def test_whoever_shows_pages_or_answers_requests_is_kept_from_the_lower_halves():
    pages = {package for floor in FLOORS for package in packages_in(floor) if package.endswith((".admin", ".api"))}

    assert set(contract("lower half")["source_modules"]) == pages | packages_in("billing_site") - {PLAYS_HISTORY}


def test_every_lower_half_is_named():
    lower_halves = {dotted(path) for path in modules() if path.name.startswith("record_")} - WHOLE_ACTS

    assert set(contract("lower half")["forbidden_modules"]) == lower_halves


def test_no_way_round_is_left_open():
    """What a contract lets through is said here, once more: an exception is made in two places or in none."""
    ignored = {each["name"]: each["ignore_imports"] for each in CONTRACTS if "ignore_imports" in each}
    assert ignored == {"Only the gateways know Stripe's library": ["invoicing.gateways.* -> stripe"]}

    indirect = {each["name"].split(":")[0] for each in CONTRACTS if each.get("allow_indirect_imports")}
    assert indirect == {contract(words)["name"] for words in ("lower half", "Stripe", "whichever engine")}


def test_what_calls_itself_pure_is_held_to_it():
    held = contract("pure")["source_modules"]
    says_so = {
        dotted(path) for path in modules() if SAYS_PURE.search(ast.get_docstring(ast.parse(path.read_text())) or "")
    }

    assert len(says_so) > 30
    assert {module for module in says_so if not any(f"{module}.".startswith(f"{each}.") for each in held)} == set()
    assert {"rest_framework", "celery", "django"} == set(contract("pure")["forbidden_modules"])


def test_all_floors_are_kept_from_the_payment_providers_library():
    assert set(contract("Stripe")["source_modules"]) == set(FLOORS)


def test_each_floor_below_the_site_says_how_its_rooms_lie_and_forgets_none():
    layered = {name: each for each in CONTRACTS if each["type"] == "layers" for name in each.get("containers", ())}

    assert set(layered) == set(FLOORS) - {"billing_site"}
    for each in layered.values():
        assert each["exhaustive"]
        assert set(each.get("exhaustive_ignores", ())) <= {"apps", "migrations"}


def test_the_rooms_lie_as_the_decision_says():
    """Two layers that know nothing of each other could change places in a contract, and nothing would tell."""
    page = (ROOT / "docs/decisions/layering.md").read_text()
    said: dict[str, list[set[str]]] = {}
    floor = ""
    for line in LINE_OF_ROOMS.finditer(page):
        floor = line["floor"] or floor
        said.setdefault(floor, []).append(set(re.findall(r"`(\w+)`", line["rooms"])))

    assert list(said) == ["invoicing", "subscriptions", "entitlements"]
    for floor, rooms in said.items():
        assert [set(layer.split(" | ")) for layer in contract(f"rooms of {floor}")["layers"]] == rooms


def test_the_folders_of_pages_and_endpoints_are_named_as_the_rooms():
    for floor in ("invoicing", "subscriptions", "entitlements"):
        for shown in ("admin", "api"):
            folders = {path.parent.name for path in (ROOT / floor / shown).glob("*/__init__.py")}

            assert folders
            assert {folder for folder in folders if not (ROOT / floor / folder / "README.md").exists()} == set()


def test_the_runtime_is_kept_from_django():
    runtime = contract("runtime starts")

    assert (runtime["source_modules"], runtime["forbidden_modules"]) == (["billing_site.runtime"], ["django"])


def test_the_floors_lie_as_said_and_circles_are_looked_for_on_each():
    floors = contract("floors")

    assert floors["layers"] == list(reversed(FLOORS))
    assert set(contract("No circles")["ancestors"]) == set(FLOORS)
