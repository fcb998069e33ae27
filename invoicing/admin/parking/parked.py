"""Parked customers in the admin: why each is left out of runs."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, link, moment
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from invoicing.models import ParkedCustomer
from invoicing.parking.release_by_worker import ask_for_release, needs_worker
from invoicing.parking.release_customer import release_customer
from invoicing.parking.tasks import release_asked
from subscriptions.admin.lifecycle.subscription import SUBSCRIPTION_TONES
from subscriptions.lifecycle.states import status_at

LATEST_SUBSCRIPTIONS = 20


class Release(Verb[ParkedCustomer]):
    slug = "release"
    label = "Release"
    permission = "invoicing.release_parkedcustomer"
    tone = "primary"
    bulk = True

    def asks(self, parked: ParkedCustomer) -> str:
        return f"Is the cause fixed, and may {parked.customer} be billed again?"

    def consequences(self, parked: ParkedCustomer) -> list[str]:
        by_worker = "A worker looks at what is due, since that might take the web server down; it takes a moment."
        return [
            f"Parked because: {parked.cause}",
            *([by_worker] if needs_worker(parked) else []),
            "The next run bills everything that is due, and nothing twice.",
            "If the cause is still there, the customer stays parked, and you are told what it is.",
        ]

    def why_not(self, request: HttpRequest, parked: ParkedCustomer) -> str:
        if not parked.is_parked:
            return "The customer is released already."
        return "" if parked.release_asked_at is None else "A worker is about to release the customer already."

    def perform(self, request: HttpRequest, parked: ParkedCustomer, answers: Answers) -> str:
        if needs_worker(parked):
            ask_for_release(parked=parked, reason=answers["reason"])
            transaction.on_commit(release_asked.delay)
            return f"A worker tries to release {parked.customer} now. This page says what comes of it."
        release_customer(parked=parked, reason=answers["reason"])
        return f"{parked.customer} is released. The next run bills everything that is due."


class StillParked(ActiveFilter):
    """Parked now by default: who was released is history."""

    choices_of = (("released", "Released"), ("all", "All"))
    default_label = "Parked now"
    ended = "released_at"


@page_of(ParkedCustomer)
class ParkedCustomerAdmin(ReadOnlyAdmin):
    list_display = ("customer_name", "state", "cause", "since", "run_link", "released")
    list_filter = (StillParked, "cause_code")
    list_select_related = ("customer", "run")
    search_prefix = ("customer__name", "customer__key")
    search_within = ("customer__name", "cause")
    page_template = "backoffice/parked.html"
    verbs = (Release(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ParkedCustomer]:
        return super().get_queryset(request).select_related("customer", "run")

    @display(description="Customer", ordering="customer__name")
    def customer_name(self, parked: ParkedCustomer) -> str:
        return parked.customer.name

    @display(description="State")
    def state(self, parked: ParkedCustomer) -> SafeString:
        if not parked.is_parked:
            return badge("Released", "green")
        return badge("Parked", "red") if parked.release_asked_at is None else badge("Being released", "amber")

    @display(description="Since", ordering="parked_at")
    def since(self, parked: ParkedCustomer) -> SafeString:
        return moment(parked.parked_at)

    @display(description="Run")
    def run_link(self, parked: ParkedCustomer) -> SafeString:
        return link(parked.run)

    @display(description="Released")
    def released(self, parked: ParkedCustomer) -> SafeString:
        return moment(parked.released_at)

    def page_context(self, request: HttpRequest, obj: ParkedCustomer) -> dict[str, Any]:
        subscriptions: list[Any] = list(
            obj.customer.subscriptions.select_related("plan").order_by("-id")[:LATEST_SUBSCRIPTIONS]
        )
        for subscription in subscriptions:
            status = status_at(subscription, clock.now())
            subscription.state = badge(status.label, SUBSCRIPTION_TONES[status])
        return {"parked": obj, "subscriptions": subscriptions, "timeline": self.timeline(obj)}
