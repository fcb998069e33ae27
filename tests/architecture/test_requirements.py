"""The pinned requirements were compiled from what the project asks for."""

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site")
# Files of data that Python's zoneinfo reads where the system has none.
NEVER_NAMED = {"tzdata"}


def requirements(name: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_each_wish_has_a_pin_that_fulfils_it(name: str):
    pins: dict[str, list[str]] = {}
    for pin in requirements(f"{name}.txt"):
        assert [specifier.operator for specifier in pin.specifier] == ["=="], f"{pin} is not pinned"
        pins.setdefault(canonicalize_name(pin.name), []).append(next(iter(pin.specifier)).version)

    for wish in requirements(f"{name}.in"):
        versions = pins.get(canonicalize_name(wish.name), [])
        assert versions, f"{wish} has no pin: run make requirements"
        assert all(version in wish.specifier for version in versions), f"{wish} is pinned to {versions}"


def test_development_and_production_use_the_same_versions():
    development = {str(pin) for pin in requirements("requirements-dev.txt")}

    assert {str(pin) for pin in requirements("requirements.txt")} <= development


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_pins_name_no_index(name: str):
    text = (ROOT / name).read_text()

    assert "://" not in text
    assert "--index" not in text


def test_each_wish_of_production_is_named_in_its_code():
    """By an import, a setting or a command: what nothing uses is only there to be attacked and to break an upgrade."""
    code = "\n".join(path.read_text() for package in OURS for path in (ROOT / package).rglob("*.py"))
    modules: dict[str, list[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(canonicalize_name(distribution), []).append(module)

    wishes = [canonicalize_name(wish.name) for wish in requirements("requirements.in")]
    idle = [
        name
        for name in wishes
        if not any(
            re.search(rf"(^\s*(from|import) |[\"']){re.escape(module)}\b", code, re.M) for module in modules[name]
        )
    ]

    assert len(wishes) > 10
    assert set(idle) == NEVER_NAMED
