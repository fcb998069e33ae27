"""What staff can do to a plan: put it on sale and off, make its next version, and write its draft, part by part."""

from dataclasses import replace
from typing import Any, ClassVar

from django.forms import Form
from django.http import HttpRequest

from core import clock
from core.admin.verbs import Answers, OptionalReasonForm, ReasonForm, Review, Verb
from core.admin.words import rhythm_words
from core.errors import InvalidInput
from subscriptions.admin.catalog.card_review import card_review
from subscriptions.admin.catalog.plan_forms import CardOfPlanForm, PlanFactsForm, PlanPartForm, PlanPhaseForm, phase_of
from subscriptions.catalog.create_plan import create_next_version
from subscriptions.catalog.delete_plan import delete_plan
from subscriptions.catalog.plan_selectors import checked_terms, terms_of_plan
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.catalog.price_words import price_words
from subscriptions.catalog.publish_plan import archive_plan, publish_plan
from subscriptions.catalog.revise_draft import revise_draft
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import PlanStatus
from subscriptions.models import Plan


class OnDraft(Verb[Plan]):
    permission = "subscriptions.change_plan"
    form: ClassVar[type[Form]] = OptionalReasonForm

    def shows(self, plan: Plan) -> bool:
        return plan.effective_from is None

    def why_not(self, request: HttpRequest, plan: Plan) -> str:
        return "" if self.shows(plan) else "It was published: make its next version and change that."

    def initial(self, plan: Plan) -> dict[str, Any]:
        return {"plan": plan}


class Publish(OnDraft):
    slug = "publish"
    label = "Publish"
    tone = "primary"

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
        return version_status(plan, clock.now()) in (PlanStatus.ACTIVE, PlanStatus.SCHEDULED)

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        return f"{archive_plan(plan=plan)} is off sale. Subscriptions to it go on."


class Delete(OnDraft):
    slug = "delete"
    label = "Delete draft"
    permission = "subscriptions.delete_plan"
    tone = "danger"
    form = ReasonForm

    def asks(self, plan: Plan) -> str:
        return f"Is the draft {plan} to be deleted?"

    def why_not(self, request: HttpRequest, plan: Plan) -> str:
        return "" if self.shows(plan) else "It was published. Archive it instead: its subscriptions go on."

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        delete_plan(plan=plan)
        return f"The draft {plan} is deleted."


class NextVersion(Verb[Plan]):
    slug = "next-version"
    label = "Next version"
    permission = "subscriptions.change_plan"
    tone = "primary"
    form = OptionalReasonForm

    def asks(self, plan: Plan) -> str:
        return f"Is the next version of {plan.name} to be drafted, as a copy of version {plan.version}?"

    def consequences(self, plan: Plan) -> list[str]:
        return [
            "Nothing changes for anybody before the draft is published.",
            "Then it is what is sold; subscriptions to earlier versions go on until they are changed to it.",
        ]

    def shows(self, plan: Plan) -> bool:
        return plan.effective_from is not None and plan.deleted_at is None

    def why_not(self, request: HttpRequest, plan: Plan) -> str:
        return "" if self.shows(plan) else "It is a draft: change it as it is."

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        return f"{create_next_version(plan=plan)} is drafted. You find it under Versions."


class EditFacts(OnDraft):
    slug = "edit-facts"
    label = "Edit"
    form = PlanFactsForm

    def asks(self, plan: Plan) -> str:
        return f"What holds for {plan} as a whole?"

    def initial(self, plan: Plan) -> dict[str, Any]:
        names = ("name", "billing_cadence", "pro_rating_enabled", "description")
        return {name: getattr(plan, name) for name in names}

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        names = ("name", "billing_cadence", "pro_rating_enabled")
        facts = {name: answers[name] for name in names}
        revise_draft(
            plan=plan,
            change=lambda terms: replace(terms, **facts),
            description=answers["description"],
            did=f"set name, billing cycle ({rhythm_words(answers['billing_cadence'])}) and description",
        )
        return "The draft is changed."


class AddPhase(OnDraft):
    slug = "add-phase"
    label = "Add phase"
    form = PlanPhaseForm

    def asks(self, plan: Plan) -> str:
        return f"Which phase is {plan} to have?"

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        done = "changed" if answers["was"] else "added"
        named = f"phase {answers['name']}"
        revise_draft(plan=plan, change=lambda terms: _with_phase(terms, answers), did=f"{done} the {named}")
        return f"The {named} is {done}."


class ChangePhase(AddPhase):
    slug = "change-phase"
    label = "Change phase"
    in_bar = False

    def asks(self, plan: Plan) -> str:
        return f"What is this phase of {plan} to be?"


