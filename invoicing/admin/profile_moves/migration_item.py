"""One customer of a profile migration in the admin: what was found, what came of the move, and what can be done."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, link, moment
from core.admin.registry import page_of
from core.admin.verbs import buttons_of
from core.audit.models import AuditEntry
from invoicing.admin.profile_moves.causes import VERDICT_TONES, causes_shown
from invoicing.admin.profile_moves.migration_impact import shown_impact
from invoicing.admin.profile_moves.migration_item_verbs import ITEM_VERBS, why_no_way_back
from invoicing.choices import MoveOutcome, MoveVerdict
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.cohort import with_way_back

OUTCOME_TONES = {
    MoveOutcome.PENDING: "grey",
    MoveOutcome.WAITING: "blue",
    MoveOutcome.MOVED: "green",
    MoveOutcome.FAILED: "red",
    MoveOutcome.BLOCKED: "red",
    MoveOutcome.TAKEN_BACK: "amber",
    MoveOutcome.CANCELLED: "grey",
}
_TIMELINE = 20
# Their next invoice is no question of this move any more.
_OVER = (MoveOutcome.TAKEN_BACK, MoveOutcome.CANCELLED)


def dress(request: HttpRequest, row: Any, migration: ProfileMigration) -> None:
    """Give a row of the outcome grid, of `with_way_back`, its badges, its causes and its buttons. No query."""
    row.migration = migration
    row.outcome_badge = badge(row.get_outcome_display(), OUTCOME_TONES[MoveOutcome(row.outcome)])
    row.verdict_badge = badge(row.get_verdict_display(), VERDICT_TONES[MoveVerdict(row.verdict)])
    row.found = causes_shown(row.causes)
    row.kept_by = why_no_way_back(row) if row.outcome == MoveOutcome.MOVED else ""
    row.buttons = [button for button in buttons_of(request, row, ITEM_VERBS) if not button.why_not]


@page_of(MigrationItem)
class MigrationItemAdmin(ReadOnlyAdmin):
    """Reached from the migration's page: its list serves to try many again, or to take many back."""

    list_display = ("who", "verdict_state", "outcome_state", "of_migration", "when")
    list_filter = ("outcome", "verdict")
    list_display_links = ("who",)
    sortable_by = ()
    search_prefix = ("customer__name", "customer__key")
    page_template = "backoffice/migration_item.html"
    verbs = ITEM_VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[MigrationItem]:
        related = ("customer", "pinned_before", "migration__from_profile", "migration__to_profile")
        suppliers = ("migration__from_profile__supplier", "migration__to_profile__supplier")
        apps = ("migration__from_profile__app", "migration__to_profile__app")
        return with_way_back(super().get_queryset(request)).select_related(*related, *suppliers, *apps)

    @display(description="Customer")
    def who(self, item: MigrationItem) -> str:
        return item.customer.name

    @display(description="Check")
    def verdict_state(self, item: MigrationItem) -> SafeString:
        return badge(item.get_verdict_display(), VERDICT_TONES[MoveVerdict(item.verdict)])

    @display(description="Outcome")
    def outcome_state(self, item: MigrationItem) -> SafeString:
        return badge(item.get_outcome_display(), OUTCOME_TONES[MoveOutcome(item.outcome)])

    @display(description="Migration")
    def of_migration(self, item: MigrationItem) -> SafeString:
        return link(item.migration)

    @display(description="Moved")
    def when(self, item: MigrationItem) -> SafeString:
        return moment(item.moved_at)

    def page_context(self, request: HttpRequest, obj: MigrationItem) -> dict[str, Any]:
        dress(request, obj, obj.migration)
        return {
            "item": obj,
            "migration": obj.migration,
            "title": f"{obj.customer} in a profile migration",
            "impacts": shown_impact(obj) if obj.outcome not in _OVER else None,
            "timeline": list(AuditEntry.objects.filter(customer_id=obj.customer_id)[:_TIMELINE]),
        }
