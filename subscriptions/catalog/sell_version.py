"""Puts a version of a plan or an add-on on sale, takes it off sale, deletes it."""

from typing import TypeVar

from django.db.models import QuerySet

from core import clock
from core.audit.services.record import record
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import PlanStatus
from subscriptions.errors import NotADraft, NotOnSale
from subscriptions.models.catalog import CatalogVersion

V = TypeVar("V", bound=CatalogVersion)


def locked_version(version: V) -> V:
    """The row of now, behind a lock on all versions of its key, in one order: publishing one ends another."""
    versions: QuerySet[V] = type(version)._default_manager.select_for_update().filter(key=version.key).order_by("pk")
    return next(row for row in versions if row.pk == version.pk)


def put_on_sale(version: V, *, what: str) -> None:
    """Put a locked, checked draft on sale from now on; the version that was on sale until now is archived."""
    now = clock.now()
    published = type(version)._default_manager.filter(key=version.key, deleted_at=None, effective_to=None)
    for before in published.filter(effective_from__isnull=False):
        before.effective_to = max(now, before.effective_from) if before.effective_from else now
        before.save(update_fields=["effective_to", "updated_at"])
    version.effective_from = now
    version.save(update_fields=["effective_from", "updated_at"])
    record(verb=f"{what}.published", target=version, did=f"published the {what} {version}")


def take_off_sale(version: V, *, what: str) -> None:
    """Take a locked version off sale now. `NotOnSale` (PreconditionFailed) for a draft or an archived one."""
    now = clock.now()
    if version_status(version, now) not in (PlanStatus.ACTIVE, PlanStatus.SCHEDULED):
        raise NotOnSale(str(version), version_status(version, now))
    version.effective_to = now
    version.save(update_fields=["effective_to", "updated_at"])
    record(verb=f"{what}.archived", target=version, did=f"archived the {what} {version}")


def throw_away(version: V, *, what: str, refusal: type[NotADraft]) -> None:
    """Mark a locked draft as deleted; its version number becomes free. `refusal` for one that was published."""
    if version.deleted_at:
        return
    if version.effective_from is not None:
        raise refusal(str(version), "deleted", "Archive it instead: subscriptions may refer to it.")
    version.deleted_at = clock.now()
    version.save(update_fields=["deleted_at", "updated_at"])
    record(verb=f"{what}.deleted", target=version, did=f"deleted the draft of the {what} {version}")
