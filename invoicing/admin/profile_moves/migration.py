"""Profile migrations in the admin: the list, the guided page with its live progress, the outcome of every customer."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.display import admin_url, badge, moment, number
from core.admin.export import csv_response
from core.admin.filters import ChoiceFilter
from core.admin.paginator import CappedPaginator
from core.admin.progress import progress_bar
from core.admin.registry import page_of
from core.ids import to_text
from invoicing.admin.profile_moves.causes import VERDICT_TONES
from invoicing.admin.profile_moves.migration_draft import DraftsMigrations
from invoicing.admin.profile_moves.migration_guide import criteria_words, guide, is_live
from invoicing.admin.profile_moves.migration_impact import shown_impacts
from invoicing.admin.profile_moves.migration_item import OUTCOME_TONES, dress
from invoicing.admin.profile_moves.migration_verbs import MIGRATION_VERBS, progress, steps
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.causes import CauseCode
from invoicing.profile_moves.cohort import unpinned_customers, with_way_back
from invoicing.profile_moves.progress import causes_in, progress_of
from invoicing.profile_moves.tasks import work_out_impact
from invoicing.profile_moves.totals import announce_totals, totals_of

STATUS_TONES = {
    MigrationStatus.DRAFT: "grey",
    MigrationStatus.CHECKED: "blue",
    MigrationStatus.APPROVED: "blue",
    MigrationStatus.RUNNING: "blue",
    MigrationStatus.PAUSED: "amber",
    MigrationStatus.DONE: "green",
    MigrationStatus.CANCELLED: "grey",
}
_CAUSES = {code.value: str(code.label) for code in CauseCode}
PER_PAGE, COUNTED_SECONDS = 50, 60
_MAY_ADD_UP = "invoicing.check_profilemigration"
_COLUMNS = ("Customer", "Key", "E-mail", "Check", "Outcome", "Causes", "Messages", "Before", "Tries", "Moved at")
_OPEN = ("draft", "checked", "approved", "running", "paused")


class UnfinishedMigrations(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    choices_of = (("open", "Under way"), ("done", "Done"), ("cancelled", "Cancelled"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(status__in=_OPEN if self.value() == "open" else [self.value()])


@page_of(ProfileMigration)
class ProfileMigrationAdmin(DraftsMigrations):
    list_display = ("what", "state", "whom", "customers", "how_far", "failed_moves", "by", "drafted")
    list_filter = (UnfinishedMigrations,)
    list_display_links = ("what",)
    search_prefix = ("from_profile__name", "to_profile__name")
    sortable_by = ("drafted",)
    page_template = "backoffice/migration.html"
    verbs = MIGRATION_VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProfileMigration]:
        profiles = ("from_profile__supplier", "from_profile__app", "to_profile__supplier", "to_profile__app")
        return super().get_queryset(request).select_related(*profiles)

    def get_urls(self) -> list[URLPattern]:
        views = {
            "live": self.live_view,
            "impact": self.impact_view,
            "add-up": self.add_up_view,
            "customers": self.customers_view,
        }
        wrap, prefix = self.admin_site.admin_view, "invoicing_profilemigration"
        own = [path(f"<path:object_id>/{name}/", wrap(view), name=f"{prefix}_{name}") for name, view in views.items()]
        return [*own, *super().get_urls()]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        known = progress_of(list(changes.result_list))
        for migration in changes.result_list:
            migration.__dict__["_progress"] = known[migration.pk]
        return changes

    @display(description="Move")
    def what(self, migration: ProfileMigration) -> str:
        return f"{migration.from_profile} → {migration.to_profile}"

    @display(description="Status")
    def state(self, migration: ProfileMigration) -> SafeString:
        if progress(migration).is_checking:
            return badge("Being checked", "blue")
        status, failed = MigrationStatus(migration.status), progress(migration).failed
        if status == MigrationStatus.DONE and failed:
            return badge(f"{status.label}, {failed:,} failed", "red")
        return badge(str(status.label), STATUS_TONES[status])

    @display(description="Whom")
    def whom(self, migration: ProfileMigration) -> str:
        return criteria_words(migration)

    @display(description="Customers")
    def customers(self, migration: ProfileMigration) -> SafeString:
        return number(migration.customer_count)

    @display(description="Progress")
    def how_far(self, migration: ProfileMigration) -> SafeString:
        found = progress(migration)
        return progress_bar(found.percent, "red" if found.failed else "")

    @display(description="Failed")
    def failed_moves(self, migration: ProfileMigration) -> SafeString:
        failed = progress(migration).failed
        return badge(str(failed), "red") if failed else number(0)

    @display(description="Drafted by")
    def by(self, migration: ProfileMigration) -> str:
        return migration.author_name

    @display(description="Drafted", ordering="created_at")
    def drafted(self, migration: ProfileMigration) -> SafeString:
        return moment(migration.created_at)

    def page_context(self, request: HttpRequest, obj: ProfileMigration) -> dict[str, Any]:
        page = CappedPaginator(
            with_way_back(self.filtered(request, obj)).select_related("customer", "pinned_before"), PER_PAGE
        )
        rows = page.get_page(request.GET.get("p"))
        for row in rows.object_list:
            dress(request, row, obj)
        return {
            **self.live_context(request, obj),
            "whom": criteria_words(obj),
            "causes": causes_in(obj),
            "page": rows,
            "asked": self.asked(request),
            "filters": urlencode(self.asked(request)),
            "cause_label": _CAUSES.get(request.GET.get("cause", ""), request.GET.get("cause", "")),
            "timeline": self.timeline(obj),
        }

    def live_context(self, request: HttpRequest, migration: ProfileMigration) -> dict[str, Any]:
        """What the part of the page that follows the workers shows."""
        found = progress(migration)
        outcomes = [(choice.value, choice.label, found.outcomes.get(choice, 0)) for choice in MoveOutcome]
        verdicts = [(choice.value, choice.label, found.verdicts.get(choice, 0)) for choice in MoveVerdict]
        checked = found.total - found.verdicts.get(MoveVerdict.UNCHECKED, 0)
        return {
            "migration": migration,
            "state": self.state(migration),
            "progress": found,
            "is_live": is_live(migration),
            "steps": guide(request, migration),
            "outcomes": [(*row, OUTCOME_TONES[MoveOutcome(row[0])]) for row in outcomes if row[2]],
            "verdicts": [(*row, VERDICT_TONES[MoveVerdict(row[0])]) for row in verdicts if row[2]],
            "checked": checked,
            "checked_percent": checked * 100 // found.total if found.total else 0,
        }

    def asked(self, request: HttpRequest) -> dict[str, str]:
        """The filters of the outcome grid that the address asks for."""
        allowed = {"outcome": MoveOutcome.values, "verdict": MoveVerdict.values}
        given = {name: value for name in ("outcome", "verdict", "cause", "q") if (value := request.GET.get(name, ""))}
        return {name: value for name, value in given.items() if value in allowed.get(name, (value,))}

    def filtered(self, request: HttpRequest, migration: ProfileMigration) -> QuerySet[MigrationItem]:
        """The customers of the migration that the filters of the address keep, in the order in which they move."""
        asked, rows = self.asked(request), migration.items.order_by("id")
        if "outcome" in asked:
            rows = rows.filter(outcome=asked["outcome"])
        if "verdict" in asked:
            rows = rows.filter(verdict=asked["verdict"])
        if "cause" in asked:
            rows = rows.filter(causes__contains=[{"code": asked["cause"]}])
        if "q" in asked:
            rows = rows.filter(customer__name__icontains=asked["q"].strip())
        return rows

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The part of the page that refreshes itself while workers are at it; at the end the whole page is new."""
        migration = self.readable(request, object_id)
        if not is_live(migration):
            return HttpResponse(headers={"HX-Refresh": "true"})
        steps(migration, unpinned=_unpinned_lately(migration))
        return TemplateResponse(request, "backoffice/migration_live.html", self.live_context(request, migration))

    def impact_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The next invoices, old and new: worked out after the page is there, since it takes as much as a close.

        Asked for with `totals`, only the part that the migration's page shows.
        """
        migration = self.readable(request, object_id)
        context = {
            "migration": migration,
            "totals": totals_of(migration),
            "may_add_up": request.user.has_perm(_MAY_ADD_UP),
        }
        if "totals" in request.GET:
            return TemplateResponse(request, "backoffice/migration_impact_totals.html", context)
        page = CappedPaginator(migration.items.select_related("customer").order_by("id"), PER_PAGE)
        rows = page.get_page(request.GET.get("p"))
        context |= {"title": f"Money impact: {migration}", "page": rows, "impacts": shown_impacts(migration, rows)}
        return self._page(request, "backoffice/migration_impact.html", context)

    def add_up_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have a worker add up the next invoices of everybody who can move. It writes nothing but its progress."""
        migration = self.readable(request, object_id)
        if not request.user.has_perm(_MAY_ADD_UP):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if announce_totals(migration):
            transaction.on_commit(partial(work_out_impact.delay, to_text(migration.pk)), robust=True)
        return HttpResponseRedirect(f"{admin_url(migration)}#money")

    def customers_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The outcome grid as CSV, with the filters of the address."""
        migration = self.readable(request, object_id)
        filename = f"migration-{migration.created_at:%Y-%m-%d}.csv"
        return csv_response(filename, _COLUMNS, self._cells(request, migration))

    def _cells(self, request: HttpRequest, migration: ProfileMigration) -> Iterator[tuple[Any, ...]]:
        rows = self.filtered(request, migration).select_related("customer", "pinned_before")
        for row in rows.iterator(chunk_size=1000):
            yield (
                row.customer.name,
                row.customer.key or "",
                row.customer.primary_email or "",
                row.get_verdict_display(),
                row.get_outcome_display(),
                ", ".join(_CAUSES.get(cause["code"], cause["code"]) for cause in row.causes),
                " ".join(cause["message"] for cause in row.causes),
                f"pinned to {row.pinned_before}" if row.pinned_before else "",
                row.tries,
                row.moved_at.isoformat() if row.moved_at else "",
            )


def _unpinned_lately(migration: ProfileMigration) -> int | None:
    """How many follow the default, counted at most every `COUNTED_SECONDS` for all who watch: it reads every customer.
    None where it is not asked or the workers know."""
    if not migration.from_profile.is_default or progress(migration).pinning is not None:
        return None
    key = f"migration-unpinned:{migration.pk}"
    return cache.get_or_set(key, unpinned_customers().count, COUNTED_SECONDS)
