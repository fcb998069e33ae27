"""Owns the wording of what a form changed, for the audit trail."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db import models

from core.admin.words import joined

Changes = dict[str, list[Any]]


def changes_of(form: forms.ModelForm) -> Changes:
    """Field -> [before, after] of what the form changed, as JSON values."""
    columns = {field.name for field in form.instance._meta.concrete_fields}
    changes: Changes = {}
    for name in form.changed_data:
        field = form.fields[name]
        if name not in columns:
            continue
        before = field.to_python(form.initial.get(name)) if form.initial.get(name) not in (None, "") else None
        after = form.cleaned_data.get(name)
        changes[name] = [plain(before), plain(after)]
    return changes


def sentence_of(changes: Changes, model: type[models.Model]) -> str:
    """The changes as the end of a sentence: "name from “A” to “B” and city to “Berlin”"."""
    return joined(_words(name, before, after, model) for name, (before, after) in changes.items())


def change_rows(changes: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Recorded changes as rows of a table: field in words, before, after; a dash for nothing."""
    rows = []
    for field, change in changes.items():
        before, after = change if isinstance(change, list) and len(change) == 2 else (None, change)
        rows.append((field.replace("_", " "), _or_dash(before), _or_dash(after)))
    return rows


def plain(value: Any) -> Any:
    """A field's value as JSON keeps it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | dict):
        return value
    return str(value)


def _or_dash(value: Any) -> Any:
    return "–" if value in (None, "") else value


def _words(name: str, before: Any, after: Any, model: type[models.Model]) -> str:
    label = str(getattr(model._meta.get_field(name), "verbose_name", name))
    if before in (None, "", [], {}):
        return f"{label} to “{_shown(after)}”"
    if after in (None, "", [], {}):
        return f"{label} from “{_shown(before)}” to nothing"
    return f"{label} from “{_shown(before)}” to “{_shown(after)}”"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return str(value)
