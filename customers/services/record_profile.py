"""Replacing what a billing profile says."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from core.admin.words import joined
from core.audit.services.record import record
from customers.errors import ProfileDeleted
from customers.models import BillingProfile, Supplier
from customers.services.profile_input import ProfileInput, whole_workflow
from customers.settings_words import SETTING_LABELS, setting_words


@transaction.atomic
def record_profile(*, profile: BillingProfile, replacement: ProfileInput, supplier: Supplier) -> BillingProfile:
    """Replace name, texts, supplier and workflow. The app stays for good (billing rules 5).

    Whether the supplier may change is for the floors to say that know who is billed by the profile. Drafts and issued
    invoices keep their copies. Raises `InvalidInput` and `ProfileDeleted`.
    """
    profile = BillingProfile.objects.select_for_update(of=("self",)).select_related("supplier").get(pk=profile.pk)
    if profile.deleted_at is not None:
        raise ProfileDeleted(f"The profile “{profile}” was deleted and can't be changed. Create it anew.")
    wanted: dict[str, Any] = {
        "name": replacement.name,
        "description": replacement.description,
        "metadata": dict(replacement.metadata),
        "supplier": supplier,
        **whole_workflow(replacement.workflow, before=profile),
    }
    changes: dict[str, list[Any]] = {}
    said: list[str] = []
    for name, value in wanted.items():
        before = getattr(profile, name)
        if before != value:
            changes[name] = [_plain(before), _plain(value)]
            said.append(_words(name, before, value))
            setattr(profile, name, value)
    if changes:
        profile.save()
        did = f"changed billing profile {profile}: {joined(said)}"
        record(verb="billingprofile.changed", target=profile, did=did, changes=changes)
    return profile


def _words(name: str, before: Any, after: Any) -> str:
    if name not in SETTING_LABELS:
        return name
    return f"{SETTING_LABELS[name].lower()} from {setting_words(name, before)} to {setting_words(name, after)}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | datetime | Supplier) else value
