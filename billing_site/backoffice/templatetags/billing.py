"""How templates show money, times and states: the same helpers that lists use."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.db.models import Model
from django.template.defaultfilters import capfirst
from django.utils.safestring import SafeString

from core.admin import display
from core.admin.changes import change_rows
from core.admin.menu import menu_names
from core.admin.words import amount_text, counted, duration_words, quantity_text, rhythm_words
from core.ids import to_text

register = template.Library()


@register.simple_tag
def money(amount: Any, currency: str, quiet_zero: bool = False) -> SafeString:
    return display.money(amount, currency, quiet_zero=quiet_zero)


@register.simple_tag
def number(value: Any) -> SafeString:
    return display.number(value)


@register.simple_tag
def moment(value: Any, zone: str = "UTC") -> SafeString:
    return display.moment(value, zone)


@register.simple_tag
def day(value: Any) -> SafeString:
    return display.day(value)


@register.simple_tag
def badge(text: str, tone: str = "grey") -> SafeString:
    return display.badge(text, tone)


@register.simple_tag(name="link")
def link_tag(obj: Any, text: Any = None) -> SafeString:
    return display.link(obj, text)


@register.filter
def admin_url(obj: Any) -> str:
    return display.admin_url(obj)


@register.filter
def ulid(value: Any) -> str:
    return to_text(value)


@register.filter
def duration(value: str | None) -> str:
    return duration_words(value)


@register.filter
def rhythm(value: str | None) -> str:
    return rhythm_words(value)


@register.filter
def quantity(value: Any) -> str:
    return quantity_text(value)


@register.filter
def amount(value: Any, currency: str) -> str:
    return amount_text(value, currency)


@register.filter
def count_of(value: int, noun: str) -> str:
    """`{{ 3|count_of:"customer" }}` is "3 customers"."""
    return counted(value, noun)


@register.filter
def headed(part: Mapping[str, Any]) -> str:
    """A part of a heading: a list is called as in the menu, other words begin with a capital letter, and the name of an
    object stays as it is."""
    title = part["title"]
    if isinstance(title, Model):
        return str(title)
    return menu_names().get(str(part.get("link") or ""), str(capfirst(title)))


@register.filter
def changed(entry: Any) -> list[tuple[str, Any, Any]]:
    """What an audit entry says to have changed: field, before, after; a dash for nothing."""
    return change_rows(entry.changes)


@register.filter
def choices_in(spec: Any, changelist: Any) -> list[dict[str, Any]]:
    """The choices of a list filter, with the addresses that they lead to."""
    return list(spec.choices(changelist))
