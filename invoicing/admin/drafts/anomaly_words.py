"""Owns how pages show what is unusual about a draft, as it is stored with it."""

from django.utils.safestring import SafeString

from core.admin.display import badge
from invoicing.drafts.anomalies import LABELS, Anomaly, Kind, words_of
from invoicing.models import Invoice

# What may be money lost is red, what only wants to be seen is blue.
TONES = {
    Kind.ZERO: "red",
    Kind.TAX_ID: "red",
    Kind.FELL: "amber",
    Kind.ROSE: "amber",
    Kind.LARGE: "amber",
    Kind.NO_USAGE: "amber",
    Kind.GIVES_BACK: "amber",
    Kind.FIRST: "blue",
    Kind.LATE: "blue",
    Kind.BY_HAND: "blue",
}


def _stored(draft: Invoice) -> list[Anomaly]:
    return [] if draft.issued_at is not None else [Anomaly.from_json(each) for each in draft.anomalies or ()]


def shown_anomalies(draft: Invoice) -> list[tuple[str, str]]:
    """What is unusual about `draft`: a word or two and a sentence each; nothing where nobody has looked yet."""
    return [(LABELS[each.kind], words_of(each, draft.currency)) for each in _stored(draft)]


def anomaly_badges(draft: Invoice) -> list[tuple[SafeString, str]]:
    """The same with a pill for the word."""
    return [(badge(LABELS[each.kind], TONES[each.kind]), words_of(each, draft.currency)) for each in _stored(draft)]
