"""Subscriptions in the admin: what each has, by item. The verbs that change them come from the floors above."""

from collections import defaultdict
from typing import Any

from django.db.models import Exists, F, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, badge, link, moment
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from core.admin.words import rhythm_words
from subscriptions.catalog.price_words import discount_words, price_words, tier_words
from subscriptions.choices import SubscriptionStatus
from subscriptions.lifecycle.states import status_at, with_status
from subscriptions.models import (
    CouponRedemption,
    ItemRevision,
    PlanAddOn,
    QuantityChange,
    QuantityReport,
    Subscription,
    SubscriptionAddOn,
    SubscriptionItem,
)

SUBSCRIPTION_TONES = {
    SubscriptionStatus.SCHEDULED: "blue",
    SubscriptionStatus.ACTIVE: "green",
    SubscriptionStatus.CANCELED: "amber",
    SubscriptionStatus.INACTIVE: "grey",
}
LATEST_QUANTITIES = 6


class SubscriptionState(ChoiceFilter):
    title = "Status"
    parameter_name = "status"
    choices_of = tuple(SubscriptionStatus.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in SubscriptionStatus.values:
            return queryset
        return with_status(queryset, [str(self.value())], clock.now())


class ClosesWhen(ChoiceFilter):
    """The page of the floor above knows what only waits for its collection."""

    title = "Next billing"
    parameter_name = "closes"
    choices_of = (("due", "Due now"), ("never", "Never again"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "due":
            return queryset.filter(next_billing_at__lte=clock.now())
        return queryset.filter(next_billing_at__isnull=True) if self.value() == "never" else queryset


@page_of(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("name", "customer_link", "plan_link", "state", "rhythm", "start", "end", "next_billing")
    list_filter: tuple[Any, ...] = (SubscriptionState, ClosesWhen, "currency")
    list_select_related = ("customer", "plan")
    ordering = ("-id",)
    sortable_by = ()
    search_prefix = ("customer__name", "customer__key")
    search_help_text = "The start of a customer's name or key."
    page_template = "backoffice/subscription.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        offered = PlanAddOn.objects.filter(plan=OuterRef("plan"), addon__deleted_at=None)
        bought = SubscriptionAddOn.objects.filter(subscription=OuterRef("pk"))
        found = super().get_queryset(request).select_related("customer", "plan", "previous")
        return found.annotate(has_addons=Exists(offered) | Exists(bought))

    @display(description="Customer", ordering="customer__name")
    def customer_link(self, subscription: Subscription) -> SafeString:
        return link(subscription.customer)

    @display(description="Plan", ordering="plan__key")
    def plan_link(self, subscription: Subscription) -> SafeString:
        return link(subscription.plan) if subscription.plan else badge("custom terms")

    @display(description="Status")
    def state(self, subscription: Subscription) -> SafeString:
        status = status_at(subscription, clock.now())
        return badge(status.label, SUBSCRIPTION_TONES[status])

    @display(description="Billed")
    def rhythm(self, subscription: Subscription) -> str:
        return f"{rhythm_words(subscription.billing_cadence)}, in {subscription.currency}"

    @display(description="Started", ordering="active_from")
    def start(self, subscription: Subscription) -> SafeString:
        return moment(subscription.active_from, subscription.time_zone)

    @display(description="Ends", ordering="active_to")
    def end(self, subscription: Subscription) -> SafeString:
        return moment(subscription.active_to, subscription.time_zone)

    @display(description="Next billing", ordering="next_billing_at")
    def next_billing(self, subscription: Subscription) -> SafeString:
        due = subscription.next_billing_at
        if due is None:
            return EMPTY
        shown = moment(due, subscription.time_zone)
        return badge("due now", "amber", title=due.isoformat()) if due <= clock.now() else shown

    def page_context(self, request: HttpRequest, obj: Subscription) -> dict[str, Any]:
        return {
            "subscription": obj,
            "state": self.state(obj),
            "items": items_of(obj),
            "phases": list(obj.phases.exclude(active_to=F("active_from")).order_by("position")),
            "next_billing": self.next_billing(obj),
            "timeline": self.timeline(obj),
        }


def items_of(subscription: Subscription) -> list[Any]:
    """The items with revisions, coupons and latest quantities, priced in words. Five queries for any number."""
    revisions = ItemRevision.objects.select_related("feature__meter").order_by("active_from")
    coupons = CouponRedemption.objects.select_related("coupon")
    items: list[Any] = list(
        SubscriptionItem.objects.filter(subscription=subscription)
        .order_by("running_number")
        .prefetch_related(Prefetch("revisions", revisions), Prefetch("coupon_redemptions", coupons))
    )
    changes, reports = defaultdict(list), defaultdict(list)
    for change in QuantityChange.objects.filter(item__in=items).order_by("-effective_at", "-recorded_at", "-id"):
        changes[change.item_id].append(change)
    for report in QuantityReport.objects.filter(item__in=items).order_by("-reported_at", "-id"):
        reports[report.item_id].append(report)
    now = clock.now()
    for item in items:
        rows = list(item.revisions.all())
        for revision in rows:
            revision.words = price_words(revision.price, subscription.currency, revision.billing_cadence)
            revision.discount = discount_words(revision.discounts)
            revision.tiers = tier_words(revision.price, subscription.currency)
            revision.is_current = revision.active_from <= now and (
                revision.active_to is None or revision.active_to > now
            )
        item.rows = rows
        item.is_open = any(row.active_to is None or row.active_to > max(now, row.active_from) for row in rows)
        item.current = next((row for row in rows if row.is_current), rows[-1] if rows else None)
        item.quantity_now = next((c.quantity for c in changes[item.pk] if c.effective_at <= now), 1)
        item.changes, item.reports = changes[item.pk][:LATEST_QUANTITIES], reports[item.pk][:LATEST_QUANTITIES]
    return items
