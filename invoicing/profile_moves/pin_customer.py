"""Pins customers to profiles and unpins them, where their business allows the move (billing rules 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import Conflict, FieldProblem, NotFound
from core.locks import lock_customers
from customers.effective_settings import default_profile, terms_of
from customers.errors import ProfileArchived
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.services.record_own_settings import record_own_settings
from customers.services.record_pin import record_pin
from customers.services.record_unpin import record_unpin
from customers.services.workflow_input import check_workflow
from invoicing.errors import MoveBlocked
from invoicing.gateways import GATEWAYS, PaymentMethodCheck
from invoicing.payments.set_stripe_customer import ask_stripe, keep_stripe_customer, refuse_taken
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.causes import Cause, Severity
from invoicing.profile_moves.check_customers import check_customers
from invoicing.profile_moves.limit_moves import count_move
from invoicing.tax_guards.tax_switch import noticing_tax_off
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class Asked:
    """What the app of a move's target said, and of which target: who pins by it pins to that one."""

    target: BillingProfile
    answers: Mapping[Any, PaymentMethodCheck]


def ask_for_move(*, customer: Customer, profile: BillingProfile | None, known_as: str | None = None) -> Asked:
    """Ask the app of `profile` (None: of the default) whether it could collect. Call it outside of a transaction, and
    give what it answers to the move. Raises as `set_stripe_customer`."""
    target = profile or default_profile()
    return Asked(target, _ask(customer, target, known_as))


def override_billing(
    *,
    customer: Customer,
    profile: BillingProfile | None,
    workflow: Mapping[str, Any] | None = None,
    reason: str = "",
    known_as: str | None = None,
    asked: Asked | None = None,
) -> CustomerOverride:
    """Bill the customer by `profile` (None: by whatever is the default) and, given `workflow`, with these own settings.

    Whoever is billed by another profile then is moved: a block refuses it (`MoveBlocked`). Drafts and issued invoices
    keep their terms. Saying the same again changes nothing. With `known_as`, the customer becomes this one at the
    target's Stripe app in the same step, or nothing changes. Call it outside of a transaction, since the target's app
    may be asked, unless it was `asked` before. Raises `InvalidInput`, `ProfileArchived`, `CustomerDeleted`, and as
    `set_stripe_customer`.
    """
    check_workflow(workflow or {})
    if profile is not None and profile.archived_at is not None:
        raise ProfileArchived(f"The profile “{profile}” is archived. {customer} stays where it is: choose another one.")
    asked = asked or ask_for_move(customer=customer, profile=profile, known_as=known_as)
    target, answers = asked.target, asked.answers
    with transaction.atomic():
        lock_customers([customer.pk])
        _hold(target, as_default=profile is None)
        _refuse_blocked(customer, target, answers)
        if known_as:
            keep_stripe_customer(
                customer=customer, app=target.app, stripe_customer_id=known_as, payment_method=None, reason=reason
            )
        if terms_of([customer.pk])[customer.pk].profile != target:
            count_move(customer, target)
        with noticing_tax_off(customer):
            if profile is not None:
                record_pin(customer=customer, profile=profile, reason=reason)
            else:
                record_unpin(customer=customer, reason=reason)
            if workflow is not None:
                record_own_settings(customer=customer, workflow=workflow, reason=reason)
        override, _ = CustomerOverride.objects.select_related("billing_profile").get_or_create(customer=customer)
        return override


def pin_customer(
    *,
    customer: Customer,
    profile: BillingProfile,
    reason: str,
    known_as: str | None = None,
    asked: Asked | None = None,
) -> CustomerOverride:
    """Pin the customer; their own settings stay. As `override_billing`."""
    return override_billing(customer=customer, profile=profile, reason=reason, known_as=known_as, asked=asked)


def unpin_customer(*, customer: Customer, reason: str, asked: Asked | None = None) -> CustomerOverride:
    """Let the customer follow the default again: a move too, which a block refuses. As `override_billing`."""
    return override_billing(customer=customer, profile=None, reason=reason, asked=asked)


