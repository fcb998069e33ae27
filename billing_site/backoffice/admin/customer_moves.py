"""Changing how customers are billed: pins, their own settings, their id at Stripe. Each is shown before it acts."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core import clock
from core.admin.display import badge
from core.admin.verbs import Answers, ReasonForm, Review, Verb, Warned
from core.admin.words import counted
from core.errors import Forbidden
from core.ids import to_text
from customers.admin.own_settings import OwnSettingsForm, initial_of, workflow_of
from customers.choices import AppType
from customers.effective_settings import (
    Terms,
    default_profile,
    override_values,
    profile_values,
    terms_if,
    terms_of,
    terms_under,
)
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride
from invoicing.admin.profile_moves.causes import VERDICT_TONES, causes_shown
from invoicing.admin.profile_moves.terms_review import known_at_stripe, terms_review
from invoicing.choices import MoveVerdict
from invoicing.customer_guards.override_fields import override_fields
from invoicing.payments.set_stripe_customer import ask_stripe, keep_stripe_customer
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.causes import Cause, CauseCode, severity_of
from invoicing.profile_moves.check_customers import check_customers
from invoicing.profile_moves.limit_moves import why_not_move_all
from invoicing.profile_moves.pin_customer import (
    ask_for_move,
    causes_of_move,
    pin_customer,
    remove_override,
    unpin_customer,
)
from invoicing.tax_guards.tax_switch import foresee_tax_off
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription

STRIPE_RIGHT = "customers.change_customerappdata"
_KEPT = "Open drafts keep their terms."
# What an address has room for.
_MOST_NAMED = 100


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


def _loaded(profile: BillingProfile) -> BillingProfile:
    return BillingProfile.objects.select_related("supplier", "app").get(pk=profile.pk)


def _review_many(customers: Sequence[Customer], target: BillingProfile) -> Review:
    """How each of many customers stands before they are moved to `target`."""
    ids, now = [customer.pk for customer in customers], clock.now()
    terms = terms_of(ids)
    moving = [pk for pk in ids if terms[pk].profile != target]
    found = _causes(moving, target, now)
    rows, blocked = [], 0
    for customer in customers:
        causes = found.get(customer.pk, ())
        verdict = MoveVerdict(severity_of(causes).value)
        blocked += verdict == MoveVerdict.BLOCKED
        rows.append(
            {
                "customer": customer,
                "before": terms[customer.pk].profile,
                "badge": badge(str(verdict.label), VERDICT_TONES[verdict]),
                "causes": causes_shown([cause.as_json() for cause in causes]),
                "stays": customer.pk not in found,
            }
        )
    free = [customer for customer in customers if customer.pk in found and not _is_blocked(found[customer.pk])]
    too_many = why_not_move_all(free, target)
    after = terms_under([customer.pk for customer in free], target)
    waiting = {customer.pk for customer in foresee_tax_off(free, _values(terms), _values(after))}
    for row in rows:
        row["waits"] = row["customer"].pk in waiting
    sources = {terms[customer.pk].profile for customer in free}
    movable = len(rows) - blocked
    context = {
        "rows": rows,
        "target": target,
        "blocked": blocked,
        "staying": len(rows) - len(moving),
        "moving": len(moving) - blocked - len(waiting),
        "waiting": len(waiting),
        "possible": movable,
        "migrate_url": _migration_url(free, sources, target) if too_many else "",
    }
    why_not = "All of them are blocked." if rows and blocked == len(rows) else too_many
    return Review("backoffice/review_moves.html", context, why_not)


def _values(terms: Mapping[uuid.UUID, Terms]) -> dict[uuid.UUID, Mapping[str, Any]]:
    return {pk: theirs.settings.values for pk, theirs in terms.items()}


def _causes(moving: Sequence[uuid.UUID], target: BillingProfile, now: datetime) -> Mapping[uuid.UUID, Sequence[Cause]]:
    live = Subscription.objects.filter(still_billed(now), customer_id__in=moving)
    answers = ask_app(sorted(set(live.order_by().values_list("customer_id", flat=True))), app=target.app)
    return check_customers(moving, target=target, answers=answers, now=now)


def _is_blocked(causes: Sequence[Cause]) -> bool:
    return MoveVerdict(severity_of(causes).value) == MoveVerdict.BLOCKED


def _migration_url(customers: Sequence[Customer], sources: set[BillingProfile], target: BillingProfile) -> str:
    """The draft of a migration that does instead what one person may not: filled in as far as one migration can, which
    moves from one profile."""
    query = {"to_profile": str(target.pk)}
    if len(sources) == 1:
        query["from_profile"] = str(next(iter(sources)).pk)
        if len(customers) <= _MOST_NAMED:
            query["named"] = " ".join(to_text(customer.pk) for customer in customers)
    return f"{reverse('admin:invoicing_profilemigration_add')}?{urlencode(query)}"


def _too_many(customers: Sequence[Customer], target: BillingProfile) -> str:
    """Why one person can't move all of these; "" where they can. Who is blocked moves nowhere and does not count."""
    terms = terms_of([customer.pk for customer in customers])
    moving = [customer for customer in customers if terms[customer.pk].profile != target]
    if not why_not_move_all(moving, target):
        return ""
    found = _causes([customer.pk for customer in moving], _loaded(target), clock.now())
    return why_not_move_all([customer for customer in moving if not _is_blocked(found[customer.pk])], target)


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
        profile, known_as = _loaded(answers["profile"]), answers.get("stripe_customer_id") or None
        causes = causes_of_move(customer=customer, profile=profile, known_as=known_as)
        before = terms_of([customer.pk])[customer.pk]
        review = terms_review(customer, before, terms_if(override_of(customer), profile), causes, known_as=known_as)
        if not known_as and any(cause.code == CauseCode.NO_CUSTOMER_ID for cause in causes):
            return replace(review, why_not=f"{review.why_not} Answer anew: give the customer id at Stripe.")
        return review

    def review_many(self, request: HttpRequest, customers: list[Customer], answers: Answers) -> Review:
        return _review_many(customers, _loaded(answers["profile"]))

    def why_not_many(self, request: HttpRequest, customers: Sequence[Customer], answers: Answers) -> str:
        return _too_many(customers, answers["profile"])

    def ask_outside(self, customer: Customer, answers: Answers) -> Answers:
        known_as = answers.get("stripe_customer_id") or None
        return {"asked": ask_for_move(customer=customer, profile=_loaded(answers["profile"]), known_as=known_as)}

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
        return _review_many(customers, default_profile())

    def why_not_many(self, request: HttpRequest, customers: Sequence[Customer], answers: Answers) -> str:
        return _too_many(customers, default_profile())

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
        after = terms_if(override_of(customer), _loaded(pinned) if pinned else None, own=workflow_of(answers))
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
