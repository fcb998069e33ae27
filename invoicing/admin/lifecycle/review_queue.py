"""The queue of drafts that wait for approval (back-office page 9): what is unusual first, to be approved in bulk."""

from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment, money
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from invoicing.admin.drafts.anomaly_words import anomaly_badges
from invoicing.admin.drafts.invoice_verbs import Approve
from invoicing.admin.lifecycle.invoice_states import InvoiceCurrency
from invoicing.choices import InvoiceStatus
from invoicing.drafts.anomalies import LABELS, Kind
from invoicing.lifecycle.draft_steps import TO_APPROVE
from invoicing.models import DraftInReview


class AnomalyFilter(ChoiceFilter):
    title = "Unusual"
    parameter_name = "unusual"
    choices_of = (
        ("any", "Anything unusual"),
        ("none", "Nothing unusual"),
        *((kind.value, LABELS[kind]) for kind in Kind),
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen is None:
            return queryset
        if chosen == "any":
            return queryset.filter(anomaly_rank__gt=0)
        return queryset.filter(
            Q(anomaly_rank=0) if chosen == "none" else Q(anomaly_rank__gt=0, anomalies__contains=[{"kind": chosen}])
        )


class WaitsFor(ChoiceFilter):
    title = "Waits for"
    parameter_name = "waits"
    default_label = "Either"
    choices_of = (("approver", "An approver"), ("time", "Its time"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        states = {
            "approver": InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED,
            "time": InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL,
        }
        chosen = states.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(status=chosen)


@page_of(DraftInReview)
class ReviewQueue(ReadOnlyAdmin):
    list_display = ("draft", "unusual", "period", "net_amount", "total_amount", "waits_for")
    list_display_links = None
    list_filter = (AnomalyFilter, WaitsFor, InvoiceCurrency)
    list_select_related = ("customer", "run")
    # Those at which nobody has looked yet come before all others: they are null.
    ordering = ("-anomaly_rank", "id")
    sortable_by = ()
    search_prefix = ("customer__name", "customer__key")
    search_help_text = "The start of a customer's name or key."
    verbs = (Approve(),)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("invoicing.view_invoice")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DraftInReview]:
        return super().get_queryset(request).filter(status__in=TO_APPROVE).annotate(net=F("total") - F("taxes_total"))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A draft has one page: that of the invoice which it becomes."""
        return HttpResponseRedirect(reverse("admin:invoicing_invoice_change", args=[object_id]))

    @display(description="Draft")
    def draft(self, draft: DraftInReview) -> SafeString:
        address = reverse("admin:invoicing_invoice_change", args=[draft.pk])
        return format_html('<a class="ch-link" href="{}">Draft of {}</a>', address, draft.customer.name)

    @display(description="Unusual")
    def unusual(self, draft: DraftInReview) -> SafeString:
        if draft.anomalies is None:
            return badge("Not looked at yet", title="The schedule looks at it within seconds.")
        rows = format_html_join("", '<li>{} <span class="ch-small">{}</span></li>', anomaly_badges(draft))
        return format_html('<ul class="ch-unusual">{}</ul>', rows) if rows else SafeString("–")

    @display(description="Period (UTC)")
    def period(self, draft: DraftInReview) -> SafeString | str:
        if draft.period_start is None or draft.period_end is None:
            return "–"
        return f"{draft.period_start:%-d %b %Y} to {draft.period_end:%-d %b %Y}"

    @display(description="Net")
    def net_amount(self, draft: Any) -> SafeString:
        return money(draft.net, draft.currency)

    @display(description="Total")
    def total_amount(self, draft: DraftInReview) -> SafeString:
        return money(draft.total, draft.currency)

    @display(description="Waits for")
    def waits_for(self, draft: DraftInReview) -> SafeString:
        if draft.status == InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED:
            return badge("An approver", "amber")
        return format_html(
            '{}<br><span class="ch-small ch-nowrap">issued {}</span>',
            badge("Its time", "blue"),
            moment(draft.draft_until),
        )
