"""What the verbs of a plan ask for: its facts, its phases, and which rate card of which phase."""

from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core.admin.choosers import CurrencyField
from core.admin.fields import DurationField, KeyField
from core.admin.verbs import OptionalReasonForm
from subscriptions.admin.catalog.rate_card_form import GROUPS, RHYTHMS, RateCardForm, initial_card
from subscriptions.catalog.plan_selectors import terms_of_plan
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms
from subscriptions.models import Plan

_LAST: Final = ""


class PlanFactsForm(OptionalReasonForm):
    """What holds for the whole plan."""

    name = forms.CharField(max_length=256, widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}))
    billing_cadence = forms.ChoiceField(
        label="Billed",
        choices=RHYTHMS,
        initial="P1M",
        widget=UnfoldAdminSelectWidget,
        help_text="The rhythm of the billing cycle. Each rate card may have its own.",
    )
    pro_rating_enabled = forms.BooleanField(
        label="Cut periods are prorated",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Otherwise they are billed in full, and nothing comes back.",
    )
    description = forms.CharField(required=False, max_length=1024, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
    field_order: tuple[str, ...] = ("name", "billing_cadence", "pro_rating_enabled", "description", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].widget.attrs.pop("autofocus", None)


class NewPlanForm(PlanFactsForm):
    key = KeyField(help_text="What integrations call it. It stays the same in all versions.")
    currency = CurrencyField(initial="EUR", help_text="Of all its prices. It can't be changed afterwards.")
    phase_name = forms.CharField(
        label="Name of its first phase",
        max_length=256,
        initial="Standard",
        widget=UnfoldAdminTextInputWidget,
        help_text="Most plans have one phase only. A trial or a ramp is a phase of its own, added later.",
    )
    field_order = (
        "name",
        "key",
        "currency",
        "billing_cadence",
        "pro_rating_enabled",
        "phase_name",
        "description",
        "reason",
    )


class OfPlanForm(OptionalReasonForm):
    """Asked about one plan, which comes as `initial["plan"]`; `terms` are those of now."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan: Plan = self.initial["plan"]
        self.terms: PlanTerms = terms_of_plan(self.plan)
        self.fields["reason"].widget.attrs.pop("autofocus", None)


class PlanPartForm(OfPlanForm):
    """Which phase of the plan, and which rate card of it, if any; both come with the link."""

    phase = forms.CharField(max_length=64, widget=forms.HiddenInput)
    was = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


class PlanPhaseForm(OfPlanForm):
    """A phase: a new one, or with `initial["was"]` the one of that key."""

    was = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    name = forms.CharField(max_length=256, widget=UnfoldAdminTextInputWidget)
    key = KeyField(help_text="What integrations call it. Lower-case letters, digits and single underscores.")
    before = forms.ChoiceField(
        label="Place",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The phases follow each other in time.",
    )
    duration = DurationField(label="It lasts", required=False)
    last_duration = DurationField(required=False)
    field_order = ("name", "key", "before", "duration", "last_duration", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        phases, last = self.terms.phases, self.terms.phases[-1]
        was = phase_of(self.terms, self.data.get("was") or self.initial.get("was"))
        if was is not None:
            shown = {"name": was.name, "key": was.key, "duration": was.duration}
            self.initial = {**shown, **self.initial}
            del self.fields["before"], self.fields["last_duration"]
            self.fields["duration"].required = was is not last
            if was is last:
                del self.fields["duration"]
            return
        choices = [(phase.key, f"before {phase.name}") for phase in phases]
        choices.append((_LAST, f"behind {last.name}, as the last"))
        self.fields["before"].choices = choices  # type: ignore[attr-defined]
        self.fields["before"].initial = _LAST
        for name in ("before", "duration", "last_duration"):
            self.fields[name].needed = True  # type: ignore[attr-defined]
        self.fields["duration"].shown_for = f"before {' '.join(phase.key for phase in phases)}"  # type: ignore[attr-defined]
        self.fields["last_duration"].shown_for = "before"  # type: ignore[attr-defined]
        self.fields["last_duration"].label = f"{last.name}, which was the last, lasts"

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if "before" not in self.fields:
            return answers
        needed, unused = ("duration", "last_duration") if answers.get("before") else ("last_duration", "duration")
        if not answers.get(needed) and needed not in self.errors:
            self.add_error(needed, "Say how long: only the last phase has no end.")
        if answers.get(unused):
            self.add_error(unused, "Leave it empty: it says something for the other place only.")
        return answers


class CardOfPlanForm(RateCardForm, OfPlanForm):
    """A rate card: a new one of a phase, or with `initial["was"]` that of this key."""

    groups = (*GROUPS, ("", ("reason",)))
    phase = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    was = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        phases = self.terms.phases
        phase = phase_of(self.terms, self.data.get("phase") or self.initial.get("phase")) or phases[0]
        was = self.data.get("was") or self.initial.get("was")
        card = next((card for card in phase.rate_cards if card.key == was), None)
        if card is not None:
            self.initial = {**initial_card(card), **self.initial}
        self.fields["phase"].choices = [(phase.key, phase.name) for phase in phases]  # type: ignore[attr-defined]
        self.initial = {**self.initial, "phase": phase.key, "card": card}
        if card is not None or len(phases) == 1:
            self.fields["phase"].widget = forms.HiddenInput()


def phase_of(terms: PlanTerms, key: str | None) -> PhaseTerms | None:
    """The phase of this key; None where there is none."""
    return next((phase for phase in terms.phases if phase.key == key), None)
