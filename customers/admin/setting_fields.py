"""Form fields of workflow settings, checked as they are typed in: durations, retry days, currencies."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from core.admin.base import ChangeReasonForm
from core.admin.words import duration_words
from core.errors import InvalidInput
from core.periods import read_duration
from customers.services.workflow_input import WIRE_FIELDS, check_workflow
from customers.settings_layers import WORKFLOW_FIELDS
from customers.settings_words import SETTING_LABELS

DURATION_HELP = "Such as 30 days, 1 month, 12 hours, or none."
_DATE_UNITS = ("year", "month", "week", "day")
_CLOCK_UNITS = ("hour", "minute", "second")
_TIME_PART = re.compile(rf"([0-9]{{1,6}})\s*({'|'.join(_DATE_UNITS + _CLOCK_UNITS)})s?\b")
_FIELD_OF = {wire: name for name, wire in WIRE_FIELDS.items()}
_FIELD_OF["workflow.collection.alignment.recurringPeriod"] = "collection_alignment"


class DurationField(forms.Field):
    """A time as people write it, "30 days", "1 month 12 hours", "none"; a bare number is days. Kept, and also taken, as
    an ISO 8601 duration. An empty field is None."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> str:
        return duration_words(value)

    def to_python(self, value: Any) -> str | None:
        text = (value or "").strip()
        if not text:
            return None
        if read_duration(text.upper()) is not None:
            return str(text.upper())
        if text.lower() in ("none", "0"):
            return "PT0S"
        if text.isdecimal():
            text = f"{text} days"
        parts = _TIME_PART.findall(text.lower())
        if not parts or _TIME_PART.sub("", text.lower()).strip(" ,"):
            raise ValidationError("Give a time such as 30 days, 1 month, 12 hours, or none.")
        found = {unit: number for number, unit in parts}
        date = "".join(f"{int(found[unit])}{unit[0].upper()}" for unit in _DATE_UNITS if unit in found)
        clock = "".join(f"{int(found[unit])}{unit[0].upper()}" for unit in _CLOCK_UNITS if unit in found)
        return f"P{date}T{clock}" if clock else f"P{date}"

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or None) != self.to_python(data)
        except ValidationError:
            return True


class DaysField(forms.Field):
    """Whole days in ascending order, typed as "1, 3, 5, 7"; "none" is no day at all, an empty field is `empty`."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, *, empty: list[int] | None, **kwargs: Any) -> None:
        help_text = "Days after the first failed charge, such as 1, 3, 5, 7; or none."
        super().__init__(required=False, **({"help_text": help_text} | kwargs))
        self.empty = empty

    def prepare_value(self, value: Any) -> str:
        if isinstance(value, list):
            return ", ".join(str(day) for day in value) or ("none" if self.empty is None else "")
        return value or ""

    def to_python(self, value: Any) -> list[int] | None:
        if isinstance(value, list):
            return value
        if not (value or "").strip():
            return self.empty
        if value.strip().lower() == "none":
            return []
        try:
            days = [int(part) for part in value.split(",")]
        except ValueError:
            raise ValidationError("Give whole days separated by commas, such as 1, 3, 5, 7.") from None
        if any(day < 1 for day in days) or days != sorted(set(days)):
            raise ValidationError("The days must be at least 1 and rise.")
        return days

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or self.empty) != self.to_python(data)
        except ValidationError:
            return True


class ChecksWorkflow(forms.BaseForm):
    """Says what the services would refuse of the workflow, each at the field that it is about."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        said = {name: None if (value := cleaned.get(name)) == "" else value for name in WORKFLOW_FIELDS}
        try:
            check_workflow(said)
        except InvalidInput as error:
            for problem in error.problems:
                name = _FIELD_OF.get(problem.field)
                self.add_error(name if name in cleaned else None, problem.message)
        return cleaned


class SettingsForm(ChecksWorkflow, ChangeReasonForm):
    """A profile's settings, named as staff know them."""

    duration_fields: Iterable[str] = ("collection_interval", "draft_period", "due_after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = SETTING_LABELS.get(name, field.label)
            if name in self.duration_fields:
                field.help_text = DURATION_HELP
