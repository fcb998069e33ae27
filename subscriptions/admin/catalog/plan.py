"""Plans in the admin: their versions, phases and rate cards, with prices in words."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.display import admin_url, number
from core.admin.refusals import explain
from core.admin.registry import page_of
from core.admin.words import rhythm_words
from core.audit.reasons import because
from core.errors import BillingError
from subscriptions.admin.catalog.plan_forms import NewPlanForm
from subscriptions.admin.catalog.plan_verbs import PLAN_VERBS
from subscriptions.admin.catalog.versions import LATEST_SUBSCRIPTIONS, CatalogAdmin, in_words
from subscriptions.catalog.create_plan import create_plan
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms
from subscriptions.models import Plan, PlanPhase, RateCard, Subscription


@page_of(Plan)
class PlanAdmin(CatalogAdmin):
    list_display = ("name", "key", "version_number", "state", "currency", "rhythm", "rate_cards", "effective")
    page_template = "backoffice/plan.html"
    verbs = PLAN_VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        return super().get_queryset(request).annotate(cards=Count("phases__rate_cards"))

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return request.user.has_perm("subscriptions.add_plan")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new plan starts as a draft with one phase, to be filled with rate cards on its page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewPlanForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                with because(form.cleaned_data["reason"]):
                    plan = _drafted(form.cleaned_data)
            except BillingError as error:
                form.add_error(None, explain(error))
            else:
                messages.success(request, f"{plan} is drafted. Add its rate cards, then publish it.")
                return HttpResponseRedirect(admin_url(plan))
        context = {
            "title": "Add plan",
            "verb": {"label": "Draft plan"},
            "question": "What is the new plan called, and what holds for it as a whole?",
            "form": form,
            "back": reverse("admin:subscriptions_plan_changelist"),
        }
        return self._page(request, "admin/confirm_verb.html", context)

    @display(description="Billed")
    def rhythm(self, plan: Plan) -> str:
        return rhythm_words(plan.billing_cadence)

    @display(description="Rate cards")
    def rate_cards(self, plan: Any) -> SafeString:
        return number(plan.cards)

    def page_context(self, request: HttpRequest, obj: Plan) -> dict[str, Any]:
        cards = RateCard.objects.select_related("feature__meter").order_by("position")
        phases = list(
            PlanPhase.objects.filter(plan=obj).order_by("position").prefetch_related(Prefetch("rate_cards", cards))
        )
        for phase in phases:
            in_words(phase.rate_cards.all(), obj.currency)
        subscriptions = Subscription.objects.filter(plan=obj)
        may_write = PLAN_VERBS[0].allowed(request) and obj.effective_from is None and obj.deleted_at is None
        return {
            "plan": obj,
            "may_write": may_write,
            "state": self.state(obj),
            "phases": phases,
            "versions": self.versions_of(obj),
            "subscription_count": subscriptions.count(),
            "subscriptions": subscriptions.select_related("customer").order_by("-active_from")[:LATEST_SUBSCRIPTIONS],
            "timeline": self.timeline(obj),
        }


def _drafted(answers: dict[str, Any]) -> Plan:
    terms = PlanTerms(
        name=answers["name"],
        currency=answers["currency"],
        billing_cadence=answers["billing_cadence"],
        pro_rating_enabled=answers["pro_rating_enabled"],
        phases=(PhaseTerms(key="standard", name=answers["phase_name"]),),
    )
    return create_plan(key=answers["key"], terms=terms, description=answers["description"] or None)
