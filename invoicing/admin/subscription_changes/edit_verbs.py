"""Edits of a running subscription at the finance desk: this customer's own rates, items and phases, money first."""

from dataclasses import replace
from typing import ClassVar

from django.http import HttpRequest

from core.admin.verbs import Answers, Effect, Review
from invoicing.admin.subscription_changes.edit_forms import (
    AddItemForm,
    AddPhaseForm,
    EditPriceForm,
    RemoveItemForm,
    RemovePhaseForm,
    StretchPhaseForm,
)
from invoicing.admin.subscription_changes.subscription_forms import WhenForm, timing_of
from invoicing.admin.subscription_changes.subscription_verbs import DatedChange, billed_words, planned_otherwise
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.edit_subscription import edit_subscription
from subscriptions.admin.catalog.card_review import card_effects
from subscriptions.catalog.price_words import price_words
from subscriptions.lifecycle import states
from subscriptions.lifecycle.edits import AddItem, UnscheduleEdit
from subscriptions.lifecycle.selectors import terms_of_revision
from subscriptions.models import ItemRevision, Subscription


class Edit(DatedChange):
    """The operations that REST takes as customizations; the plan stays."""

    permission = "subscriptions.change_subscription"
    act = states.Verb.EDIT
    in_bar = False
    question: ClassVar[str]
    said: ClassVar[str]

    def asks(self, subscription: Subscription) -> str:
        return self.question.format(subscription)

    def blocking_reason(self, subscription: Subscription) -> str:
        return planned_otherwise(subscription, self.act)

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return edit_subscription(
            subscription=subscription, timing=timing_of(answers), edits=answers["edits"], preview=preview
        )

    def done(self, result: ChangeResult) -> str:
        return f"{self.said}{billed_words(result)}"

    def review(self, request: HttpRequest, subscription: Subscription, answers: Answers) -> Review:
        shown = super().review(request, subscription, answers)
        return replace(shown, context=shown.context | {"terms": self.terms(subscription, answers)})

    def terms(self, subscription: Subscription, answers: Answers) -> list[Effect]:
        """What the subscription says of the item, before and after."""
        return []


class EditPrice(Edit):
    slug = "edit-price"
    label = "Change price"
    form = EditPriceForm
    question = "What is {} to pay for this item?"
    said = "The price is changed for this customer."

    def terms(self, subscription: Subscription, answers: Answers) -> list[Effect]:
        card = answers["edits"][0].card
        row = _last_row(subscription, answers)
        before = terms_of_revision(row) if row is not None else None
        effects = card_effects(card, subscription.currency, before=before)
        return [effect for effect in effects if effect.changes or effect.label == "Name"]


def _last_row(subscription: Subscription, answers: Answers) -> ItemRevision | None:
    """What the item that is meant is charged by last, in the (first) phase that is meant."""
    rows = ItemRevision.objects.filter(item__subscription=subscription, item__running_number=answers["item"])
    rows = rows.filter(phase__key=answers["edits"][0].phase_key).select_related("item")
    return rows.order_by("active_from").last()


class AddItemToIt(Edit):
    slug = "add-item"
    in_bar = True
    label = "Add item"
    form = AddItemForm
    question = "What else is {} to have?"
    said = "The item is added."

    def terms(self, subscription: Subscription, answers: Answers) -> list[Effect]:
        edit: AddItem = answers["edits"][0]
        return [effect for effect in card_effects(edit.card, subscription.currency) if effect.changes]


class RemoveItemOfIt(Edit):
    slug = "remove-item"
    label = "Remove item"
    form = RemoveItemForm
    question = "From when is {} to go without this item?"
    said = "The item is removed."
    tone = "danger"

    def terms(self, subscription: Subscription, answers: Answers) -> list[Effect]:
        row = _last_row(subscription, answers)
        if row is None:
            return []
        named = f"{row.item.running_number}. {row.name}"
        return [Effect(named, price_words(row.price, subscription.currency, row.billing_cadence), "removed")]


class AddPhaseToIt(Edit):
    slug = "add-phase"
    label = "Add phase"
    form = AddPhaseForm
    question = "Which phase is {} to have, and when?"
    said = "The phase is added."


class StretchPhaseOfIt(Edit):
    slug = "stretch-phase"
    label = "Extend phase"
    form = StretchPhaseForm
    question = "Which phase of {} is to last longer?"
    said = "The phase lasts longer."


class RemovePhaseOfIt(Edit):
    slug = "remove-phase"
    label = "Remove phase"
    form = RemovePhaseForm
    question = "Which phase of {} is to be left out?"
    said = "The phase is removed."
    tone = "danger"


class TakeBackEdits(Edit):
    slug = "take-back-edits"
    label = "Take back planned edits"
    form = WhenForm
    question = "Are the edits that are planned for the current phase of {} to be taken back?"
    said = "What was planned for the items of the current phase is taken back."

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return super().change(subscription, {**answers, "edits": [UnscheduleEdit()]}, preview=preview)


EDIT_VERBS = (
    AddItemToIt(),
    EditPrice(),
    RemoveItemOfIt(),
    AddPhaseToIt(),
    StretchPhaseOfIt(),
    RemovePhaseOfIt(),
    TakeBackEdits(),
)
