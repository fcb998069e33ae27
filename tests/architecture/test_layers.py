"""The floors of the house: no import and no foreign key points upward, and nothing is imported inside a function."""

import subprocess
import sys
from pathlib import Path

from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parent.parent.parent
FLOORS = ["core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site"]


def run_tool(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(words[0])
    return subprocess.run([program, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


def floor(module: str) -> int | None:
    package = module.partition(".")[0]
    return FLOORS.index(package) if package in FLOORS else None


def upward_references(found: list[type[models.Model]]) -> list[str]:
    """Relations from a model of ours to a model of a higher floor."""
    upward = []
    for model in found:
        own = floor(model.__module__)
        for field in model._meta.get_fields(include_hidden=True):
            if own is None or not field.is_relation or field.auto_created or field.related_model is None:
                continue
            other = floor(field.related_model.__module__)
            if other is not None and other > own:
                upward.append(f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}")
    return upward


def test_every_package_imports_only_those_below_it():
    done = run_tool("lint-imports", "--no-cache")

    assert done.returncode == 0, done.stdout


def test_no_foreign_key_points_upward():
    assert upward_references(apps.get_models(include_auto_created=True)) == []


def test_the_walk_over_foreign_keys_sees_an_upward_one():
    class Bill(models.Model):  # noqa: DJ008
        __module__ = "invoicing.models.bill"

        class Meta:
            app_label = "layers_example"
            apps = apps.__class__()

    class Person(models.Model):  # noqa: DJ008
        __module__ = "customers.models.person"
        last_bill = models.ForeignKey(Bill, models.CASCADE)

        class Meta:
            app_label = "layers_example"
            apps = Bill._meta.apps

    assert upward_references([Bill, Person]) == ["layers_example.Person.last_bill -> layers_example.Bill"]


def test_nothing_is_imported_inside_a_function():
    done = run_tool("ruff", "check", "--select", "PLC0415", "--ignore-noqa", "--quiet", ".")

    assert done.returncode == 0, done.stdout


LONGEST_FILE, LARGEST_ROOM = 400, 3_500


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_and_no_room_holds_too_much():
    """A file of more than 400 lines holds two ideas; a room of more than 3,500 is not one subject."""
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py") if "migrations" not in path.parts]
    rooms: dict[str, int] = {}
    for path in files:
        parts = path.relative_to(ROOT).parts
        # The pages and endpoints of a room are in folders of their own.
        depth = 3 if parts[1] in ("admin", "api") else 2
        if len(parts) > depth:
            room = "/".join(parts[:depth])
            rooms[room] = rooms.get(room, 0) + lines_of(path)

    assert [str(path) for path in files if lines_of(path) > LONGEST_FILE] == []
    assert {room: size for room, size in rooms.items() if size > LARGEST_ROOM} == {}
