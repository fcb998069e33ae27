"""The customer's page: everything about them that finance asks for, across apps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display

from billing_site.backoffice.admin.customer_moves import MOVES, SETTINGS_VERBS
from billing_site.backoffice.admin.customer_settings import CustomerSettings
from core import clock
from core.admin.display import EMPTY, badge
from core.admin.verbs import Verb, buttons_of
from core.audit.models import AuditEntry
from customers.effective import terms_of
from customers.models import Customer
from customers.settings_words import SETTING_LABELS, setting_words
from invoicing.admin.invoice_states import state_badge
from invoicing.choices import OPEN_STATUSES, CustomerOutcome, InvoiceStatus
from invoicing.live import show_live
from invoicing.models import Invoice, ParkedCustomer, RunCustomer
from invoicing.run_progress import OUTCOME_TONES
from invoicing.services.delete_billed_customer import delete_billed_customer
from invoicing.services.update_billed_customer import update_billed_customer
from subscriptions.admin.subscription import SUBSCRIPTION_TONES

LATEST_INVOICES = 12
LATEST_OUTCOMES = 8
LATEST_SUBSCRIPTIONS = 20
TIMELINE_LENGTH = 30


def _delete(request: HttpRequest, customer: Customer, answers: Mapping[str, Any]) -> str:
    delete_billed_customer(customer=customer)
    return f"{customer} is deleted. Their invoices stay."


DELETE = Verb(
    slug="delete",
    label="Delete",
    permission="customers.delete_customer",
    asks=lambda customer: f"Is {customer} to be deleted?",
    consequences=lambda customer: [
        "Their invoices, payments and history stay; their key and usage subjects become free for others.",
        "While a subscription runs or an invoice is open, the deletion is refused.",
    ],
    why_not=lambda request, customer: "The customer is deleted already." if customer.deleted_at else "",
    perform=_delete,
    tone="danger",
)

admin.site.unregister(Customer)


@admin.register(Customer)
class CustomerPage(CustomerSettings):
    list_display = ("name", "standing", "key", "email", "currency", "billed_by", "time_zone", "since")
    page_template = "backoffice/customer.html"
    verbs = (*MOVES, DELETE, *SETTINGS_VERBS)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        parked = ParkedCustomer.objects.filter(customer__in=rows, released_at__isnull=True)
        causes = dict(parked.values_list("customer_id", "cause"))
        for customer in rows:
            customer.parked_cause = causes.get(customer.pk)
        changes.result_list = rows
        return changes

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            update_billed_customer(customer=obj, replacement=form.as_input())
        else:
            super().save_recorded(request, obj, form, change)

    @display(description="")
    def standing(self, customer: Any) -> SafeString:
        if customer.deleted_at:
            return badge("Deleted")
        return badge("Parked", "red", title=customer.parked_cause) if customer.parked_cause else EMPTY

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.gathering_view)
        return [path("<path:object_id>/gathering/", view, name="customers_customer_gathering"), *super().get_urls()]

    def gathering_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the customer owes so far, worked out after the page is there: it takes as much as a close."""
        customer = self.get_object(request, unquote(object_id))
        if customer is None:
            raise Http404
        if not self.has_view_permission(request, customer):
            raise PermissionDenied
        gathering = list(customer.invoices.filter(status=InvoiceStatus.GATHERING).order_by("currency"))
        show_live(gathering)
        return TemplateResponse(request, "backoffice/gathering_tiles.html", {"gathering": gathering, "loaded": True})

    def page_context(self, request: HttpRequest, obj: Customer) -> dict[str, Any]:
        now = clock.now()
        latest = obj.subscriptions.select_related("plan").order_by("-active_from")
        subscriptions: list[Any] = list(latest[:LATEST_SUBSCRIPTIONS])
        for subscription in subscriptions:
            status = subscription.status_at(now)
            subscription.badge = badge(status.label, SUBSCRIPTION_TONES[status])
        invoices: list[Any] = list(
            obj.invoices.exclude(status__in=[InvoiceStatus.GATHERING, InvoiceStatus.DELETED])
            .select_related("customer")
            .order_by("-created_at")[:LATEST_INVOICES]
        )
        for invoice in invoices:
            invoice.badge = state_badge(invoice)
        outcomes: list[Any] = list(
            RunCustomer.objects.filter(customer=obj).select_related("run").order_by("-id")[:LATEST_OUTCOMES]
        )
        for row in outcomes:
            row.tone = OUTCOME_TONES[CustomerOutcome(row.outcome)]
        terms = terms_of([obj.pk])[obj.pk]
        gathering = list(obj.invoices.filter(status=InvoiceStatus.GATHERING).order_by("currency"))
        return {
            "customer": obj,
            "buttons": buttons_of(request, obj, (*MOVES, DELETE)),
            "parked": ParkedCustomer.objects.filter(customer=obj, released_at__isnull=True).first(),
            "subjects": list(obj.usage_subjects.filter(deleted_at__isnull=True)),
            "address": [part for part in _address_lines(obj) if part],
            "subscriptions": subscriptions,
            "invoices": invoices,
            "balances": _balances(obj, now),
            "gathering": gathering,
            "outcomes": outcomes,
            "credit": list(obj.balance_entries.order_by("currency").values("currency").annotate(total=Sum("amount"))),
            "terms": terms,
            "settings": [
                (label, setting_words(field, terms.settings.values[field]), terms.settings.origins[field])
                for field, label in SETTING_LABELS.items()
                if field in terms.settings.values
            ],
            "timeline": list(AuditEntry.objects.filter(customer_id=obj.pk)[:TIMELINE_LENGTH]),
        }


def _address_lines(customer: Customer) -> list[str]:
    town = " ".join(part for part in (customer.postal_code, customer.city) if part)
    region = ", ".join(part for part in (customer.state, customer.country) if part)
    return [customer.line1, customer.line2, town, region, customer.phone_number]


def _balances(customer: Customer, now: datetime) -> list[Any]:
    """What is open, per currency: how many invoices, how much, and how much of it is overdue. One query."""
    unpaid = Invoice.objects.filter(customer=customer, due__gt=0, issued_at__isnull=False, status__in=OPEN_STATUSES)
    return list(
        unpaid.order_by("currency")
        .values("currency")
        .annotate(count=Count("pk"), open=Sum("due"), overdue=Sum("due", filter=Q(due_at__lt=now)))
    )
