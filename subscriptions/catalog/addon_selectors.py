"""Reads of add-ons, of the plans that offer them, and of what subscriptions have bought."""

from datetime import datetime

from django.db.models import Prefetch, QuerySet

from core.ids import from_text
from core.rest.lookups import MAX_KEY_LENGTH, missing
from subscriptions.catalog.plan_rules import checked_addon
from subscriptions.catalog.plan_selectors import card_terms, feature_facts
from subscriptions.catalog.plan_terms import AddOnTerms
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import PlanStatus
from subscriptions.models import (
    AddOn,
    AddOnQuantity,
    AddOnRateCard,
    ItemRevision,
    PlanAddOn,
    SubscriptionAddOn,
    SubscriptionItem,
)


def addons_for_display() -> QuerySet[AddOn]:
    """All versions of all add-ons, deleted ones too, with rate cards: two queries for any number."""
    return AddOn.objects.prefetch_related(Prefetch("rate_cards", _cards()))


def plan_addons_for_display() -> QuerySet[PlanAddOn]:
    """The add-ons that plans offer, with rate cards: two queries for any number."""
    return PlanAddOn.objects.select_related("addon").prefetch_related(Prefetch("addon__rate_cards", _cards()))


def purchases_for_display() -> QuerySet[SubscriptionAddOn]:
    """What subscriptions bought, with add-ons, rate cards, quantities and items: five queries for any number."""
    revisions = ItemRevision.objects.order_by("active_from")
    items = SubscriptionItem.objects.order_by("running_number").prefetch_related(Prefetch("revisions", revisions))
    return SubscriptionAddOn.objects.select_related("addon", "subscription").prefetch_related(
        Prefetch("addon__rate_cards", _cards()),
        Prefetch("quantities", AddOnQuantity.objects.order_by("effective_at")),
        Prefetch("items", items),
    )


def addon_addressed(id_or_key: str, *, at: datetime, latest: bool = False) -> AddOn:
    """The version with this id; or, of the add-on with this key, the active version, or else (or with `latest`) the
    newest. `NotFound` where there is none or it was deleted."""
    addons = AddOn.objects.filter(deleted_at=None)
    identity = from_text(id_or_key)
    found = addons.filter(pk=identity).first() if identity else None
    if found is not None:
        return found
    if "\x00" in id_or_key or len(id_or_key) > MAX_KEY_LENGTH:
        raise missing("addon", id_or_key)
    versions = list(addons.filter(key=id_or_key).order_by("-version"))
    if not versions:
        raise missing("addon", id_or_key)
    active = [addon for addon in versions if version_status(addon, at) == PlanStatus.ACTIVE]
    return active[0] if active and not latest else versions[0]


def terms_of_addon(addon: AddOn) -> AddOnTerms:
    """What a stored add-on says. One query."""
    return AddOnTerms(
        name=addon.name,
        currency=addon.currency,
        instance_type=addon.instance_type,
        rate_cards=tuple(card_terms(card) for card in _cards().filter(addon=addon)),
    )


def checked_addon_terms(terms: AddOnTerms) -> AddOnTerms:
    """`terms` with its features found in the catalog and every rule of add-ons held. One query."""
    return checked_addon(terms, feature_facts(terms.rate_cards))


def _cards() -> QuerySet[AddOnRateCard]:
    return AddOnRateCard.objects.select_related("feature").order_by("position")
