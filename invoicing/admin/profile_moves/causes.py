"""How the causes that a check found look on pages: their tones, their words, and links to the rows behind them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from core.ids import from_text
from invoicing.choices import MoveVerdict
from invoicing.profile_moves.causes import CauseCode

VERDICT_TONES = {
    MoveVerdict.UNCHECKED: "grey",
    MoveVerdict.READY: "green",
    MoveVerdict.WARNING: "amber",
    MoveVerdict.BLOCKED: "red",
}
_PAGES = {
    "invoice": "admin:invoicing_invoice_change",
    "customer": "admin:customers_customer_change",
    "subscription": "admin:subscriptions_subscription_change",
}
_LABELS = {code.value: str(code.label) for code in CauseCode}


def causes_shown(causes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Causes, as an item keeps them, as pages show them: rows that a message names are links in it, others follow."""
    return [
        {
            "label": _LABELS.get(cause["code"], cause["code"].replace("_", " ").capitalize()),
            "severity": cause["severity"],
            "message": _linked(cause["message"], cause["links"]),
        }
        for cause in causes
    ]


def _url(kind: str, text: str) -> str:
    identity = from_text(text)
    try:
        return reverse(_PAGES[kind], args=[identity]) if identity else ""
    except (KeyError, NoReverseMatch):
        return ""


def _linked(message: str, rows: Iterable[Mapping[str, str]]) -> SafeString:
    """The message with each row that it names as a link, and links to the others behind it."""
    links = {
        str(escape(row["label"])): format_html('<a class="ch-link ch-nowrap" href="{}">{}</a>', url, row["label"])
        for row in rows
        if (url := _url(row["kind"], row["id"]))
    }
    text = str(escape(message))
    if links:
        # Whole words: INV-1 is no part of INV-10.
        named = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, links))})(?![\w-])")
        others = dict(links)
        text = named.sub(lambda match: others.pop(match[0], match[0]), text)
        text = " ".join([text, *others.values()])
    return mark_safe(text)
