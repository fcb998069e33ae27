"""Billing settings in words: the name of each workflow field and its value as staff read it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.admin.words import duration_words, joined
from customers.choices import CollectionAlignment, CollectionMethod, LateUsage, TaxBehavior

SETTING_LABELS = {
    "collection_method": "Collection method",
    "due_after": "Due after",
    "auto_advance": "Issue drafts automatically",
    "draft_period": "Draft period",
    "collection_interval": "Wait for late usage",
    "collection_alignment": "Invoices follow",
    "collection_cadence": "Rhythm",
    "collection_anchor": "Rhythm counted from",
    "late_usage": "Usage that comes late",
    "progressive_billing": "Progressive billing",
    "progressive_threshold": "Progressive threshold",
    "progressive_threshold_currency": "Threshold currency",
    "tax_enabled": "Tax is computed",
    "tax_enforced": "Tax must be computable",
    "tax_behavior": "Tax behaviour",
    "tax_code": "Tax code",
    "dunning_days": "Retries after a failed charge",
    "uncollectible_after_dunning": "Uncollectible after the last retry",
}
_DURATIONS = {"due_after", "draft_period", "collection_interval", "collection_cadence"}
_CHOICES: Mapping[str, Any] = {
    "collection_method": CollectionMethod,
    "collection_alignment": CollectionAlignment,
    "late_usage": LateUsage,
    "tax_behavior": TaxBehavior,
}


def setting_words(field: str, value: Any) -> str:
    """The value of a workflow field as staff read it; a dash for one that nobody set."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%-d %B %Y, %H:%M} UTC"
    if field in _DURATIONS:
        return duration_words(value)
    if field in _CHOICES and value in _CHOICES[field].values:
        return str(_CHOICES[field](value).label)
    if field == "dunning_days":
        return f"after {joined(value)} days" if value else "none"
    return str(value)
