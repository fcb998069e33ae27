"""The subscription's page with what only the floors above know: its changes, with their money."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from billing_site.backoffice.admin.next_billing import set_next_billing
from core import clock
from core.admin.display import badge
from core.admin.registry import page_of
from customers.effective_settings import terms_of_loaded
from customers.models import Customer
from invoicing.admin.subscription_changes.edit_verbs import EDIT_VERBS
from invoicing.admin.subscription_changes.start_verb import StartSubscription
from invoicing.admin.subscription_changes.subscription_verbs import (
    SUBSCRIPTION_VERBS,
    next_of,
    open_pause,
    successor_of,
)
from invoicing.models import BillingDue
from subscriptions.admin.lifecycle.subscription import ClosesWhen, SubscriptionAdmin
from subscriptions.models import Subscription, SubscriptionAddOn


class WhoseForm(forms.Form):
    """Which customer, found as staff type."""

    customer = forms.ModelChoiceField(
        queryset=Customer.objects.filter(deleted_at=None),
        widget=AutocompleteSelect(Subscription._meta.get_field("customer"), admin.site),
    )


class BilledWhen(ClosesWhen):
    """What has fallen due and only waits for its collection is not due now."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = super().queryset(request, queryset)
        if self.value() != "due":
            return found
        now = BillingDue.objects.filter(customer=OuterRef("customer"), currency=OuterRef("currency"))
        return found.filter(Exists(now.filter(due_at__lte=clock.now())))


@page_of(Subscription)
class SubscriptionPage(SubscriptionAdmin):
    list_filter = tuple(BilledWhen if each is ClosesWhen else each for each in SubscriptionAdmin.list_filter)
    verbs = (*SUBSCRIPTION_VERBS[:1], *EDIT_VERBS, *SUBSCRIPTION_VERBS[1:])

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return request.user.has_perm(StartSubscription.permission)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Whose subscription it is to be; the rest is asked on the page of the customer's verb."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = WhoseForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            customer = form.cleaned_data["customer"]
            return HttpResponseRedirect(
                reverse("admin:customers_customer_verb", args=[customer.pk, StartSubscription.slug])
            )
        context = {
            "title": StartSubscription.label,
            "verb": {"label": "Next"},
            "question": "Whose subscription is it to be?",
            "form": form,
            "back": reverse("admin:subscriptions_subscription_changelist"),
        }
        return self._page(request, "admin/confirm_verb.html", context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        pinned = "customer__billing_override__billing_profile"
        return super().get_queryset(request).select_related(f"{pinned}__supplier", f"{pinned}__app")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, each row with its next billing."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        set_next_billing(rows)
        changes.result_list = rows
        return changes

    @display(description="Next billing", ordering="next_billing_at")
    def next_billing(self, subscription: Any) -> SafeString:
        shown: SafeString = subscription.next_shown
        return shown

    def page_context(self, request: HttpRequest, obj: Subscription) -> dict[str, Any]:
        now = clock.now()
        set_next_billing([obj], {obj.customer_id: terms_of_loaded(obj.customer)})
        pause = open_pause(obj)
        bought: list[Any] = list(
            SubscriptionAddOn.objects.filter(subscription=obj).select_related("addon").prefetch_related("quantities")
        )
        for purchase in bought:
            purchase.quantity_now = purchase.quantity_at(now)
            purchase.planned = [change for change in purchase.quantities.all() if change.effective_at > now]
        context = super().page_context(request, obj)
        edit = EDIT_VERBS[0]
        may_edit = edit.allowed(request) and not edit.why_not(request, obj)
        for phase in context["phases"]:
            phase.is_over = phase.active_to is not None and phase.active_to <= now
            phase.is_to_come = phase.active_from > now
        planned = any(
            row.is_edited and row.active_from > now and row.active_from != row.active_to
            for item in context["items"]
            for row in item.rows
        )
        return context | {
            "may_edit": may_edit,
            "may_take_back": may_edit and planned,
            "pause": pause,
            "paused": badge("paused", "amber") if pause is not None and pause.start <= now else "",
            "successor": successor_of(obj),
            "followed_by": next_of(obj) if successor_of(obj) is None else None,
            "addons": bought,
        }
