"""Shows a rate card before it is kept: what it was and what it will be, in words."""

from collections.abc import Mapping
from typing import Any

from core.admin.verbs import Effect, Review
from core.admin.words import duration_words, quantity_text, rhythm_words
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.catalog.price_words import discount_words, price_words, tier_words

TEMPLATE = "backoffice/card_review.html"
_NONE = "–"


def card_review(card: RateCardTerms, currency: str, *, before: RateCardTerms | None = None) -> Review:
    """`card` beside what it was, if it was there before."""
    return Review(TEMPLATE, {"changes": card_effects(card, currency, before=before), "is_new": before is None})


def card_effects(card: RateCardTerms, currency: str, *, before: RateCardTerms | None = None) -> list[Effect]:
    """Each fact of a rate card in words, before and after."""
    was = _facts(before, currency) if before is not None else {}
    return [Effect(label, was.get(label, _NONE), after) for label, after in _facts(card, currency).items()]


def _facts(card: RateCardTerms, currency: str) -> dict[str, str]:
    tiers = "; ".join(f"{reach}: {cost}" for reach, cost in tier_words(card.price, currency))
    tax = card.tax_config or {}
    return {
        "Name": card.name,
        "Key": card.key,
        "Price": price_words(card.price, currency, card.billing_cadence),
        "Tiers": tiers or _NONE,
        "Discounts": discount_words(card.discounts) or _NONE,
        "Billed": rhythm_words(card.billing_cadence),
        "Feature": card.feature_key or _NONE,
        "Tax": {"inclusive": "in the price", "exclusive": "on top"}.get(tax.get("behavior", ""), "as the profile says"),
        "Entitlement": _entitlement_words(card.entitlement_template or {}),
    }


def _entitlement_words(template: Mapping[str, Any]) -> str:
    kind = template.get("type")
    if kind == "boolean":
        return "access"
    if kind == "static":
        return f"configuration {template.get('config')}"
    if kind != "metered":
        return _NONE
    period = template.get("usagePeriod")
    reset = f" every {duration_words(period)}" if period else ""
    allowance = template.get("issueAfterReset")
    units = f"{quantity_text(str(allowance))} units{reset}" if allowance is not None else f"metered{reset}"
    return f"{units}, {'soft' if template.get('isSoftLimit') else 'hard'} limit"
