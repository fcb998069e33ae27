"""Adding an add-on or the next version of one, and replacing a draft."""

from collections.abc import Mapping
from dataclasses import replace

from django.db import IntegrityError, transaction
from django.db.models import Max

from core.audit.services.record import record
from subscriptions.catalog.addon_selectors import checked_addon_terms
from subscriptions.catalog.plan_terms import AddOnTerms
from subscriptions.errors import AddOnDraftExists, AddOnNotADraft
from subscriptions.models import AddOn, AddOnRateCard


@transaction.atomic
def create_addon(
    *, key: str, terms: AddOnTerms, description: str | None = None, metadata: Mapping[str, str] | None = None
) -> AddOn:
    """Store a draft: version 1 of a new add-on, or the next version of the one with this key.

    InvalidInput lists every rule that is broken; `AddOnDraftExists` (Conflict) where there is a draft already.
    """
    terms = checked_addon_terms(terms)
    versions = AddOn.objects.filter(key=key, deleted_at=None)
    if versions.filter(effective_from=None).exists():
        raise AddOnDraftExists(key)
    newest = versions.aggregate(newest=Max("version"))["newest"] or 0
    addon = AddOn(key=key, version=newest + 1, currency=terms.currency)
    try:
        with transaction.atomic():
            _fill(addon, terms, description, metadata)
    except IntegrityError as error:  # another draft was made in the same moment
        raise AddOnDraftExists(key) from error
    record(verb="addon.created", target=addon, did=f"drafted the add-on {addon}")
    return addon


@transaction.atomic
def update_addon(
    *, addon: AddOn, terms: AddOnTerms, description: str | None = None, metadata: Mapping[str, str] | None = None
) -> AddOn:
    """Replace everything but the key and the currency of a draft. InvalidInput lists every rule that is broken.

    `AddOnNotADraft` (PreconditionFailed) for a version that was published.
    """
    addon = AddOn.objects.select_for_update().get(pk=addon.pk)
    if addon.effective_from is not None:
        raise AddOnNotADraft(str(addon), "changed", "Make its next version and change that.")
    _fill(addon, checked_addon_terms(replace(terms, currency=addon.currency)), description, metadata)
    record(verb="addon.updated", target=addon, did=f"changed the draft of the add-on {addon}")
    return addon


def _fill(addon: AddOn, terms: AddOnTerms, description: str | None, metadata: Mapping[str, str] | None) -> None:
    addon.name, addon.instance_type = terms.name, terms.instance_type
    addon.description, addon.metadata = description, dict(metadata or {})
    addon.save()
    addon.rate_cards.all().delete()
    AddOnRateCard.objects.bulk_create(
        AddOnRateCard(
            addon=addon,
            position=position,
            key=card.key,
            **card.columns(),
        )
        for position, card in enumerate(terms.rate_cards)
    )
