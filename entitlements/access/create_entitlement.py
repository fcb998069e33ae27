"""Entitles a customer to a feature."""

from datetime import datetime

from django.db import IntegrityError, transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem
from core.ids import to_text
from core.rest.lookups import missing
from customers.models import Customer
from entitlements.access.burndown import Rhythm
from entitlements.access.entitlement_input import (
    PERIOD_START,
    EntitlementInput,
    Manager,
    entitlement_problems,
    feature_of,
)
from entitlements.access.facts import cadence_stored
from entitlements.access.grant_input import GrantInput, grant_row
from entitlements.access.intervals import iso_of
from entitlements.choices import EntitlementType
from entitlements.errors import BadEntitlement, EntitlementTaken
from entitlements.models import Entitlement, Feature, Grant


@transaction.atomic
def create_entitlement(
    *,
    customer: Customer,
    entitlement: EntitlementInput,
    active_from: datetime | None = None,
    active_to: datetime | None = None,
    manager: Manager | None = None,
) -> Entitlement:
    """Entitle `customer` from `active_from` (UTC; None: now) to `active_to` (billing rules 9). Usage periods fall on
    the anchor's wall time in the customer's time zone of today, which the entitlement keeps.

    Raises `BadEntitlement` with every field at fault, `EntitlementTaken` (Conflict) where the customer is entitled to
    the feature at any time of it already.
    """
    # One at a time for a customer: two that wait for each other's row at the constraint would be a deadlock.
    locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if locked.deleted_at is not None:
        raise missing("customer", customer.pk)
    start = clock.now() if active_from is None else active_from
    feature, problems = feature_of(entitlement)
    problems += entitlement_problems(entitlement, feature, locked.time_zone, start)
    if feature is None or problems:
        raise refusal(problems)
    row = _row(entitlement, locked, feature, start)
    row.active_to = active_to
    if manager is not None:
        row.managed_by, row.managed_in = manager.item_id, manager.subscription_id
        row.managed_keys = dict(manager.keys)
    _refuse_second(row)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "one_entitlement_per_feature" not in str(error):
            raise
        raise taken(row.customer, row.feature_key, None) from error
    Grant.objects.bulk_create(_grants(entitlement, row))
    record(
        verb="entitlement.created",
        target=row,
        did=f"entitled {locked} to {feature.key} ({row.get_type_display().lower()})",
        customer_id=locked.pk,
    )
    return row


def refusal(problems: list[FieldProblem]) -> BadEntitlement:
    """The error that names all of `problems`."""
    said = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
    return BadEntitlement(f"The entitlement was not saved. {said}", problems=problems)


def _row(entitlement: EntitlementInput, customer: Customer, feature: Feature, start: datetime) -> Entitlement:
    row = Entitlement(
        customer=customer,
        feature=feature,
        feature_key=feature.key,
        type=entitlement.type,
        active_from=start,
        metadata=dict(entitlement.metadata),
        config=entitlement.config,
        time_zone=customer.time_zone,
    )
    if entitlement.usage_period is not None:
        interval, anchor = entitlement.usage_period
        row.usage_period, row.usage_period_anchor = iso_of(interval), anchor or start
    if entitlement.type == EntitlementType.METERED:
        row.soft_limit, row.preserve_overage = entitlement.soft_limit, entitlement.preserve_overage
        if entitlement.issue is not None:
            row.issue_after_reset, row.issue_priority = entitlement.issue
        row.measure_usage_from = _measured_from(entitlement, row)
    return row


def _measured_from(entitlement: EntitlementInput, row: Entitlement) -> datetime:
    measured = entitlement.measure_usage_from
    if isinstance(measured, datetime):
        return measured
    if measured == PERIOD_START and row.usage_period is not None and row.usage_period_anchor is not None:
        rhythm = Rhythm(row.usage_period_anchor, cadence_stored(row.usage_period), row.time_zone)
        return rhythm.period(row.active_from).start
    return row.active_from


def _grants(entitlement: EntitlementInput, row: Entitlement) -> list[Grant]:
    issued = issued_grant(row)
    return [*([] if issued is None else [issued]), *(grant_row(row, grant) for grant in entitlement.grants)]


def issued_grant(row: Entitlement) -> Grant | None:
    """The grant that each reset refills, where a usage period begins with any."""
    amount, since = row.issue_after_reset, row.measure_usage_from
    if not amount or since is None:
        return None
    issued = GrantInput(
        amount=amount, priority=row.issue_priority, effective_at=since, max_rollover=amount, min_rollover=amount
    )
    return grant_row(row, issued, issued=True)


def _refuse_second(row: Entitlement) -> None:
    others = Entitlement.objects.filter(customer=row.customer, feature_key=row.feature_key)
    if row.active_to is not None:
        others = others.filter(active_from__lt=row.active_to)
    for other in others.order_by("active_from"):
        ends = other.active_to
        if ends is None or (ends > row.active_from and ends > other.active_from):
            raise taken(row.customer, row.feature_key, other)


def taken(customer: Customer, feature_key: str, other: Entitlement | None) -> EntitlementTaken:
    """The error that names which entitlement to the feature the customer has at that time already."""
    named = "an entitlement" if other is None else f"the entitlement {to_text(other.pk)}"
    return EntitlementTaken(
        f"{customer} has {named} to {feature_key} at that time already; nothing was created. Delete it first, "
        "or override it."
    )
