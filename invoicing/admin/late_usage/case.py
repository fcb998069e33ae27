"""The inbox of late usage (back office page 14): money first, billed or waived one by one or in bulk, or
billed anew with its invoice."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, link, moment, money
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, ReasonForm, Review, Verb
from core.admin.words import counted, joined, money_text, quantity_text
from core.money import ZERO
from invoicing.admin.issued.correction_verbs import reissue_review, reissued_words
from invoicing.choices import LateUsageState
from invoicing.issued.reissue_late_usage import reissue_late_usage, why_not_reissue
from invoicing.late_usage.decide import Shown, bill_late_usage, waive_late_usage
from invoicing.models import Invoice, LateUsageCase
from invoicing.rating import read_explanation, readable

TONES = {
    LateUsageState.OPEN: "amber",
    LateUsageState.BILLED: "green",
    LateUsageState.CREDITED: "blue",
    LateUsageState.WAIVED: "grey",
    LateUsageState.REISSUED: "green",
    LateUsageState.ABSORBED: "grey",
}


class DecisionForm(ReasonForm):
    """A reason; and the figures that the reader sees, so that nobody decides about others."""

    quantity = forms.DecimalField(widget=forms.HiddenInput, required=False)
    net = forms.DecimalField(widget=forms.HiddenInput, required=False)


class _Decision(Verb[LateUsageCase]):
    form = DecisionForm
    form_many = ReasonForm
    bulk = True

    def initial(self, case: LateUsageCase) -> dict[str, Any]:
        return {"quantity": case.quantity, "net": case.net}

    def why_not(self, request: HttpRequest, case: LateUsageCase) -> str:
        if case.state != LateUsageState.OPEN:
            return f"It is decided already: {case.get_state_display().lower()}."
        return ""

    def in_all(self, cases: Sequence[LateUsageCase]) -> str:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for case in cases:
            sums[case.currency] += case.net
        return f"Together {joined(money_text(net, currency) for currency, net in sorted(sums.items()))} net."

    def consequences(self, case: LateUsageCase) -> list[str]:
        return [
            f"{quantity_text(case.quantity)} came late for {case.period_start:%-d %B %Y} to "
            f"{case.period_end:%-d %B %Y}, beyond the {quantity_text(case.settled_quantity)} that were billed: "
            f"{money_text(case.net, case.currency)} net.",
            "The figures are reckoned anew first. Where they are not these any more, nothing is done.",
        ]

    def _shown(self, answers: Answers) -> Shown | None:
        quantity, net = answers.get("quantity"), answers.get("net")
        return None if quantity is None or net is None else Shown(quantity, net)


class Bill(_Decision):
    slug = "bill"
    label = "Bill"
    permission = "invoicing.bill_lateusagecase"
    tone = "primary"

    def asks(self, case: LateUsageCase) -> str:
        if case.net < ZERO:
            return f"Credit {money_text(-case.net, case.currency)} net to {case.customer}?"
        return f"Bill {money_text(case.net, case.currency)} net to {case.customer}?"

    def consequences(self, case: LateUsageCase) -> list[str]:
        if case.net < ZERO:
            how = (
                "A credit note is issued over what charged for it, at its tax: at most what is left on those lines. It "
                "lowers what is due; the rest goes to the balance."
            )
        else:
            how = "A line goes on the customer's next invoice, with these figures. What comes later is another case."
        return [*super().consequences(case), how]

    def perform(self, request: HttpRequest, case: LateUsageCase, answers: Answers) -> str:
        decided = bill_late_usage(case=case, reason=answers["reason"], shown=self._shown(answers))
        if decided.state == LateUsageState.CREDITED:
            return f"{money_text(-decided.net, decided.currency)} net are credited to {case.customer}."
        return f"{money_text(decided.net, decided.currency)} net are on the next invoice of {case.customer}."


class Waive(_Decision):
    slug = "waive"
    label = "Waive"
    permission = "invoicing.waive_lateusagecase"
    tone = "danger"

    def asks(self, case: LateUsageCase) -> str:
        return f"Waive {money_text(case.net, case.currency)} net of {case.customer}?"

    def consequences(self, case: LateUsageCase) -> list[str]:
        kept = "The quantity counts as billed from now on, and no money moves. It can't be billed later."
        return [*super().consequences(case), kept]

    def perform(self, request: HttpRequest, case: LateUsageCase, answers: Answers) -> str:
        decided = waive_late_usage(case=case, reason=answers["reason"], shown=self._shown(answers))
        return f"{money_text(decided.net, decided.currency)} net of {case.customer} are waived."


class Reissue(_Decision):
    slug = "reissue"
    label = "Void and reissue"
    permission = "invoicing.void_invoice"
    tone = "danger"
    bulk = False

    def asks(self, case: LateUsageCase) -> str:
        return f"Is the invoice that bills this to be void, and billed anew with {money_text(case.net, case.currency)}?"

    def consequences(self, case: LateUsageCase) -> list[str]:
        anew = "All that the invoice bills is billed anew, by the facts as they are now. The next page shows both."
        return [*super().consequences(case), anew]

    def why_not(self, request: HttpRequest, case: LateUsageCase) -> str:
        return super().why_not(request, case) or why_not_reissue(case)

    def review(self, request: HttpRequest, case: LateUsageCase, answers: Answers) -> Review:
        done = reissue_late_usage(case=case, reason=answers["reason"], shown=self._shown(answers), preview=True)
        return reissue_review(Invoice.objects.get(pk=done.reissued.voided.pk), done.reissued)

    def perform(self, request: HttpRequest, case: LateUsageCase, answers: Answers) -> str:
        done = reissue_late_usage(case=case, reason=answers["reason"], shown=self._shown(answers))
        return reissued_words(done.reissued)


class StateFilter(ActiveFilter):
    """To decide by default."""

    choices_of = (("decided", "Decided"), ("all", "All"))
    default_label = "To decide"
    ended = "decided_at"


@page_of(LateUsageCase)
class LateUsageCaseAdmin(ReadOnlyAdmin):
    list_display = ("net_amount", "customer_link", "what", "late_quantity", "period", "state_badge", "since")
    list_filter = (StateFilter, "currency")
    list_select_related = ("customer",)
    ordering = ("-net", "-id")
    search_prefix = ("customer__name", "customer__key", "name")
    search_help_text = "The start of a customer's name or of what was used."
    page_template = "backoffice/late_usage.html"
    verbs = (Bill(), Waive(), Reissue())

    def get_queryset(self, request: HttpRequest) -> QuerySet[LateUsageCase]:
        related = ("customer", "subscription", "line__invoice__customer", "credit_note")
        return super().get_queryset(request).select_related(*related)

    @display(description="Net", ordering="net")
    def net_amount(self, case: LateUsageCase) -> SafeString:
        return money(case.net, case.currency)

    @display(description="Customer", ordering="customer__name")
    def customer_link(self, case: LateUsageCase) -> SafeString:
        return link(case.customer)

    @display(description="Usage")
    def what(self, case: LateUsageCase) -> str:
        return case.name

    @display(description="Came late")
    def late_quantity(self, case: LateUsageCase) -> str:
        return f"{quantity_text(case.quantity)} beyond {quantity_text(case.settled_quantity)}"

    @display(description="Period (UTC)", ordering="period_start")
    def period(self, case: LateUsageCase) -> str:
        return f"{case.period_start:%-d %b %Y} to {case.period_end:%-d %b %Y}"

    @display(description="State")
    def state_badge(self, case: LateUsageCase) -> SafeString:
        return badge(case.get_state_display(), TONES[LateUsageState(case.state)])

    @display(description="Found", ordering="created_at")
    def since(self, case: LateUsageCase) -> SafeString:
        return moment(case.created_at)

    def page_context(self, request: HttpRequest, obj: LateUsageCase) -> dict[str, Any]:
        return {
            "case": obj,
            "state": self.state_badge(obj),
            "zone": obj.subscription.time_zone,
            "steps": readable(read_explanation(obj.explain)),
            "many": counted(abs(obj.events), "event"),
            "timeline": self.timeline(obj),
        }