def remove_override(*, customer: Customer, reason: str = "", asked: Asked | None = None) -> None:
    """Remove the customer's pin and all settings of their own: a move to the default.

    Raises `MoveBlocked`, and NotFound where there is nothing to remove.
    """
    asked = asked or ask_for_move(customer=customer, profile=None)
    target, answers = asked.target, asked.answers
    with transaction.atomic():
        lock_customers([customer.pk])
        _hold(target, as_default=True)
        override = CustomerOverride.objects.select_for_update().filter(customer=customer).first()
        if override is None:
            raise NotFound(f"{customer} has no override: the default profile applies.", code="override_not_found")
        _refuse_blocked(customer, target, answers)
        if terms_of([customer.pk])[customer.pk].profile != target:
            count_move(customer, target)
        with noticing_tax_off(customer):
            record_unpin(customer=customer, reason=reason)
            CustomerOverride.objects.filter(customer=customer).delete()
        record(
            verb="customer.override_removed",
            target=customer,
            did=f"removed the pin and all settings of their own from {customer}",
            reason=reason,
            customer_id=customer.pk,
        )


def causes_of_move(
    *, customer: Customer, profile: BillingProfile | None, known_as: str | None = None
) -> tuple[Cause, ...]:
    """What stands in the way of billing this customer by `profile` (None: the default), and what stays behind.

    Nothing where they are billed by it already. For pages that show it before anybody confirms. With `known_as` it
    raises as `set_stripe_customer`.
    """
    target = profile or default_profile()
    return _causes(customer, target, _ask(customer, target, known_as))


def _ask(customer: Customer, target: BillingProfile, known_as: str | None = None) -> Mapping[Any, PaymentMethodCheck]:
    """What the target's app says. Without a live subscription there is nothing yet that it would have to collect."""
    if known_as:
        refuse_taken(customer=customer, app=target.app, stripe_customer_id=known_as)
        return {customer.pk: ask_stripe(app=target.app, stripe_customer_id=known_as, payment_method=None)}
    return ask_app([customer.pk], app=target.app) if _would_begin_to_collect(customer, target) else {}


def _would_begin_to_collect(customer: Customer, target: BillingProfile) -> bool:
    moves = terms_of([customer.pk])[customer.pk].profile != target
    return moves and Subscription.objects.filter(still_billed(clock.now()), customer=customer).exists()


def _hold(target: BillingProfile, *, as_default: bool) -> None:
    """Keep the profile as it is until the transaction ends. Conflict where it was the default, and is not any more: the
    app of another one was asked."""
    locked = BillingProfile.objects.select_for_update(no_key=True).get(pk=target.pk)
    if as_default and not locked.is_default:
        raise Conflict(
            f"“{target}” was the default profile a moment ago, and is not any more. Nothing was changed: try again.",
            code="default_switched",
        )


def _causes(customer: Customer, target: BillingProfile, answers: Mapping[Any, PaymentMethodCheck]) -> tuple[Cause, ...]:
    if terms_of([customer.pk])[customer.pk].profile == target:
        return ()
    return check_customers([customer.pk], target=target, answers=answers, now=clock.now())[customer.pk]


def _refuse_blocked(customer: Customer, target: BillingProfile, answers: Mapping[Any, PaymentMethodCheck]) -> None:
    if not answers and target.app.type in GATEWAYS and _would_begin_to_collect(customer, target):
        raise Conflict(
            f"{customer} was moved or subscribed a moment ago, and “{target.app}” was not asked about them. Nothing "
            "was changed: try again.",
            code="changed_meanwhile",
        )
    blocks = [cause for cause in _causes(customer, target, answers) if cause.severity == Severity.BLOCKED]
    if blocks:
        source = terms_of([customer.pk])[customer.pk].profile
        raise MoveBlocked(
            f"{customer} stays on “{source}” and was not moved to “{target}”. "
            + " ".join(cause.message for cause in blocks),
            problems=[FieldProblem("billingProfileId", cause.code.value, cause.message) for cause in blocks],
            context={"causes": [cause.code.value for cause in blocks]},
        )
