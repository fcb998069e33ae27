"""What staff are asked to start a subscription: the plan and its seats, from when, and where periods begin."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from core import clock
from core.admin.fields import DecimalTextInput
from core.admin.verbs import ReasonForm
from core.admin.words import local_time, moment_text
from core.errors import InvalidInput
from customers.models import Customer
from invoicing.admin.subscription_changes.subscription_forms import AsOfForm, PlanChoice
from invoicing.subscription_changes.start_subscription import next_cycle_start
from subscriptions.catalog.plan_selectors import plans_on_sale, terms_of_plan
from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.models import Plan
from subscriptions.schedule.billing_calendar import CALENDAR, Anchor

NOW: Final = "now"
NEXT_CYCLE: Final = "cycle"
AT_A_TIME: Final = "at"
AT_START: Final = "start"
GIVEN: Final = "given"
_QUANTITY: Final = "quantity_"


class PlanInCurrency(PlanChoice):
    def label_from_instance(self, obj: Any) -> str:
        return f"{super().label_from_instance(obj)}, {obj.currency}"


class StartForm(AsOfForm, ReasonForm):
    """Asked about one customer, who comes as `initial["customer"]`. Seats and phases are those of the chosen plan."""

    plan = PlanInCurrency(
        queryset=Plan.objects.none(),
        empty_label="Choose a plan",
        widget=UnfoldAdminSelect2Widget(attrs={"data-refresh": ""}),
    )
    starting_phase = forms.ChoiceField(label="Begins with", required=False, widget=UnfoldAdminSelectWidget)
    starts = forms.ChoiceField(label="From", widget=UnfoldAdminRadioSelectWidget)
    moment = forms.SplitDateTimeField(label="Time (UTC)", required=False, widget=UnfoldAdminSplitDateTimeWidget)
    anchor = forms.ChoiceField(label="Periods begin", widget=UnfoldAdminRadioSelectWidget)
    anchor_at = forms.SplitDateTimeField(
        label="A boundary (UTC)",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Any of them will do, such as the first day of the customer's quarter.",
    )
    name = forms.CharField(
        label="Name of the subscription",
        required=False,
        max_length=256,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: that of the plan.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.customer: Customer = self.initial["customer"]
        self.fields["reason"].widget.attrs.pop("autofocus", None)
        on_sale = plans_on_sale(clock.now())
        if self.customer.currency is not None:
            on_sale = on_sale.filter(currency=self.customer.currency)
        plan: Any = self.fields["plan"]
        plan.queryset, plan.refreshes = on_sale, True
        self.next_cycle = _next_cycle(self.customer)
        self._offer_times()
        self.terms = self._terms()
        self._ask_of_plan()
        for name, shown_for in (("moment", f"starts {AT_A_TIME}"), ("anchor_at", f"anchor {GIVEN}")):
            field: Any = self.fields[name]
            field.shown_for, field.needed = shown_for, True

    def _offer_times(self) -> None:
        starts: Any = self.fields["starts"]
        starts.choices = [(NOW, "now")]
        if self.next_cycle is not None:
            zone = self.customer.time_zone
            when = f"{moment_text(self.next_cycle, zone)} {local_time(self.next_cycle, zone):%Z}"
            starts.choices += [(NEXT_CYCLE, f"with the customer's next billing cycle: {when}")]
        starts.choices += [(AT_A_TIME, "at another time, to come or past")]
        anchor: Any = self.fields["anchor"]
        anchor.choices = [
            (AT_START, "with the start: the first period is a whole one"),
            (CALENDAR, "by the calendar, as on the first of a month or a year: what is cut short is prorated"),
            (GIVEN, "as given"),
        ]

    def _terms(self) -> PlanTerms | None:
        """What the plan that is chosen so far says."""
        chosen = self.data.get("plan") or self.initial.get("plan")
        try:
            plan = self.fields["plan"].clean(chosen)
        except ValidationError:
            return None
        return terms_of_plan(plan)

    def _ask_of_plan(self) -> None:
        phases = self.terms.phases if self.terms is not None else ()
        if len(phases) > 1:
            phase: Any = self.fields["starting_phase"]
            phase.needed = True
            phase.choices = [("", f"{phases[0].name}, the first phase")]
            phase.choices += [(known.key, known.name) for known in phases[1:]]
        else:
            del self.fields["starting_phase"]
        names = {card.key: card.name for known in phases for card in known.rate_cards if card.is_flat}
        for key, name in names.items():
            field: Any = forms.DecimalField(
                label=f"{name}: how many",
                required=False,
                min_value=0,
                max_digits=30,
                decimal_places=12,
                initial=1,
                widget=DecimalTextInput(),
            )
            field.needed = True
            self.fields[f"{_QUANTITY}{key}"] = field
        quantities = [f"{_QUANTITY}{key}" for key in names]
        order = ["plan", "starting_phase", *quantities, "starts", "moment", "anchor", "anchor_at", "name", "reason"]
        self.order_fields(order)

    def clean(self) -> dict[str, Any]:
        answers = super().clean()
        for name, asked, value in (("moment", "starts", AT_A_TIME), ("anchor_at", "anchor", GIVEN)):
            if answers.get(asked) == value and not answers.get(name) and name not in self.errors:
                self.add_error(name, "Say which time.")
        if not self.errors:
            answers["active_from"] = self._start(answers)
            answers["billing_anchor"] = self._anchor(answers)
            answers["quantities"] = self._quantities(answers)
        return answers

    def _start(self, answers: dict[str, Any]) -> datetime:
        if answers["starts"] == NEXT_CYCLE and self.next_cycle is not None:
            return self.next_cycle
        chosen: datetime = answers["moment"] if answers["starts"] == AT_A_TIME else answers["as_of"]
        return chosen

    def _anchor(self, answers: dict[str, Any]) -> Anchor | None:
        if answers["anchor"] == CALENDAR:
            return CALENDAR
        given: datetime | None = answers["anchor_at"] if answers["anchor"] == GIVEN else None
        return given

    def _quantities(self, answers: dict[str, Any]) -> dict[str, Decimal]:
        phases = self.terms.phases if self.terms is not None else ()
        begins = answers.get("starting_phase")
        keys = [phase.key for phase in phases]
        left = phases[keys.index(begins) :] if begins in keys else phases
        flat = {card.key for phase in left for card in phase.rate_cards if card.is_flat}
        given = {key: answers.get(f"{_QUANTITY}{key}") for key in flat}
        return {key: quantity for key, quantity in given.items() if quantity is not None}


def _next_cycle(customer: Customer) -> datetime | None:
    try:
        return next_cycle_start(customer_id=customer.pk)
    except InvalidInput:
        return None
