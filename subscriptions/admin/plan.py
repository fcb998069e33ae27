"""Plans in the admin: their versions, phases and rate cards, with prices in words."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment, number
from core.admin.filters import ChoiceFilter
from core.admin.verbs import Answers, OptionalReasonForm, Verb
from core.admin.words import rhythm_words
from subscriptions.choices import PlanStatus
from subscriptions.models import Plan, PlanPhase, RateCard, Subscription
from subscriptions.price_words import discount_words, price_words, tier_words
from subscriptions.services.delete_plan import delete_plan
from subscriptions.services.publish_plan import archive_plan, publish_plan

PLAN_TONES = {
    PlanStatus.DRAFT: "grey",
    PlanStatus.SCHEDULED: "blue",
    PlanStatus.ACTIVE: "green",
    PlanStatus.ARCHIVED: "grey",
}
LATEST_SUBSCRIPTIONS = 10


class OnDraft(Verb[Plan]):
    def shows(self, plan: Plan) -> bool:
        return plan.effective_from is None


class Publish(OnDraft):
    slug = "publish"
    label = "Publish"
    permission = "subscriptions.change_plan"
    tone = "primary"
    form = OptionalReasonForm

    def asks(self, plan: Plan) -> str:
        return f"Is {plan} to go on sale now?"

    def consequences(self, plan: Plan) -> list[str]:
        return [
            "The version that is on sale now is archived; subscriptions to it go on.",
            "A published version can't be changed any more.",
        ]

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        return f"{publish_plan(plan=plan)} is on sale."


class Archive(Verb[Plan]):
    slug = "archive"
    label = "Take off sale"
    permission = "subscriptions.change_plan"
    tone = "danger"

    def asks(self, plan: Plan) -> str:
        return f"Is {plan} to be taken off sale?"

    def consequences(self, plan: Plan) -> list[str]:
        return ["Subscriptions to it go on. It can't be published again: make its next version."]

    def shows(self, plan: Plan) -> bool:
        return plan.status_at(clock.now()) in (PlanStatus.ACTIVE, PlanStatus.SCHEDULED)

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        return f"{archive_plan(plan=plan)} is off sale. Subscriptions to it go on."


class Delete(OnDraft):
    slug = "delete"
    label = "Delete draft"
    permission = "subscriptions.delete_plan"
    tone = "danger"

    def asks(self, plan: Plan) -> str:
        return f"Is the draft {plan} to be deleted?"

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        delete_plan(plan=plan)
        return f"The draft {plan} is deleted."


class PlanState(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    choices_of = (("draft", "Draft"), ("archived", "Archived"), ("all", "All versions"))
    default_label = "Active and drafts"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = clock.now()
        living = queryset.filter(deleted_at__isnull=True)
        if self.value() == "all":
            return living
        if self.value() == "draft":
            return living.filter(effective_from__isnull=True)
        if self.value() == "archived":
            return living.filter(effective_to__lte=now)
        return living.filter(Q(effective_to__isnull=True) | Q(effective_to__gt=now))


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    list_display = ("name", "key", "version_number", "state", "currency", "rhythm", "rate_cards", "effective")
    list_filter = (PlanState,)
    search_prefix = ("key", "name")
    search_within = ("name", "key")
    page_template = "backoffice/plan.html"
    verbs = (Publish(), Archive(), Delete())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        return super().get_queryset(request).annotate(cards=Count("phases__rate_cards"))

    @display(description="Version", ordering="version")
    def version_number(self, plan: Plan) -> SafeString:
        return number(plan.version)

    @display(description="Status")
    def state(self, plan: Plan) -> SafeString:
        status = plan.status_at(clock.now())
        return badge(status.label, PLAN_TONES[status])

    @display(description="Billed")
    def rhythm(self, plan: Plan) -> str:
        return rhythm_words(plan.billing_cadence)

    @display(description="Rate cards")
    def rate_cards(self, plan: Any) -> SafeString:
        return number(plan.cards)

    @display(description="Effective from", ordering="effective_from")
    def effective(self, plan: Plan) -> SafeString:
        return moment(plan.effective_from)

    def page_context(self, request: HttpRequest, obj: Plan) -> dict[str, Any]:
        cards = RateCard.objects.select_related("feature__meter").order_by("position")
        phases = list(
            PlanPhase.objects.filter(plan=obj).order_by("position").prefetch_related(Prefetch("rate_cards", cards))
        )
        for phase in phases:
            cards_shown: Any = phase.rate_cards.all()
            for card in cards_shown:
                card.words = price_words(card.price, obj.currency, card.billing_cadence)
                card.discount = discount_words(card.discounts)
                card.tiers = tier_words(card.price, obj.currency)
        subscriptions = Subscription.objects.filter(plan=obj)
        versions = Plan.objects.filter(key=obj.key, deleted_at__isnull=True).order_by("-version")
        now = clock.now()
        return {
            "plan": obj,
            "state": self.state(obj),
            "phases": phases,
            "versions": [
                (version, badge(version.status_at(now).label, PLAN_TONES[version.status_at(now)]))
                for version in versions
            ],
            "subscription_count": subscriptions.count(),
            "subscriptions": subscriptions.select_related("customer").order_by("-active_from")[:LATEST_SUBSCRIPTIONS],
            "timeline": self.timeline(obj),
        }