class RemovePhase(OnDraft):
    slug = "remove-phase"
    label = "Remove phase"
    form = PlanPartForm
    tone = "danger"
    in_bar = False

    def asks(self, plan: Plan) -> str:
        return f"Is this phase to be removed from {plan}, with its rate cards?"

    def why_not(self, request: HttpRequest, plan: Plan) -> str:
        refusal = super().why_not(request, plan)
        return refusal or ("" if plan.phases.count() > 1 else "It is the only phase, and a plan needs one.")

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        revise_draft(
            plan=plan,
            change=lambda terms: _without_phase(terms, answers["phase"]),
            did=f"removed the phase {answers['phase']}",
        )
        return "The phase is removed."


class AddCard(OnDraft):
    slug = "add-rate-card"
    label = "Add rate card"
    form = CardOfPlanForm

    def asks(self, plan: Plan) -> str:
        return f"What is {plan} to charge, and how?"

    def review(self, request: HttpRequest, plan: Plan, answers: Answers) -> Review:
        terms = _with_card(terms_of_plan(plan), answers)
        phase = _phase(checked_terms(terms), answers["phase"])
        card = next(card for card in phase.rate_cards if card.key == answers["card"].key)
        before = answers["was"] and _card(_phase(terms_of_plan(plan), answers["phase"]), answers["was"])
        return card_review(card, plan.currency, before=before or None)

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        card, done = answers["card"], "changed" if answers["was"] else "added"
        priced = price_words(card.price, plan.currency, card.billing_cadence)
        revise_draft(
            plan=plan,
            change=lambda terms: _with_card(terms, answers),
            did=f"{done} the rate card {card.name} ({priced})",
        )
        return f"The rate card {card.name} is {done}."


class ChangeCard(AddCard):
    slug = "change-rate-card"
    label = "Change rate card"
    in_bar = False

    def asks(self, plan: Plan) -> str:
        return f"What is this rate card of {plan} to say?"


class RemoveCard(OnDraft):
    slug = "remove-rate-card"
    label = "Remove rate card"
    form = PlanPartForm
    tone = "danger"
    in_bar = False

    def asks(self, plan: Plan) -> str:
        return f"Is this rate card to be removed from {plan}?"

    def perform(self, request: HttpRequest, plan: Plan, answers: Answers) -> str:
        revise_draft(
            plan=plan,
            change=lambda terms: _without_card(terms, answers["phase"], answers["was"]),
            did=f"removed the rate card {answers['was']}",
        )
        return "The rate card is removed."


def _with_phase(terms: PlanTerms, answers: Answers) -> PlanTerms:
    phases = list(terms.phases)
    named = {"key": answers["key"], "name": answers["name"]}
    if answers["was"]:
        index = phases.index(_phase(terms, answers["was"]))
        phases[index] = replace(phases[index], **named, duration=answers.get("duration") or None)
        return replace(terms, phases=tuple(phases))
    if answers["before"]:
        index = phases.index(_phase(terms, answers["before"]))
        phases.insert(index, PhaseTerms(**named, duration=answers["duration"]))
    else:
        phases[-1] = replace(phases[-1], duration=answers["last_duration"])
        phases.append(PhaseTerms(**named))
    return replace(terms, phases=tuple(phases))


def _without_phase(terms: PlanTerms, key: str) -> PlanTerms:
    gone = _phase(terms, key)
    phases = [phase for phase in terms.phases if phase is not gone]
    if phases:
        # Whichever is the last now has no end.
        phases[-1] = replace(phases[-1], duration=None)
    return replace(terms, phases=tuple(phases))


def _with_card(terms: PlanTerms, answers: Answers) -> PlanTerms:
    phase = _phase(terms, answers["phase"])
    cards = list(phase.rate_cards)
    if answers["was"]:
        cards[cards.index(_card(phase, answers["was"]))] = answers["card"]
    else:
        cards.append(answers["card"])
    return _with_cards(terms, phase, cards)


def _without_card(terms: PlanTerms, phase_key: str, key: str) -> PlanTerms:
    phase = _phase(terms, phase_key)
    gone = _card(phase, key)
    return _with_cards(terms, phase, [card for card in phase.rate_cards if card is not gone])


def _with_cards(terms: PlanTerms, phase: PhaseTerms, cards: list[RateCardTerms]) -> PlanTerms:
    changed = replace(phase, rate_cards=tuple(cards))
    return replace(terms, phases=tuple(changed if known is phase else known for known in terms.phases))


def _phase(terms: PlanTerms, key: str) -> PhaseTerms:
    phase = phase_of(terms, key)
    if phase is None:
        raise InvalidInput(f"There is no phase {key} any more. Nothing was changed: look at the plan again.")
    return phase


def _card(phase: PhaseTerms, key: str) -> RateCardTerms:
    for card in phase.rate_cards:
        if card.key == key:
            return card
    raise InvalidInput(f"There is no rate card {key} any more. Nothing was changed: look at the plan again.")


PLAN_VERBS = (
    Publish(),
    AddCard(),
    AddPhase(),
    EditFacts(),
    NextVersion(),
    Archive(),
    Delete(),
    ChangeCard(),
    RemoveCard(),
    ChangePhase(),
    RemovePhase(),
)
