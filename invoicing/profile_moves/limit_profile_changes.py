"""What one person may not change alone of a profile that many customers follow: it moves them all in place."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from core.admin.words import counted, joined
from core.approvals.limits import may_act_alone, need_second_person
from customers.effective_settings import profile_values
from customers.models import BillingProfile, Customer, Supplier
from customers.selectors import customers_on
from customers.services.profile_input import ProfileInput, whole_workflow
from customers.settings_layers import WORKFLOW_FIELDS
from customers.settings_words import SETTING_LABELS
from invoicing.choices import MigrationStatus, MoveOutcome
from invoicing.models import MigrationItem
from invoicing.tax_guards.losses import worst
from invoicing.tax_guards.profile_losses import Losing, losing_under, note_cuts
from invoicing.tax_guards.tax_switch import tax_off_effect, tax_off_rule

_MOVING = (MigrationStatus.APPROVED, MigrationStatus.RUNNING, MigrationStatus.PAUSED)


def check_profile_change(profile: BillingProfile, replacement: ProfileInput, supplier: Supplier) -> None:
    """`ApprovalNeeded` where the replacement changes the terms of more customers than one person may, or takes tax
    off any that may not lose it so. Customers with a value of their own are not reached. What it takes off is kept, so
    that it adds up: call it before the change."""
    wanted = whole_workflow(replacement.workflow, before=profile)
    if not may_act_alone():
        _check(profile, wanted, supplier)
    note_cuts(customers_on(profile), profile_values(profile), _said(wanted))


def foresee_profile_change(profile_id: uuid.UUID, wanted: Mapping[str, Any], supplier: Supplier) -> None:
    """The same of the settings `wanted`, for pages that say so beforehand; others in it are not read."""
    if not may_act_alone():
        _check(BillingProfile.objects.get(pk=profile_id), wanted, supplier)


def _check(profile: BillingProfile, wanted: Mapping[str, Any], supplier: Supplier) -> None:
    changed = [name for name in WORKFLOW_FIELDS if getattr(profile, name) != wanted[name]]
    losing = [
        group
        for customers in (customers_on(profile), _on_their_way(profile))
        for group in losing_under(customers, profile_values(profile), _said(wanted))
    ]
    _check_tax(profile, losing)
    everybody = supplier.pk != profile.supplier_id
    reached = _everybody(profile) if everybody else _reached(profile, changed)
    if reached > settings.PROFILE_TWO_PERSON_ABOVE:
        named = joined([SETTING_LABELS[name].lower() for name in changed]) or "supplier"
        _need(f"The {named} of {counted(reached, 'customer')} on “{profile}” would change.")


def check_default_switch(old: BillingProfile, new: BillingProfile, kept: QuerySet[Customer]) -> None:
    """The same for customers who follow the default and would follow another one; `kept` of them are pinned first."""
    if may_act_alone():
        return
    moving = _moving(old, kept)
    _check_tax(new, losing_under(moving, profile_values(old), profile_values(new)))
    moved = moving.count()
    if moved > settings.PROFILE_TWO_PERSON_ABOVE:
        _need(f"{counted(moved, 'customer')} without a pin would be billed by “{new}” instead of “{old}”.")


def note_default_switch(old: BillingProfile, new: BillingProfile, kept: QuerySet[Customer]) -> None:
    """Keep what the switch takes off them, so that it adds up. Before the switch, and behind the lock of all
    customers."""
    note_cuts(_moving(old, kept), profile_values(old), profile_values(new))


def _moving(old: BillingProfile, kept: QuerySet[Customer]) -> QuerySet[Customer]:
    following = customers_on(old).filter(billing_override__billing_profile__isnull=True)
    return following.exclude(pk__in=kept.values("pk"))


def _check_tax(profile: BillingProfile, losing: Sequence[Losing]) -> None:
    """`ApprovalNeeded` where customers of the profile would lose tax, and are too many for one."""
    reached = sum(group.many for group in losing)
    if reached > settings.TAX_OFF_TWO_PERSON_ABOVE:
        whose = f"{counted(reached, 'customer')} on “{profile}”"
        effect = tax_off_effect(whose, worst(group.loss for group in losing))
        need_second_person(rule=tax_off_rule(), effect=effect)


def _said(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as `profile_values` gives them: a text that is empty says nothing."""
    return {name: None if wanted[name] == "" else wanted[name] for name in WORKFLOW_FIELDS}


def _need(effect: str) -> None:
    above = settings.PROFILE_TWO_PERSON_ABOVE
    need_second_person(rule=f"For more than {above} customers at once, a second person approves that.", effect=effect)


def _reached(profile: BillingProfile, fields: list[str]) -> int:
    """How many customers of the profile leave at least one of these fields to it, with those on their way to it."""
    if not fields:
        return 0
    follows = Q(billing_override__isnull=True)
    for name in fields:
        follows |= Q(**{f"billing_override__{name}__isnull": True})
    return customers_on(profile).filter(follows).count() + _on_their_way(profile).filter(follows).count()


def _everybody(profile: BillingProfile) -> int:
    return customers_on(profile).count() + _on_their_way(profile).count()


def _on_their_way(profile: BillingProfile) -> QuerySet[Customer]:
    """Whom an approved migration is still to move here: their move is not approved anew when their turn comes."""
    items = MigrationItem.objects.filter(migration__to_profile=profile, migration__status__in=_MOVING)
    waiting = items.exclude(outcome__in=(MoveOutcome.MOVED, MoveOutcome.TAKEN_BACK))
    return Customer.objects.filter(pk__in=waiting.values("customer_id"), deleted_at=None)
