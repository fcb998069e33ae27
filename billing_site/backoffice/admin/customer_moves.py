"""Changing how customers are billed: pins, their own settings, their id at Stripe. Each is shown before it acts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from billing_site.backoffice.admin.review_moves import loaded, review_moves, too_many
from core.admin.verbs import Answers, ReasonForm, Review, Verb, Warned
from core.admin.words import counted
from core.errors import Forbidden
from customers.admin.own_settings import OwnSettingsForm, initial_of, workflow_of
from customers.choices import AppType
from customers.effective_settings import (
    default_profile,
    override_values,
    profile_values,
    terms_if,
    terms_of,
)
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride
from invoicing.admin.profile_moves.terms_review import known_at_stripe, terms_review
from invoicing.customer_guards.override_fields import override_fields
from invoicing.payments.set_stripe_customer import ask_stripe, keep_stripe_customer
from invoicing.profile_moves.causes import CauseCode
from invoicing.profile_moves.pin_customer import (
    ask_for_move,
    causes_of_move,
    pin_customer,
    remove_override,
    unpin_customer,
)

STRIPE_RIGHT = "customers.change_customerappdata"
_KEPT = "Open drafts keep their terms."


def stripe_apps() -> QuerySet[BillingApp]:
    return BillingApp.objects.filter(type=AppType.STRIPE, deleted_at=None)


class PinForm(ReasonForm):
    profile = forms.ModelChoiceField(
        label="Pin to",
        queryset=BillingProfile.objects.filter(archived_at__isnull=True),
        empty_label="Choose a profile",
        widget=UnfoldAdminSelectWidget,
    )
    field_order: tuple[str, ...] = ("profile", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The profile is to be chosen first.
        self.fields["reason"].widget.attrs.pop("autofocus", None)


class MoveForm(PinForm):
    stripe_customer_id = forms.CharField(
        label="Customer id at Stripe",
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "cus_…"}),
        help_text="Only for a profile that collects through Stripe, and if it is not known there yet: it is set and "
        "the customer moved in one step.",
    )
    field_order = ("profile", "stripe_customer_id", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not stripe_apps().exists():
            del self.fields["stripe_customer_id"]


class StripeForm(ReasonForm):
    app = forms.ModelChoiceField(
        label="Stripe app",
        queryset=stripe_apps(),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )
    stripe_customer_id = forms.CharField(
        label="Customer id at Stripe",
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "cus_…"}),
        help_text="Stripe is asked whether it knows the customer.",
    )
    field_order = ("app", "stripe_customer_id", "reason")


def override_of(customer: Customer) -> CustomerOverride | None:
    """What the customer has of their own, read once."""
    override: CustomerOverride | None = getattr(customer, "billing_override", None)
    return override


def _deleted(customer: Customer) -> str:
    return "The customer was deleted." if customer.deleted_at else ""


def _pinned_to(customer: Customer) -> BillingProfile | None:
    override = override_of(customer)
    return override.billing_profile if override else None


def _has_own(customer: Customer) -> bool:
    """Whether the customer has a pin or settings: what an unpin leaves behind says nothing."""
    override = override_of(customer)
    if override is None:
        return False
    return _pinned_to(customer) is not None or any(value is not None for value in override_values(override).values())


def _profile_now(customer: Customer) -> str:
    pinned = _pinned_to(customer)
    return f"They are pinned to “{pinned.name}” now." if pinned else "They follow the default profile now."


class Pin(Verb[Customer]):
    """Changing the profile is a move: what only the floors above the customers know may forbid it."""

    slug = "pin"
    label = "Pin to profile"
    permission = "customers.pin_customer"
    tone = "primary"
    form = MoveForm
    form_many = PinForm
    bulk = True

    def asks(self, customer: Customer) -> str:
        return f"To which billing profile is {customer} to be pinned? {_profile_now(customer)}"

    def consequences(self, customer: Customer) -> list[str]:
        return [
            "The next invoices follow the pinned profile: its supplier, app, payment terms and workflow.",
            "The customer's own overrides stay, and go before the profile.",
            "Drafts and issued invoices keep the terms that they were made with.",
        ]

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return _deleted(customer)

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        profile, known_as = loaded(answers["profile"]), answers.get("stripe_customer_id") or None
        causes = causes_of_move(customer=customer, profile=profile, known_as=known_as)
        before = terms_of([customer.pk])[customer.pk]
        review = terms_review(customer, before, terms_if(override_of(customer), profile), causes, known_as=known_as)
        if not known_as and any(cause.code == CauseCode.NO_CUSTOMER_ID for cause in causes):
            return replace(review, why_not=f"{review.why_not} Answer anew: give the customer id at Stripe.")
        return review

    def review_many(self, request: HttpRequest, customers: list[Customer], answers: Answers) -> Review:
        return review_moves(customers, loaded(answers["profile"]))

    def why_not_many(self, request: HttpRequest, customers: Sequence[Customer], answers: Answers) -> str:
        return too_many(customers, answers["profile"])

    def ask_outside(self, customer: Customer, answers: Answers) -> Answers:
        known_as = answers.get("stripe_customer_id") or None
        return {"asked": ask_for_move(customer=customer, profile=loaded(answers["profile"]), known_as=known_as)}

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        known_as = answers.get("stripe_customer_id") or None
        if known_as and not request.user.has_perm(STRIPE_RIGHT):
            raise Forbidden("Your role may not set ids at Stripe. Nothing was changed.", code="no_right")
        pin_customer(
            customer=customer,
            profile=answers["profile"],
            reason=answers["reason"],
            known_as=known_as,
            asked=answers.get("asked"),
        )
        also = f" and is {known_as} at {answers['profile'].app}" if known_as else ""
        return f"{customer} is pinned to “{answers['profile']}”{also}. {_KEPT}"


class Unpin(Verb[Customer]):
    slug = "unpin"
    label = "Unpin"
    permission = "customers.pin_customer"
    bulk = True

    def asks(self, customer: Customer) -> str:
        return f"Is {customer} to follow the default profile again? {_profile_now(customer)}"

    def consequences(self, customer: Customer) -> list[str]:
        return ["Drafts and issued invoices keep the terms that they were made with."]

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return "" if _pinned_to(customer) else "The customer is not pinned to a profile."

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        causes = causes_of_move(customer=customer, profile=None)
        before = terms_of([customer.pk])[customer.pk]
        return terms_review(customer, before, terms_if(override_of(customer), None), causes)

    def review_many(self, request: HttpRequest, customers: list[Customer], answers: Answers) -> Review:
        return review_moves(customers, default_profile())

    def why_not_many(self, request: HttpRequest, customers: Sequence[Customer], answers: Answers) -> str:
        return too_many(customers, default_profile())

    def ask_outside(self, customer: Customer, answers: Answers) -> Answers:
        return {"asked": ask_for_move(customer=customer, profile=None)}

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        unpin_customer(customer=customer, reason=answers["reason"], asked=answers.get("asked"))
        return f"{customer} follows the default profile again. {_KEPT}"


class OwnSettings(Verb[Customer]):
    slug = "own-settings"
    label = "Change own settings"
    permission = "customers.change_customeroverride"
    form = OwnSettingsForm
    in_bar = False

    def asks(self, customer: Customer) -> str:
        return f"In which settings is {customer} to differ from their profile?"

    def consequences(self, customer: Customer) -> list[str]:
        return ["What is left empty follows the profile.", "Issued invoices and drafts stay."]

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return _deleted(customer)

    def initial(self, customer: Customer) -> dict[str, Any]:
        override = override_of(customer)
        said = profile_values(terms_of([customer.pk])[customer.pk].profile)
        return initial_of(override_values(override) if override else {}, said_by_profile=said)

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        pinned = _pinned_to(customer)
        after = terms_if(override_of(customer), loaded(pinned) if pinned else None, own=workflow_of(answers))
        return terms_review(customer, terms_of([customer.pk])[customer.pk], after, with_money=False)

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        workflow = workflow_of(answers)
        override_fields(customer=customer, workflow=workflow, reason=answers["reason"])
        own = sum(1 for value in workflow.values() if value is not None)
        return f"{customer} has {counted(own, 'setting')} of their own. {_KEPT}"


class RemoveOverride(Verb[Customer]):
    slug = "remove-override"
    label = "Remove override"
    permission = "customers.delete_customeroverride"
    tone = "danger"
    in_bar = False

    def asks(self, customer: Customer) -> str:
        return f"Remove the pin and all settings that {customer} has of their own?"

    def consequences(self, customer: Customer) -> list[str]:
        return ["They follow the default profile in everything, from their next invoice on."]

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return _deleted(customer) or ("" if _has_own(customer) else "There is nothing to remove.")

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        causes = causes_of_move(customer=customer, profile=None)
        return terms_review(customer, terms_of([customer.pk])[customer.pk], terms_if(None, None), causes)

    def ask_outside(self, customer: Customer, answers: Answers) -> Answers:
        return {"asked": ask_for_move(customer=customer, profile=None)}

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        remove_override(customer=customer, reason=answers["reason"], asked=answers.get("asked"))
        return f"{customer} has nothing of their own any more and follows the default profile. {_KEPT}"


class SetStripe(Verb[Customer]):
    slug = "stripe-customer"
    label = "Set Stripe customer"
    permission = STRIPE_RIGHT
    form = StripeForm
    in_bar = False

    def asks(self, customer: Customer) -> str:
        return f"Which customer of Stripe is {customer}?"

    def consequences(self, customer: Customer) -> list[str]:
        known = [f"{app} knows them as {name} now." for app, name in known_at_stripe(customer).items()]
        return [
            *(known or ["No Stripe app knows them yet."]),
            "Charges through the app go to the customer given here from now on, and to its default payment method.",
        ]

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return _deleted(customer) or ("" if stripe_apps().exists() else "No Stripe app is installed.")

    def initial(self, customer: Customer) -> dict[str, Any]:
        known, bills = known_at_stripe(customer), terms_of([customer.pk])[customer.pk].profile.app
        app = bills if bills.type == AppType.STRIPE else next(iter(known), None) or stripe_apps().first()
        return {"app": app, "stripe_customer_id": known.get(app, "") if app else ""}

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        app, external_id = answers["app"], answers["stripe_customer_id"]
        check = ask_stripe(app=app, stripe_customer_id=external_id, payment_method=None)
        keep_stripe_customer(customer=customer, app=app, stripe_customer_id=external_id, payment_method=None)
        said = f"{customer} is {external_id} at {app}."
        return Warned(f"{said} {check.message} A charge fails while that is so.") if check.problem else said


MOVES = (Pin(), Unpin())
SETTINGS_VERBS = (OwnSettings(), SetStripe(), RemoveOverride())
