"""The customer's page: everything about them that finance asks for, across apps."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display

from billing_site.backoffice.admin.customer_moves import MOVES, SETTINGS_VERBS
from billing_site.backoffice.admin.customer_settings import CustomerSettings
from billing_site.backoffice.admin.customer_standing import (
    Standing,
    next_invoice,
    standing_of,
    usage_lines,
    usage_so_far,
)
from billing_site.backoffice.admin.next_billing import set_next_billing
from core import clock
from core.admin.display import EMPTY, badge
from core.admin.registry import page_of
from core.admin.verbs import Answers, Button, Verb
from core.audit.models import AuditEntry
from core.countries_and_zones import country_names
from customers.choices import AppType
from customers.effective_settings import Terms, terms_of_loaded
from customers.models import BillingApp, Customer
from customers.services.customer_input import CustomerInput
from customers.settings_words import SETTING_LABELS, setting_words
from entitlements.admin.access.of_customer import entitlements_of
from invoicing.admin.drafts.charge_once import ChargeOnce
from invoicing.admin.drafts.invoice_now import InvoiceNow
from invoicing.admin.drafts.split_now import SplitNow
from invoicing.admin.lifecycle.invoice_states import state_badge
from invoicing.admin.subscription_changes.start_verb import StartSubscription
from invoicing.choices import NO_DOCUMENTS, OPEN_STATUSES, CustomerOutcome, InvoiceStatus
from invoicing.customer_guards.delete_customer import delete_customer
from invoicing.customer_guards.update_customer import update_customer
from invoicing.gathering.live_totals import show_live
from invoicing.models import ParkedCustomer, RunCustomer
from invoicing.runs.progress import OUTCOME_TONES
from subscriptions.admin.lifecycle.subscription import SUBSCRIPTION_TONES
from subscriptions.lifecycle.states import status_at

LATEST_INVOICES = 12
LATEST_OUTCOMES = 8
LATEST_SUBSCRIPTIONS = 20
TIMELINE_LENGTH = 30


class Delete(Verb[Customer]):
    slug = "delete"
    label = "Delete"
    permission = "customers.delete_customer"
    tone = "danger"

    def asks(self, customer: Customer) -> str:
        return f"Is {customer} to be deleted?"

    def consequences(self, customer: Customer) -> list[str]:
        return [
            "Their invoices, payments and history stay; their key and usage subjects become free for others.",
            "What they may use by an entitlement of their own ends now.",
            "While a subscription runs or an invoice is open, the deletion is refused.",
        ]

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return "The customer is deleted already." if customer.deleted_at else ""

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        delete_customer(customer=customer)
        return f"{customer} is deleted. Their invoices stay."


@page_of(Customer)
class CustomerPage(CustomerSettings):
    list_display = ("name", "standing", "reached_by", "billed_in", "billed_by", "since")
    page_template = "backoffice/customer.html"
    verbs = (*MOVES, StartSubscription(), ChargeOnce(), InvoiceNow(), SplitNow(), Delete(), *SETTINGS_VERBS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        pinned = "billing_override__billing_profile"
        return super().get_queryset(request).select_related(f"{pinned}__supplier", f"{pinned}__app")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        parked = ParkedCustomer.objects.still_parked().filter(customer__in=rows)
        causes = dict(parked.values_list("customer_id", "cause"))
        for customer in rows:
            customer.parked_cause = causes.get(customer.pk)
        changes.result_list = rows
        return changes

    def replace(self, customer: Customer, replacement: CustomerInput) -> None:
        update_customer(customer=customer, replacement=replacement)

    @display(description="Status")
    def standing(self, customer: Any) -> SafeString:
        if customer.deleted_at:
            return badge("Deleted")
        return badge("Parked", "red", title=customer.parked_cause) if customer.parked_cause else EMPTY

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/gathering/", wrap(self.gathering_view), name="customers_customer_gathering"),
            path("<path:object_id>/entitled/", wrap(self.entitled_view), name="customers_customer_entitled"),
            path("<path:object_id>/next/", wrap(self.next_view), name="customers_customer_next"),
            *super().get_urls(),
        ]

    def gathering_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the customer owes so far and has used, worked out after the page is there: as much work as a close."""
        customer = self.readable(request, object_id)
        gathering: list[Any] = list(customer.invoices.filter(status=InvoiceStatus.GATHERING).order_by("currency"))
        lines = usage_so_far(gathering, clock.now())
        show_live(gathering)
        for invoice in gathering:
            invoice.so_far = invoice.total
        context = {"gathering": gathering, "loaded": True, "usage": usage_lines(lines)}
        return TemplateResponse(request, "backoffice/gathering_tiles.html", context)

    def entitled_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the customer may use now and what is left of it, worked out after the page is there."""
        customer = self.readable(request, object_id)
        if not request.user.has_perm("entitlements.view_entitlement"):
            raise PermissionDenied
        return TemplateResponse(request, "backoffice/customer_entitlements.html", entitlements_of(request, customer))

    def next_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The next invoice as it would be by what is known now, worked out after the page is there."""
        customer = self.readable(request, object_id)
        context = {"customer": customer, "next": next_invoice(customer), "runs": _latest_runs(customer)}
        return TemplateResponse(request, "backoffice/customer_next.html", context)

    def trail_of(self, obj: Any) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.filter(customer_id=obj.pk)

    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        # What the page shows says of some buttons why they can't be used: read once, for both.
        obj.shown_standing, obj.shown_terms = standing_of(obj, clock.now()), terms_of_loaded(obj)
        parked = obj.shown_standing.parked
        obj.parked_cause = parked.cause if parked else None
        return super().buttons(request, obj)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        now = clock.now()
        standing: Standing = obj.shown_standing
        latest = obj.subscriptions.select_related("plan", "customer").order_by("-active_from")
        subscriptions: list[Any] = list(latest[:LATEST_SUBSCRIPTIONS])
        for subscription in subscriptions:
            status = status_at(subscription, now)
            subscription.badge = badge(status.label, SUBSCRIPTION_TONES[status])
        listed = obj.invoices.exclude(status__in=NO_DOCUMENTS)
        invoices: list[Any] = list(
            listed.select_related("customer")
            .annotate(is_open=Q(due__gt=0, issued_at__isnull=False, status__in=OPEN_STATUSES))
            .order_by("-is_open", "-created_at", "-id")[:LATEST_INVOICES]
        )
        for invoice in invoices:
            invoice.badge = state_badge(invoice)
        terms: Terms = obj.shown_terms
        set_next_billing(subscriptions, {obj.pk: terms})
        settings = [
            (label, setting_words(field, terms.settings.values[field]), terms.settings.origins[field])
            for field, label in SETTING_LABELS.items()
            if field in terms.settings.values
        ]
        return {
            "customer": obj,
            "standing": standing,
            "parked": standing.parked,
            "subjects": standing.subjects,
            "address": [part for part in _address_lines(obj) if part],
            "subscriptions": subscriptions,
            "invoices": invoices,
            "terms": terms,
            "lacks_id_at": _lacks_id_at(terms.profile.app, standing),
            "settings": [row for row in settings if row[2]],
            "unset": [label for label, _, origin in settings if not origin],
            "timeline": self.timeline(obj)[:TIMELINE_LENGTH],
        }


def _lacks_id_at(app: BillingApp, standing: Standing) -> BillingApp | None:
    """The app that bills the customer, where it can't charge them for want of an id."""
    known_at = {app_id for app_id, _, _ in standing.known_as}
    return app if app.type == AppType.STRIPE and app.pk not in known_at else None


def _address_lines(customer: Customer) -> list[str]:
    town = " ".join(part for part in (customer.postal_code, customer.city) if part)
    country = country_names().get(customer.country, customer.country)
    region = ", ".join(part for part in (customer.state, country) if part)
    return [customer.line1, customer.line2, town, region, customer.phone_number]


def _latest_runs(customer: Customer) -> list[Any]:
    """How the latest runs ended for the customer. One query."""
    rows: list[Any] = list(
        RunCustomer.objects.filter(customer=customer).select_related("run").order_by("-id")[:LATEST_OUTCOMES]
    )
    for row in rows:
        row.tone = OUTCOME_TONES[CustomerOutcome(row.outcome)]
    return rows
