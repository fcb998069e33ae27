"""Adding, changing and deleting rules."""

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem
from core.ids import to_text
from core.money import to_wire
from core.notifications.choices import ABOUT_FEATURES, EventType, ThresholdType
from core.notifications.errors import BadRule
from core.notifications.models import Rule
from core.notifications.selectors import channels_by_id

# A threshold: its type and its value.
Thresholds = Sequence[tuple[str, Decimal]]

MOST_THRESHOLDS = 10
_MOST_CHANNELS = 10
_MOST_FEATURES = 100


@transaction.atomic
def create_rule(
    *,
    type: str,
    name: str,
    channel_ids: Sequence[uuid.UUID],
    thresholds: Thresholds = (),
    feature_ids: Sequence[uuid.UUID] = (),
    disabled: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Rule:
    """Store a new rule. Whoever calls has looked that there are such features.

    Raises `BadRule` for channels that are not there, and for thresholds that are missing or that its type has not.
    """
    _refuse(_problems(type, channel_ids, thresholds, feature_ids))
    rule = Rule.objects.create(
        type=type,
        name=name,
        thresholds=_stored(thresholds),
        feature_ids=list(feature_ids),
        disabled=disabled,
        metadata=dict(metadata or {}),
    )
    rule.channels.set(channels_by_id(channel_ids).values())
    record(verb="rule.created", target=rule, did=f"created the notification rule {rule} for {rule.type}")
    return rule


@transaction.atomic
def update_rule(
    *,
    rule: Rule,
    type: str,
    name: str,
    channel_ids: Sequence[uuid.UUID],
    thresholds: Thresholds = (),
    feature_ids: Sequence[uuid.UUID] = (),
    disabled: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Rule:
    """Replace what a rule says, but for its type, which what it has told depends on. Nothing changed: nothing is
    written. Raises `BadRule` as above, and for another type."""
    rule = Rule.objects.select_for_update().get(pk=rule.pk)
    problems = _problems(type, channel_ids, thresholds, feature_ids)
    if type != rule.type:
        message = f"A rule keeps its type, {rule.type}: make another rule."
        problems.append(FieldProblem("type", "fixed", message))
    _refuse(problems)
    values = {
        "name": name,
        "thresholds": _stored(thresholds),
        "feature_ids": list(feature_ids),
        "disabled": disabled,
        "metadata": dict(metadata or {}),
    }
    changes = {key: [getattr(rule, key), value] for key, value in values.items() if getattr(rule, key) != value}
    if "feature_ids" in changes:
        changes["feature_ids"] = [[to_text(each) for each in side] for side in changes["feature_ids"]]
    former = sorted(rule.channels.values_list("pk", flat=True))
    if former != sorted(set(channel_ids)):
        changes["channels"] = [[to_text(each) for each in former], [to_text(each) for each in sorted(set(channel_ids))]]
        rule.channels.set(channels_by_id(channel_ids).values())
    if not changes:
        return rule
    for key, value in values.items():
        setattr(rule, key, value)
    rule.save(update_fields=[*values, "updated_at"])
    said = ", ".join(sorted(changes)).replace("_ids", "s")
    record(verb="rule.changed", target=rule, did=f"changed the notification rule {rule}: {said}", changes=changes)
    return rule


@transaction.atomic
def delete_rule(*, rule: Rule) -> None:
    """Delete a rule: nothing more is told by it; what it told stays. Again: nothing happens."""
    rule = Rule.objects.select_for_update().get(pk=rule.pk)
    if rule.deleted_at is None:
        rule.deleted_at = clock.now()
        rule.save(update_fields=["deleted_at", "updated_at"])
        record(verb="rule.deleted", target=rule, did=f"deleted the notification rule {rule}")


def _problems(
    type: str, channel_ids: Sequence[uuid.UUID], thresholds: Thresholds, feature_ids: Sequence[uuid.UUID]
) -> list[FieldProblem]:
    problems = []
    missing = [to_text(each) for each in set(channel_ids) - set(channels_by_id(channel_ids))]
    if not channel_ids:
        problems.append(FieldProblem("channels", "required", "Name at least one channel."))
    elif len(channel_ids) > _MOST_CHANNELS:
        problems.append(FieldProblem("channels", "too_many", f"A rule has at most {_MOST_CHANNELS} channels."))
    elif missing:
        message = f"There is no channel {', '.join(sorted(missing))}."
        problems.append(FieldProblem("channels", "channel_not_found", message))
    if feature_ids and type not in ABOUT_FEATURES:
        problems.append(FieldProblem("features", "not_here", f"{type} is not about features."))
    if len(feature_ids) > _MOST_FEATURES:
        problems.append(FieldProblem("features", "too_many", f"A rule names at most {_MOST_FEATURES} features."))
    return [*problems, *_threshold_problems(type, thresholds)]


def _threshold_problems(type: str, thresholds: Thresholds) -> list[FieldProblem]:
    if type != EventType.BALANCE_THRESHOLD:
        return [FieldProblem("thresholds", "not_here", f"{type} has no thresholds.")] if thresholds else []
    if not thresholds:
        return [FieldProblem("thresholds", "required", "Give at least one threshold.")]
    if len(thresholds) > MOST_THRESHOLDS:
        return [FieldProblem("thresholds", "too_many", f"A rule has at most {MOST_THRESHOLDS} thresholds.")]
    problems = []
    for position, (kind, value) in enumerate(thresholds):
        if kind not in ThresholdType.values:
            known = ", ".join(ThresholdType.values)
            problems.append(FieldProblem(f"thresholds.{position}.type", "invalid_choice", f"Choose from: {known}."))
        if value < 0:
            problems.append(FieldProblem(f"thresholds.{position}.value", "negative", "Must not be negative."))
    if len(set(thresholds)) < len(thresholds):
        problems.append(FieldProblem("thresholds", "repeated", "Give each threshold once."))
    return problems


def _stored(thresholds: Thresholds) -> list[dict[str, Any]]:
    # As text: what is stored as a JSON number would be read as a float.
    return [{"type": str(kind), "value": to_wire(value)} for kind, value in thresholds]


def _refuse(problems: list[FieldProblem]) -> None:
    if problems:
        said = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise BadRule(f"The rule was not saved. {said}", problems=problems)
