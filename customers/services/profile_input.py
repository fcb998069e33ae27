"""What can be said of a billing profile, and what holds where nothing is said."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import field_error
from customers.choices import CollectionAlignment, CollectionMethod, LateUsage
from customers.models import BillingApp, BillingProfile
from customers.models.profile import default_dunning_days
from customers.services.supplier_input import SupplierInput
from customers.services.workflow_input import check_workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInput:
    """`workflow` maps workflow fields to what is said of them. `apps` are the ids for tax, invoicing and payment, which
    are one app with us; None where a profile is replaced, since its app is for good."""

    name: str
    supplier: SupplierInput
    default: bool
    workflow: Mapping[str, Any]
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    apps: tuple[uuid.UUID, ...] | None = None


def typed_defaults() -> dict[str, Any]:
    """What the clients' types promise for fields that are left out."""
    return {
        "collection_alignment": CollectionAlignment.SUBSCRIPTION.value,
        "collection_cadence": "",
        "collection_anchor": None,
        "collection_interval": "PT1H",
        "auto_advance": True,
        "draft_period": "P0D",
        "due_after": "P30D",
        "progressive_billing": True,
        "collection_method": CollectionMethod.CHARGE_AUTOMATICALLY.value,
        "tax_enabled": True,
        "tax_enforced": False,
        "tax_behavior": None,
        "tax_code": "",
    }


def our_defaults() -> dict[str, Any]:
    """The same for fields that only we know of."""
    return {
        "late_usage": LateUsage.BILL.value,
        "progressive_threshold": None,
        "progressive_threshold_currency": "",
        "dunning_days": default_dunning_days(),
        "uncollectible_after_dunning": False,
    }


def whole_workflow(said: Mapping[str, Any], *, before: BillingProfile | None = None) -> dict[str, Any]:
    """Every workflow field of a profile of which `said` is all that is said; `InvalidInput` where it can't be read.

    A replacement clears what it leaves out. Only fields that the official clients don't know of stay as they were
    `before`: a client that never heard of them must not reset them.
    """
    ours = our_defaults() if before is None else {name: getattr(before, name) for name in our_defaults()}
    values = {**typed_defaults(), **ours, **said}
    check_workflow(values)
    return values


def the_app(ids: tuple[uuid.UUID, ...] | None) -> BillingApp:
    """The one app that a profile names; `InvalidInput` where it names several, or none that there is."""
    if not ids or len(set(ids)) != 1:
        raise field_error(
            "apps", "several_apps", "A profile has one app: give the same id for tax, invoicing and payment."
        )
    app = BillingApp.objects.filter(pk=ids[0], deleted_at=None).first()
    if app is None:
        raise field_error("apps.invoicing", "unknown_app", "There is no such app. Nothing was saved.")
    return app
