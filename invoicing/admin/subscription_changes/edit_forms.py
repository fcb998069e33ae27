"""What the edits of a subscription ask for: another price, an item more or less, phases, and from when."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.db.models import F, Q
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from core import clock
from core.admin.fields import DurationField, GroupedForm, KeyField
from core.admin.words import local_time, moment_text
from core.periods import parse_duration
from invoicing.admin.subscription_changes.subscription_forms import WhenForm
from subscriptions.admin.catalog.price_form import PRICE_FIELDS, PriceForm, initial_price
from subscriptions.admin.catalog.rate_card_form import GROUPS, RateCardForm, initial_card
from subscriptions.catalog.plan_selectors import plans_on_sale, terms_of_plan
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.choices import RateCardType
from subscriptions.lifecycle.edits import AddItem, AddPhase, Edit, RemoveItem, RemovePhase, StretchPhase
from subscriptions.lifecycle.selectors import terms_of_revision
from subscriptions.models import ItemRevision, Plan, SubscriptionPhase

ALL: Final = "*"
_WHEN: Final = ("timing", "moment", "reason")


class EditForm(WhenForm):
    """Knows the phases that are not over, and what each charges from now on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lasts = Q(active_to__isnull=True) | Q(active_to__gt=clock.now())
        lasting = self.subscription.phases.filter(lasts).exclude(active_to=F("active_from"))
        self.phases: list[SubscriptionPhase] = list(lasting.order_by("active_from"))
        rows = ItemRevision.objects.filter(lasts, item__subscription=self.subscription, item__purchase=None)
        self.rows: list[ItemRevision] = list(
            rows.exclude(active_to=F("active_from")).select_related("item", "phase").order_by("active_from")
        )

    def offer_phases(self, phases: Sequence[SubscriptionPhase], *, in_all: bool = True) -> None:
        """Let one of `phases` be chosen, or all of them; ask nothing where there is no choice."""
        choices = [(phase.key, f"{phase.name}{self._span(phase)}") for phase in phases]
        if in_all and len(choices) > 1:
            choices.append((ALL, "all phases from then on"))
        self.fields["phase"].choices = choices  # type: ignore[attr-defined]
        if len(choices) == 1:
            self.fields["phase"].widget = forms.HiddenInput()
        self.initial.setdefault("phase", choices[0][0] if choices else "")

    def _span(self, phase: SubscriptionPhase) -> str:
        zone, now = self.subscription.time_zone, clock.now()
        parts = []
        if phase.active_from > now:
            parts.append(f"from {moment_text(phase.active_from, zone)} {local_time(phase.active_from, zone):%Z}")
        if phase.active_to is not None:
            parts.append(f"until {moment_text(phase.active_to, zone)} {local_time(phase.active_to, zone):%Z}")
        return f", {' '.join(parts)}" if parts else ""

    def _row(self, number: Any, phase_key: str | None) -> ItemRevision | None:
        """What the item is charged by in that phase, or else in the first that has it."""
        rows = [row for row in self.rows if str(row.item.running_number) == str(number)]
        return next((row for row in rows if row.phase.key == phase_key), rows[0] if rows else None)

    def edits(self) -> list[Edit]:
        """What the services take."""
        raise NotImplementedError

    def _phases_meant(self) -> list[str]:
        phase = self.cleaned_data["phase"]
        return [known.key for known in self.phases] if phase == ALL else [phase]

    def _post_clean(self) -> None:
        # Once every part of the form has said what is wrong with it.
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            self.cleaned_data["edits"] = self.edits()


class OfItemForm(EditForm):
    """About the item whose number comes with the link, in one phase or all."""

    item = forms.CharField(max_length=6, widget=forms.HiddenInput)
    phase = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        number = self.data.get("item") or self.initial.get("item")
        self.row = self._row(number, self.data.get("phase") or self.initial.get("phase"))
        having = {row.phase_id for row in self.rows if self.row is not None and row.item_id == self.row.item_id}
        if self.row is not None:
            self.initial.setdefault("phase", self.row.phase.key)
        self.offer_phases([phase for phase in self.phases if phase.pk in having])

    @property
    def title(self) -> str:
        """The item as the subscription's page names it."""
        return "" if self.row is None else f"{self.row.item.running_number}. {self.row.name}"

    def clean_item(self) -> int:
        if self.row is None:
            raise forms.ValidationError("The subscription has no such item any more. Nothing was changed.")
        return self.row.item.running_number

    def meant(self) -> list[ItemRevision]:
        """The last price of the item in each phase that is meant."""
        assert self.row is not None
        keys = self._phases_meant()
        found = {row.phase.key: row for row in self.rows if row.item_id == self.row.item_id and row.phase.key in keys}
        return list(found.values())


