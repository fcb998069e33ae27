"""Owns how values look in the admin: badges, money, times with their zone, links to other pages."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.words import amount_text, local_time, moment_text, quantity_text

EMPTY = SafeString('<span class="ch-none">–</span>')


def badge(text: str, tone: str = "grey", *, title: str = "") -> SafeString:
    """A status as a coloured pill. Tones: grey, blue, green, amber, red."""
    return format_html('<span class="ch-badge ch-{}" title="{}">{}</span>', tone, title, text)


def money(amount: Decimal | str | int | None, currency: str, *, quiet_zero: bool = False) -> SafeString:
    """An amount with its currency; `quiet_zero` greys out a zero, for columns where zero is the rule."""
    if amount is None:
        return EMPTY
    quiet = " ch-quiet" if quiet_zero and not Decimal(amount) else ""
    return format_html(
        '<span class="ch-money{}">{} <span class="ch-currency">{}</span></span>',
        quiet,
        amount_text(amount, currency),
        currency,
    )


def number(value: Decimal | int | str | None) -> SafeString:
    """A count or quantity, aligned like money."""
    return EMPTY if value is None else format_html('<span class="ch-money">{}</span>', quantity_text(value))


def moment(value: datetime | None, zone: str = "UTC") -> SafeString:
    """A time on the wall of `zone`, labelled with its abbreviation. Hovering names the zone and tells UTC."""
    if value is None:
        return EMPTY
    date, _, clock = moment_text(value, zone).rpartition(" ")
    return format_html(
        '<time class="ch-time" datetime="{}" title="{}; {} UTC"><span class="ch-nowrap">{}</span> '
        '<span class="ch-nowrap">{} <span class="ch-zone">{}</span></span></time>',
        value.isoformat(),
        zone,
        moment_text(value, seconds=True),
        date,
        clock,
        local_time(value, zone).tzname(),
    )


def day(value: datetime | None) -> SafeString:
    """The date of a time, in UTC: under a heading that says so. Hovering tells the time."""
    if value is None:
        return EMPTY
    local = local_time(value, "UTC")
    text = f"{local.day} {local:%b %Y}"
    return format_html('<time class="ch-time ch-day" title="{} UTC">{}</time>', moment_text(value, seconds=True), text)


def cut(text: str | None) -> SafeString:
    """A key, an address or another name without spaces, cut where the column ends; hovering tells all of it."""
    return format_html('<span class="ch-cut" title="{}">{}</span>', text, text) if text else EMPTY


def above(first: Any, second: Any) -> SafeString:
    """Two values in one cell of a list, the second in small print."""
    return format_html('<span class="ch-above">{}<small>{}</small></span>', first, second)


def admin_url(obj: models.Model) -> str:
    """The address of an object's own page."""
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])


def link(obj: models.Model | None, text: Any = None) -> SafeString:
    """A link to an object's own page."""
    if obj is None:
        return EMPTY
    return format_html('<a class="ch-link" href="{}">{}</a>', admin_url(obj), obj if text is None else text)
