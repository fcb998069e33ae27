"""Form fields of workflow settings, checked as they are typed in: durations, retry days, currencies."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from core.admin.base import ChangeReasonForm
from core.admin.refusals import explain
from core.errors import BillingError
from core.money import currencies
from core.periods import parse_duration
from customers.choices import CollectionAlignment
from customers.settings_words import SETTING_LABELS

DURATION_HELP = "An ISO 8601 duration: P30D is 30 days, P1M a month, PT0S none."


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


class SettingsForm(ChangeReasonForm):
    """Checks the durations among its fields."""

    duration_fields: Iterable[str] = ("collection_interval", "draft_period", "due_after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = SETTING_LABELS.get(name, field.label)
            if name in self.duration_fields:
                field.help_text = DURATION_HELP

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in self.duration_fields:
            value = cleaned.get(name)
            if not value:
                continue
            try:
                parse_duration(value, field=str(self.fields[name].label))
            except BillingError as error:
                self.add_error(name, explain(error))
        currency = (cleaned.get("progressive_threshold_currency") or "").upper()
        if currency and currency not in currencies():
            self.add_error("progressive_threshold_currency", "Not a currency of ISO 4217; use a code such as EUR.")
        rhythm = cleaned.get("collection_cadence"), cleaned.get("collection_anchor")
        if cleaned.get("collection_alignment") == CollectionAlignment.ANCHORED and not all(rhythm):
            self.add_error("collection_alignment", "On a fixed rhythm: give the rhythm and from when it is counted.")
        one_alone = (cleaned.get("progressive_threshold") is None) != (not currency)
        if one_alone and "progressive_threshold" in self.fields:
            self.add_error("progressive_threshold", "Give the threshold and its currency together, or neither.")
        return cleaned
