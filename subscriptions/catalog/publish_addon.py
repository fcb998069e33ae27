"""Putting an add-on on sale, taking it off, throwing a draft away."""

from django.db import transaction

from subscriptions.catalog.addon_selectors import checked_addon_terms, terms_of_addon
from subscriptions.catalog.sell_version import locked_version, put_on_sale, take_off_sale, throw_away
from subscriptions.errors import AddOnNotADraft
from subscriptions.models import AddOn


@transaction.atomic
def publish_addon(*, addon: AddOn) -> AddOn:
    """Put the draft on sale from now on; the version that was on sale until now is archived.

    `AddOnNotADraft` (PreconditionFailed) for a version that was published before; InvalidInput where the catalog
    changed so that it breaks a rule (a feature was archived).
    """
    addon = locked_version(addon)
    if addon.effective_from is not None:
        raise AddOnNotADraft(str(addon), "published", "Make its next version and publish that.")
    checked_addon_terms(terms_of_addon(addon))
    put_on_sale(addon, what="addon")
    return addon


@transaction.atomic
def archive_addon(*, addon: AddOn) -> AddOn:
    """Take the version off sale now; who bought it keeps it. `NotOnSale` for one that isn't active."""
    addon = locked_version(addon)
    take_off_sale(addon, what="addon")
    return addon


@transaction.atomic
def delete_addon(*, addon: AddOn) -> None:
    """Mark the draft as deleted, and let plans offer it no more. `AddOnNotADraft` for one that was published."""
    addon = locked_version(addon)
    throw_away(addon, what="addon", refusal=AddOnNotADraft)
    addon.plan_addons.all().delete()
