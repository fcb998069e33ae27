"""Form fields that several pages ask with: keys, lengths of time, rows of a table, groups."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.errors import InvalidInput
from core.periods import parse_duration, read_duration

_KEY = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_ISO = "ISO"
_UNITS = (("D", "days"), ("W", "weeks"), ("M", "months"), ("Y", "years"), (_ISO, "as ISO 8601"))
_LETTERS = {"day": "D", "week": "W", "month": "M", "year": "Y"}
_INPUT = "ch-input"


class DecimalTextInput(UnfoldAdminTextInputWidget):
    """A number, typed: no spinner, which changes an amount by accident."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"inputmode": "decimal", "autocomplete": "off"} | (attrs or {}))


class KeyField(forms.CharField):
    """A key as REST takes it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"max_length": 64, "widget": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})} | kwargs
        super().__init__(**kwargs)

    def clean(self, value: Any) -> str:
        key: str = super().clean(value)
        if key and not _KEY.fullmatch(key):
            raise ValidationError("Use lower-case letters and digits, with single underscores between them.")
        return key


class _Duration(forms.MultiWidget):
    def decompress(self, value: str | None) -> list[str]:
        if not value:
            return ["", "M"]
        duration = read_duration(value)
        if duration is not None and len(duration.parts) == 1 and duration.parts[0][1] in _LETTERS:
            count, unit = duration.parts[0]
            return [str(count), _LETTERS[unit]]
        return [value, _ISO]


class DurationWidget(_Duration):
    """How many, of which unit."""

    def __init__(self) -> None:
        number = UnfoldAdminTextInputWidget(attrs={"aria-label": "How many", "autocomplete": "off"})
        super().__init__([number, UnfoldAdminSelectWidget(choices=_UNITS, attrs={"aria-label": "Unit"})])

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        return format_html('<div class="ch-side">{}</div>', super().render(*args, **kwargs))


class HiddenDuration(_Duration):
    def __init__(self) -> None:
        super().__init__([forms.HiddenInput(), forms.HiddenInput()])


class DurationField(forms.MultiValueField):
    """A length of time; its value is ISO 8601 text ("P3M"), "" for none."""

    widget = DurationWidget
    hidden_widget = HiddenDuration

    def __init__(self, **kwargs: Any) -> None:
        fields = (forms.CharField(required=False), forms.ChoiceField(choices=_UNITS, required=False))
        super().__init__(fields, **({"require_all_fields": False} | kwargs))

    def clean(self, value: Any) -> str:
        number, unit = [str(part or "").strip() for part in [*(value or []), "", ""][:2]]
        if not number:
            if self.required:
                raise ValidationError(self.error_messages["required"], code="required")
            return ""
        text = number if unit == _ISO else f"P{number}{unit or 'M'}"
        try:
            length = parse_duration(text)
        except InvalidInput as error:
            raise ValidationError(
                "Give a whole number."
                if unit != _ISO
                else "Give a length of time in ISO 8601, such as P1M15D or PT12H."
            ) from error
        if length.is_zero:
            raise ValidationError("It must be longer than no time.")
        return text


class RowsWidget(forms.Widget):
    """A table of inputs: the rows typed so far, and empty ones to type more into. Columns are text, those in `choices`
    are chosen from.

    Its value is a list of rows, each a dictionary by column; rows without any text are left out.
    """

    spare = 2

    def __init__(
        self,
        columns: Sequence[tuple[str, str]],
        *,
        noun: str,
        choices: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        attrs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(attrs)
        self.columns, self.noun, self.choices = tuple(columns), noun, choices or {}

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0_{self.columns[0][0]}" if id_ else ""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, str]]:
        key = re.compile(rf"{re.escape(name)}_(\d{{1,4}})_({'|'.join(column for column, _ in self.columns)})")
        rows: dict[int, dict[str, str]] = {}
        for given in data:
            found = key.fullmatch(given)
            if found:
                rows.setdefault(int(found[1]), {})[found[2]] = str(data[given]).strip()
        filled = (rows[number] for number in sorted(rows) if any(rows[number].values()))
        return [{column: row.get(column, "") for column, _ in self.columns} for row in filled]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return not self.value_from_datadict(data, files, name)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        # An address may have answered with a text, which is no row.
        typed = [row for row in value or () if isinstance(row, Mapping)]
        rows: list[Mapping[str, Any]] = [*typed, *({} for _ in range(self.spare))]
        head = format_html_join("", "<th>{}</th>", ((label,) for _, label in self.columns))
        body = format_html_join("", "<tr>{}</tr>", ((self._cells(name, index, row),) for index, row in enumerate(rows)))
        table = '<table class="ch-rows" data-rows="{}"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
        more = '<button type="button" class="ch-button" data-add-row="{}">Add {}</button>'
        return format_html(table + more, name, head, body, name, self.noun)

    def _cells(self, name: str, index: int, row: Mapping[str, Any]) -> SafeString:
        cells = (
            (self._cell(column, f"{name}_{index}_{column}", row.get(column) or "", f"{label}, {index + 1}"),)
            for column, label in self.columns
        )
        return format_html_join("", "<td>{}</td>", cells)

    def _cell(self, column: str, name: str, value: str, label: str) -> SafeString:
        if column not in self.choices:
            cell = (
                '<input type="text" class="{}" name="{}" id="id_{}" value="{}" aria-label="{}" inputmode="decimal" '
                'autocomplete="off">'
            )
            return format_html(cell, _INPUT, name, name, value, label)
        known = [("", ""), *self.choices[column]]
        if value not in {key for key, _ in known}:
            known.append((value, value))  # what an address has answered with is shown, and refused
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            ((key, mark_safe(" selected") if key == value else "", text) for key, text in known),
        )
        cell = '<select class="{}" name="{}" id="id_{}" aria-label="{}">{}</select>'
        return format_html(cell, _INPUT, name, name, label, options)


class HiddenRowsWidget(RowsWidget):
    """The same rows, carried along unseen."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        cells = (
            (name, index, column, row.get(column) or "")
            for index, row in enumerate(value or [])
            for column, _ in self.columns
        )
        return format_html_join("", '<input type="hidden" name="{}_{}_{}" value="{}">', cells)


class RowsField(forms.Field):
    """Rows of text, as `RowsWidget` reads them."""

    def __init__(
        self,
        columns: Sequence[tuple[str, str]],
        *,
        noun: str,
        choices: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(widget=RowsWidget(columns, noun=noun, choices=choices), **kwargs)
        # Called without arguments, as Django calls a class of widgets.
        self.hidden_widget = partial(HiddenRowsWidget, columns, noun=noun)  # type: ignore[assignment]

    def to_python(self, value: Any) -> list[dict[str, str]]:
        return list(value or [])


class GroupedForm(forms.Form):
    """A form whose fields stand under headings: `groups` are the headings with the names of their fields."""

    groups: tuple[tuple[str, Sequence[str]], ...]

    def grouped(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The visible fields under their headings, those without a heading of their own first."""
        named = {name for _, names in self.groups for name in names}
        groups = [("", tuple(name for name in self.fields if name not in named)), *self.groups]
        shown = [(title, [self[name] for name in names if name in self.fields]) for title, names in groups]
        return [(title, kept) for title, fields in shown if (kept := [f for f in fields if not f.is_hidden])]