class EditPriceForm(PriceForm, OfItemForm):
    """Another price, and other discounts, for this customer alone."""

    field_order = ("phase", *PRICE_FIELDS, *_WHEN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.row is not None:
            self.initial = {**initial_price(self.row.price, self.row.discounts), **self.initial}
        self.groups = ((self.title, PRICE_FIELDS), ("", _WHEN))

    def edits(self) -> list[Edit]:
        return [AddItem(row.phase.key, self._card(row)) for row in self.meant()]

    def _card(self, row: ItemRevision) -> RateCardTerms:
        price = self.cleaned_data["price"]
        is_usage = price is not None and price["type"] != "flat"
        kind = RateCardType.USAGE_BASED.value if is_usage else row.type
        if not row.billing_cadence and not is_usage:
            kind = RateCardType.FLAT_FEE.value
        card = terms_of_revision(row)
        return replace(card, type=kind, price=price, discounts=self.cleaned_data["discounts"])


class AddItemForm(RateCardForm, EditForm):
    """One more item: as a rate card of a plan says, or as typed."""

    copy_of = forms.ChoiceField(
        label="As in the plan",
        required=False,
        widget=UnfoldAdminSelectWidget(attrs={"data-refresh": ""}),
        help_text="Fills in what a rate card says; it can be changed for this customer.",
    )
    copied = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    phase = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    groups = (*GROUPS, ("", _WHEN))
    field_order = ("copy_of", "phase")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_phases(self.phases)
        cards = self._cards()
        source: Any = self.fields["copy_of"]
        source.needed = source.refreshes = True
        source.choices = [("", "none: as typed below"), *((key, words) for key, (words, _) in cards.items())]
        wanted = self.initial.get("copy_of") or ""
        if wanted != (self.initial.get("copied") or "") and wanted in cards:
            self.initial = {**self.initial, **initial_card(cards[wanted][1])}
        self.initial["copied"] = wanted
        # What it was filled from keeps what the form does not ask for.
        kept = cards.get(str(self.data.get("copied") or self.initial["copied"]))
        self.initial["card"] = kept[1] if kept else None

    def _cards(self) -> dict[str, tuple[str, RateCardTerms]]:
        """The rate cards of the subscription's plan, in its version and in the one on sale, that it has no item of."""
        plan = self.subscription.plan
        if plan is None:
            return {}
        on_sale = plans_on_sale(clock.now()).filter(key=plan.key).exclude(pk=plan.pk).first()
        taken = {row.item.key for row in self.rows}
        found: dict[str, tuple[str, RateCardTerms]] = {}
        for version in (plan, on_sale):
            found |= {} if version is None else _cards_of(version, taken)
        return found

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        item = next((row.item for row in self.rows if row.item.key == key), None)
        if item is not None:
            raise forms.ValidationError(f"Item {item.running_number} has this key: change its price instead.")
        return key

    def edits(self) -> list[Edit]:
        return [AddItem(key, self.cleaned_data["card"]) for key in self._phases_meant()]


class RemoveItemForm(GroupedForm, OfItemForm):
    field_order = ("phase", *_WHEN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.groups = ((self.title, self.field_order),)
        if any(value == ALL for value, _ in self.fields["phase"].choices):  # type: ignore[attr-defined]
            self.initial["phase"] = ALL

    def edits(self) -> list[Edit]:
        return [RemoveItem(row.phase.key, row.item.key) for row in self.meant()]


class AddPhaseForm(EditForm):
    name = forms.CharField(max_length=256, widget=UnfoldAdminTextInputWidget)
    key = KeyField(help_text="What integrations call it. Lower-case letters, digits and single underscores.")
    start_after = DurationField(label="It begins")
    duration = DurationField(label="It lasts", required=False, help_text="Empty where no phase comes behind it.")
    field_order = ("name", "key", "start_after", "duration", *_WHEN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        start, zone = self.subscription.active_from, self.subscription.time_zone
        self.fields["start_after"].help_text = (
            f"Counted from the subscription's start on {moment_text(start, zone)} {local_time(start, zone):%Z}. The "
            "phase before it ends then, those behind it move back. Add its items afterwards."
        )

    def edits(self) -> list[Edit]:
        answers = self.cleaned_data
        return [
            AddPhase(
                key=answers["key"],
                name=answers["name"],
                description=None,
                start_after=parse_duration(answers["start_after"]),
                duration=parse_duration(answers["duration"]) if answers["duration"] else None,
            )
        ]


class StretchPhaseForm(EditForm):
    phase = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    extend_by = DurationField(label="Longer by", help_text="The phases behind it begin later by as much.")
    field_order = ("phase", "extend_by", *_WHEN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_phases([phase for phase in self.phases if phase.active_to is not None], in_all=False)

    def edits(self) -> list[Edit]:
        return [StretchPhase(self.cleaned_data["phase"], parse_duration(self.cleaned_data["extend_by"]))]


class RemovePhaseForm(EditForm):
    phase = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    shift = forms.ChoiceField(
        label="Its time",
        choices=(
            ("next", "goes: the phases behind it begin earlier"),
            ("prev", "goes to the phase before it, which lasts longer"),
        ),
        initial="next",
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("phase", "shift", *_WHEN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        to_come = [phase for phase in self.phases if phase.active_from > clock.now()]
        self.offer_phases(to_come, in_all=False)

    def edits(self) -> list[Edit]:
        return [RemovePhase(self.cleaned_data["phase"], self.cleaned_data["shift"])]


def _cards_of(plan: Plan, taken: set[str]) -> dict[str, tuple[str, RateCardTerms]]:
    phases = terms_of_plan(plan).phases
    found = {}
    for phase in phases:
        for card in phase.rate_cards:
            if card.key not in taken:
                where = f", {phase.name}" if len(phases) > 1 else ""
                words = f"{card.name} ({plan.name} v{plan.version}{where})"
                found[f"{plan.version}.{phase.key}.{card.key}"] = (words, card)
    return found
