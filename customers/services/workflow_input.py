"""Checks what is said about the workflow of invoices: by a profile, or by a customer who differs from theirs."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.errors import BillingError, FieldProblem, InvalidInput
from core.money import exponent
from core.periods import parse_cadence, parse_duration
from customers.choices import CollectionAlignment
from customers.settings_layers import WORKFLOW_FIELDS

# Where each field is on the wire, so that a problem names it as the caller wrote it.
WIRE_FIELDS = {
    "collection_alignment": "workflow.collection.alignment.type",
    "collection_cadence": "workflow.collection.alignment.recurringPeriod.interval",
    "collection_anchor": "workflow.collection.alignment.recurringPeriod.anchor",
    "collection_interval": "workflow.collection.interval",
    "auto_advance": "workflow.invoicing.autoAdvance",
    "draft_period": "workflow.invoicing.draftPeriod",
    "due_after": "workflow.invoicing.dueAfter",
    "collection_method": "workflow.payment.collectionMethod",
    "late_usage": "workflow.invoicing.lateUsage",
    "progressive_billing": "workflow.invoicing.progressiveBilling",
    "progressive_threshold": "workflow.invoicing.progressiveBillingThreshold.amount",
    "progressive_threshold_currency": "workflow.invoicing.progressiveBillingThreshold.currency",
    "tax_enabled": "workflow.tax.enabled",
    "tax_enforced": "workflow.tax.enforced",
    "tax_behavior": "workflow.invoicing.defaultTaxConfig.behavior",
    "tax_code": "workflow.invoicing.defaultTaxConfig.stripe.code",
    "dunning_days": "workflow.payment.dunningDays",
    "uncollectible_after_dunning": "workflow.payment.uncollectibleAfterDunning",
}
_DURATIONS = ("collection_interval", "draft_period", "due_after")
_LONGEST_DAYS = 3660
_MOST_RETRIES = 20


def check_workflow(values: Mapping[str, Any]) -> None:
    """Raise `InvalidInput` naming every field at fault. Fields that are left out, or None, say nothing;
    ValueError for one that is none of the workflow, which no caller lets through."""
    unknown = set(values) - set(WORKFLOW_FIELDS)
    if unknown:
        raise ValueError(f"Not fields of the workflow: {sorted(unknown)}")
    problems = [
        *_duration_problems(values),
        *_rhythm_problems(values),
        *_threshold_problems(values),
        *_dunning_problems(values.get("dunning_days")),
    ]
    if problems:
        said = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise InvalidInput(f"Nothing was saved. {said}", code="invalid_workflow", problems=problems)


def _duration_problems(values: Mapping[str, Any]) -> list[FieldProblem]:
    problems = []
    for field in _DURATIONS:
        text = values.get(field)
        if text is None:
            continue
        try:
            duration = parse_duration(text, field=WIRE_FIELDS[field])
        except BillingError as error:
            problems.append(_problem(field, "bad_duration", error.message))
            continue
        if duration.months * 31 + duration.days + duration.seconds // 86_400 > _LONGEST_DAYS:
            problems.append(_problem(field, "too_long", "Longer than ten years."))
    return problems


def _rhythm_problems(values: Mapping[str, Any]) -> list[FieldProblem]:
    cadence, anchor = values.get("collection_cadence") or None, values.get("collection_anchor")
    if cadence is not None:
        try:
            parse_cadence(cadence, field=WIRE_FIELDS["collection_cadence"])
        except BillingError as error:
            return [_problem("collection_cadence", "unknown_cadence", error.message)]
    if values.get("collection_alignment") == CollectionAlignment.ANCHORED and (cadence is None or anchor is None):
        message = "An anchored collection needs a recurring period: an interval and an anchor."
        return [FieldProblem("workflow.collection.alignment.recurringPeriod", "required", message)]
    return []


def _threshold_problems(values: Mapping[str, Any]) -> list[FieldProblem]:
    threshold, currency = values.get("progressive_threshold"), values.get("progressive_threshold_currency") or None
    if (threshold is None) != (currency is None):
        return [_problem("progressive_threshold", "incomplete", "Give the amount and its currency together.")]
    if threshold is None or currency is None:
        return []
    if Decimal(threshold) <= 0:
        return [_problem("progressive_threshold", "not_positive", "Must be greater than zero.")]
    try:
        exponent(currency)
    except BillingError as error:
        return [_problem("progressive_threshold_currency", error.code, error.message)]
    return []


def _dunning_problems(days: Sequence[Any] | None) -> list[FieldProblem]:
    if days is None:
        return []
    whole = all(isinstance(day, int) and not isinstance(day, bool) for day in days)
    if not whole or any(not 1 <= day <= _LONGEST_DAYS for day in days) or list(days) != sorted(set(days)):
        return [_problem("dunning_days", "bad_days", "Whole days after the first failure, from 1 on, each later.")]
    if len(days) > _MOST_RETRIES:
        return [_problem("dunning_days", "too_many", f"At most {_MOST_RETRIES} retries.")]
    return []


def _problem(field: str, code: str, message: str) -> FieldProblem:
    return FieldProblem(WIRE_FIELDS[field], code, message)
