"""Starting a subscription at the finance desk: the first invoice is shown before it is confirmed."""

from typing import Any

from django.http import HttpRequest

from core import clock
from core.admin.verbs import Answers, Review, Verb
from core.admin.words import joined, local_time, moment_text, quantity_text
from core.errors import Forbidden
from customers.models import Customer
from invoicing.admin.subscription_changes.change_review import change_review, is_past
from invoicing.admin.subscription_changes.start_forms import AT_START, NOW, StartForm
from invoicing.subscription_changes.preview_start import preview_start
from invoicing.subscription_changes.start_subscription import start_subscription

_NO_BACKDATING = "Your role can't start a subscription in the past. Choose now, or a time to come."


class StartSubscription(Verb[Customer]):
    slug = "start-subscription"
    label = "Start a subscription"
    permission = "subscriptions.add_subscription"
    form = StartForm

    def asks(self, customer: Customer) -> str:
        return f"What is {customer} to have, and from when?"

    def shows(self, customer: Customer) -> bool:
        return customer.deleted_at is None

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return "" if self.shows(customer) else "The customer is deleted."

    def initial(self, customer: Customer) -> dict[str, Any]:
        return {"customer": customer, "starts": NOW, "anchor": AT_START}

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        result = preview_start(customer=customer, **_terms(answers))
        why_not = _NO_BACKDATING if _backdates_without_right(request, answers) else ""
        return change_review(result, notes=_notes(customer, answers), why_not=why_not)

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        if _backdates_without_right(request, answers):
            raise Forbidden(f"{_NO_BACKDATING} Nothing was started.")
        subscription = start_subscription(customer=customer, **_terms(answers), name=answers["name"] or None)
        starts = _time_words(subscription.active_from, subscription.time_zone)
        billed = " What is due is being billed." if subscription.active_from <= clock.now() else ""
        return f"{customer} has {subscription.name} from {starts} on.{billed}"


def _terms(answers: Answers) -> dict[str, Any]:
    """What decides over the money."""
    return {
        "plan": answers["plan"],
        "active_from": answers["active_from"],
        "billing_anchor": answers["billing_anchor"],
        "starting_phase": answers.get("starting_phase") or None,
        "quantities": answers["quantities"],
    }


def _notes(customer: Customer, answers: Answers) -> list[str]:
    plan, zone = answers["plan"], customer.time_zone
    notes = [f"{plan} from {_time_words(answers['active_from'], zone)} on; periods keep to the time zone {zone}."]
    if customer.currency is None:
        notes.append(f"From then on everything of {customer} is in {plan.currency}.")
    seats = [f"{quantity_text(quantity)} × {key}" for key, quantity in answers["quantities"].items() if quantity != 1]
    if seats:
        notes.append(f"It starts with {joined(seats)}.")
    return notes


def _time_words(moment: Any, zone: str) -> str:
    return f"{moment_text(moment, zone)} {local_time(moment, zone):%Z}"


def _backdates_without_right(request: HttpRequest, answers: Answers) -> bool:
    may = request.user.has_perm("subscriptions.backdate_subscription")
    return not may and is_past(answers["active_from"], seen=answers["as_of"])
