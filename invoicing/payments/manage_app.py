"""Installs, updates and uninstalls billing apps."""

from collections.abc import Mapping

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.services.record import record
from customers.models import BillingApp, BillingProfile
from invoicing.choices import OPEN_STATUSES, UNISSUED_STATUSES
from invoicing.errors import AppNotUsable
from invoicing.models import Invoice


@transaction.atomic
def install_app(
    *, type: str, name: str, description: str = "", metadata: Mapping[str, str] | None = None
) -> BillingApp:
    """Install an app that needs no account: bank transfer or sandbox."""
    app = BillingApp.objects.create(type=type, name=name, description=description, metadata=dict(metadata or {}))
    record(verb="install_app", target=app, did=f"installed the app {app} ({app.get_type_display()})")
    return app


@transaction.atomic
def update_app(*, app: BillingApp, name: str, description: str, metadata: Mapping[str, str]) -> BillingApp:
    """Replace the app's name, description and metadata; its type is fixed."""
    app = BillingApp.objects.select_for_update().get(pk=app.pk)
    before = app.name
    app.name, app.description, app.metadata = name, description, dict(metadata)
    app.save()
    record(verb="update_app", target=app, did=f"updated the app {app}", changes={"name": [before, name]})
    return app


@transaction.atomic
def uninstall_app(*, app: BillingApp) -> None:
    """Uninstall an app. AppNotUsable, and nothing is changed, while a profile or an open invoice needs it."""
    app = BillingApp.objects.select_for_update().get(pk=app.pk)
    profiles = BillingProfile.objects.filter(app=app, archived_at=None).count()
    unpaid = Invoice.objects.filter(app=app, status__in=OPEN_STATUSES).count()
    drafts = Invoice.objects.filter(app=app, status__in=UNISSUED_STATUSES).count()
    if profiles or unpaid or drafts:
        raise AppNotUsable(
            f"{app} is needed by {counted(profiles, 'profile')}, {counted(drafts, 'draft')} and "
            f"{counted(unpaid, 'unpaid invoice')}. "
            "Nothing was changed."
        )
    app.deleted_at = clock.now()
    app.save(update_fields=["deleted_at", "updated_at"])
    record(verb="uninstall_app", target=app, did=f"uninstalled the app {app}")
