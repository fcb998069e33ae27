"""Form fields that choose a country, a currency or a time zone from a list, searched by typing; nothing is guessed."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelect2Widget

from core.countries_and_zones import country_names, currency_names, offered_zones


class CodeField(forms.TypedChoiceField):
    """One of a long list of codes. What is sent without the list is taken in either case, and never cut.

    `keep` offers what is stored already, though it would not be offered today: whoever changes another field of an old
    row must not have to change this one.
    """

    noun = "code"
    unknown = "“{}” is not in the list. Choose one from it."

    def __init__(self, choices: Iterable[tuple[str, str]], *, none: str = "", **kwargs: Any) -> None:
        self.codes = tuple(choices)
        self.none = [("", none)] if none or not kwargs.get("required", True) else []
        # Without a placeholder, the list can't be cleared by the keyboard.
        widget = UnfoldAdminSelect2Widget(attrs={"data-placeholder": none or "Choose", "data-allow-clear": "true"})
        super().__init__(**({"choices": [*self.none, *self.codes], "widget": widget} | kwargs))

    def keep(self, stored: str | None) -> None:
        if stored and stored not in dict(self.codes):
            self.choices = [*self.none, (stored, f"{stored} – not a known {self.noun}"), *self.codes]

    def to_python(self, value: Any) -> str:
        text = super().to_python(value).strip()
        choices: Any = self.choices
        known = {str(code) for code, _ in choices}
        return text.upper() if text not in known and text.upper() in known else text

    def validate(self, value: Any) -> None:
        if value and not self.valid_value(value):
            raise ValidationError(self.unknown.format(value), code="unknown")
        super().validate(value)


class CountryField(CodeField):
    noun = "country"
    unknown = "“{}” is not a country of the list. Choose one from it."

    def __init__(self, **kwargs: Any) -> None:
        super().__init__([(code, f"{name} ({code})") for code, name in country_names().items()], **kwargs)


class CurrencyField(CodeField):
    noun = "currency"
    unknown = "Not a currency of ISO 4217: “{}”. Choose one from the list."

    def __init__(self, **kwargs: Any) -> None:
        super().__init__([(code, f"{code} – {name}") for code, name in currency_names().items()], **kwargs)


class TimeZoneField(CodeField):
    noun = "time zone"
    unknown = "'{}' is not a time zone of the list. Choose one from it."

    def __init__(self, **kwargs: Any) -> None:
        super().__init__([(zone, zone.replace("_", " ")) for zone in offered_zones()], **kwargs)

    def to_python(self, value: Any) -> str:
        return forms.ChoiceField.to_python(self, value).strip()
