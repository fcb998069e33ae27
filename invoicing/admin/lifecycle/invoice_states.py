"""How invoices look by state, and the states that lists are filtered by."""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from core import clock
from core.admin.display import badge
from core.admin.filters import ChoiceFilter
from invoicing.choices import FAILED_STATUSES, NO_DOCUMENTS, OPEN_STATUSES, STOPPED_STATUSES, InvoiceStatus
from invoicing.lifecycle.selectors import DUE_SOON
from invoicing.models import Invoice
from subscriptions.models import Plan

_RED = {*FAILED_STATUSES, InvoiceStatus.OVERDUE}
_AMBER = {InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED, InvoiceStatus.PAYMENT_ACTION_REQUIRED}
_GREY = {InvoiceStatus.GATHERING, InvoiceStatus.VOIDED, InvoiceStatus.DELETED, InvoiceStatus.UNCOLLECTIBLE}


def tone_of(status: InvoiceStatus) -> str:
    if status in _RED:
        return "red"
    if status in _AMBER:
        return "amber"
    if status in _GREY:
        return "grey"
    return "green" if status is InvoiceStatus.PAID else "blue"


def state_badge(invoice: Invoice) -> SafeString:
    """The status as a pill; hovering says why a step failed."""
    status = InvoiceStatus(invoice.status)
    return badge(status.label, tone_of(status), title=invoice.status_note)


class InvoiceState(ChoiceFilter):
    """The states that staff think in. Gathering invoices are shown only when asked for: they owe nothing yet."""

    title = "State"
    parameter_name = "state"
    default_label = "All"
    choices_of = (
        ("gathering", "Gathering"),
        ("draft", "Drafts"),
        ("approve", "To approve"),
        ("stopped", "Stopped"),
        ("open", "Open"),
        ("due_soon", "Due in 7 days"),
        ("overdue", "Overdue"),
        ("failed", "Payment failed"),
        ("given_back", "Given back"),
        ("paid", "Paid"),
        ("closed", "Closed"),
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = clock.now()
        unpaid = Q(due__gt=0, issued_at__isnull=False, status__in=OPEN_STATUSES)
        drafts = Q(status__startswith="draft.")  # as in the index of drafts, or it is not used
        states = {
            None: ~Q(status__in=NO_DOCUMENTS),
            "gathering": Q(status=InvoiceStatus.GATHERING),
            "draft": drafts,
            "approve": drafts & Q(status=InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED),
            "stopped": Q(status__in=STOPPED_STATUSES),
            "open": unpaid,
            "due_soon": unpaid & Q(due_at__gte=now, due_at__lt=now + DUE_SOON),
            "overdue": unpaid & Q(due_at__lt=now),
            "failed": unpaid & Q(status__in=[InvoiceStatus.PAYMENT_FAILED, InvoiceStatus.PAYMENT_ACTION_REQUIRED]),
            "given_back": unpaid & Q(refunded__gt=0),
            "paid": Q(status=InvoiceStatus.PAID),
            "closed": Q(status__in=[InvoiceStatus.VOIDED, InvoiceStatus.DELETED, InvoiceStatus.UNCOLLECTIBLE]),
        }
        condition = states.get(self.value())
        return queryset if condition is None else queryset.filter(condition)


class InvoiceCurrency(ChoiceFilter):
    """The currencies of the plans: looking through all invoices for theirs would take seconds."""

    title = "Currency"
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        codes = Plan.objects.order_by("currency").values_list("currency", flat=True).distinct()
        return tuple((code, code) for code in codes)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(currency=self.value()) if self.value() else queryset


class IssuedIn(ChoiceFilter):
    title = "Issued"
    parameter_name = "issued"
    choices_of = (("this_month", "This month"), ("last_month", "Last month"), ("this_year", "This year"))
    default_label = "Any time"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        month = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if self.value() == "this_month":
            return queryset.filter(issued_at__gte=month)
        if self.value() == "last_month":
            before = (month - timedelta(days=1)).replace(day=1)
            return queryset.filter(issued_at__gte=before, issued_at__lt=month)
        if self.value() == "this_year":
            return queryset.filter(issued_at__gte=month.replace(month=1))
        return queryset
