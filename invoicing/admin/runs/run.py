"""Billing runs in the admin: live progress and outcomes by customer."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment, number
from core.admin.filters import ChoiceFilter
from core.admin.paginator import CappedPaginator
from core.admin.progress import progress_bar
from core.admin.registry import page_of
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.models import BillingRun, Invoice, ParkedCustomer
from invoicing.models.run import NOT_ROUTINE
from invoicing.runs.progress import OUTCOME_TONES, RunProgress, progress_of

RUN_TONES = {RunStatus.PENDING: "grey", RunStatus.RUNNING: "blue", RunStatus.DONE: "green"}
CUSTOMERS_PER_PAGE = 50


def run_badge(run: BillingRun, progress: RunProgress) -> SafeString:
    """The status as a pill: a run that is over, and left customers parked, is not simply done."""
    status = RunStatus(run.status)
    if status == RunStatus.DONE and progress.parked:
        return badge(f"{status.label}, {progress.parked:,} parked", "amber")
    return badge(str(status.label), RUN_TONES[status])


class RunsShown(ChoiceFilter):
    """Without a choice, no run that closed one customer's period by itself: each subscription makes one a period."""

    title = "Which"
    parameter_name = "which"
    choices_of = (("parked", "Parked somebody"), ("all", "All"))
    default_label = "Larger, by hand or under way"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        if self.value() == "parked":
            return queryset.filter(pk__in=ParkedCustomer.objects.filter(run__isnull=False).values("run"))
        return queryset.filter(NOT_ROUTINE)


@page_of(BillingRun)
class BillingRunAdmin(ReadOnlyAdmin):
    list_display = ("up_to", "state", "progress", "customers", "parked", "trigger", "by", "started")
    list_filter = (RunsShown, "status", "trigger")
    date_hierarchy = None
    page_template = "backoffice/run.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress_view)
        return [path("<path:object_id>/progress/", view, name="invoicing_billingrun_progress"), *super().get_urls()]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        progress = progress_of(list(changes.result_list))
        for run in changes.result_list:
            run.progress = progress[run.pk]
        return changes

    @display(description="Everything due up to", ordering="as_of")
    def up_to(self, run: BillingRun) -> SafeString:
        return moment(run.as_of)

    @display(description="Status")
    def state(self, run: Any) -> SafeString:
        return run_badge(run, run.progress)

    @display(description="Progress")
    def progress(self, run: Any) -> SafeString:
        return progress_bar(run.progress.percent, run.progress.tone)

    @display(description="Customers")
    def customers(self, run: BillingRun) -> SafeString:
        return number(run.customer_count)

    @display(description="Parked")
    def parked(self, run: Any) -> SafeString:
        return badge(str(run.progress.parked), "red") if run.progress.parked else number(0)

    @display(description="Started by")
    def by(self, run: BillingRun) -> str:
        return run.started_by or "Countinghouse"

    @display(description="Started", ordering="created_at")
    def started(self, run: BillingRun) -> SafeString:
        return moment(run.created_at)

    def page_context(self, request: HttpRequest, obj: BillingRun) -> dict[str, Any]:
        outcome, progress = request.GET.get("outcome", ""), progress_of([obj])[obj.pk]
        rows = obj.customers.select_related("customer").order_by("id")
        if outcome in CustomerOutcome.values:
            rows = rows.filter(outcome=outcome)
        page = CappedPaginator(rows, CUSTOMERS_PER_PAGE).get_page(request.GET.get("p"))
        made = invoices_of([row.customer_id for row in page.object_list], obj)
        for row in page.object_list:
            row.tone = OUTCOME_TONES[CustomerOutcome(row.outcome)]
            row.invoices = made.get(row.customer_id, [])
        return {
            "run": obj,
            "progress": progress,
            "state": run_badge(obj, progress),
            "outcome": outcome,
            "page": page,
            "timeline": self.timeline(obj),
        }

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The part of the run page that refreshes itself until the run is done."""
        run: BillingRun = self.readable(request, object_id)
        context = {"run": run, "progress": progress_of([run])[run.pk]}
        return TemplateResponse(request, "backoffice/run_progress.html", context)


def invoices_of(customer_ids: list[uuid.UUID], run: BillingRun) -> dict[uuid.UUID, list[Invoice]]:
    """The invoices that the run made for these customers. One query."""
    found: dict[uuid.UUID, list[Invoice]] = {}
    for invoice in Invoice.objects.filter(run=run, customer__in=customer_ids).select_related("customer"):
        found.setdefault(invoice.customer_id, []).append(invoice)
    return found
