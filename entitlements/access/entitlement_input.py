"""What an entitlement is given as, and whether it can be."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from core.errors import FieldProblem
from entitlements.access.grant_input import (
    GrantInput,
    amount_problems,
    grant_problems,
    interval_problem,
    priority_problems,
)
from entitlements.access.intervals import cadence_of
from entitlements.access.usage_needs import MEASURABLE
from entitlements.choices import Aggregation, EntitlementType
from entitlements.models import Feature

NOW, PERIOD_START = "NOW", "CURRENT_PERIOD_START"
PRESETS: Final = (PERIOD_START, NOW)
LONGEST_PAST: Final = timedelta(days=3660)
MAX_CONFIG: Final = 65_536
MAX_GRANTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementInput:
    """Which feature, by its id or key, and how. What only a metered one has: `usage_period` (interval, anchor; None:
    from when it is active), which it needs; `measure_usage_from`, a time or one of `PRESETS`; `issue`, the amount that
    each usage period begins with, and its priority; limits and grants. `config` is a static one's."""

    type: str
    feature_key: str | None = None
    feature_id: uuid.UUID | None = None
    usage_period: tuple[str, datetime | None] | None = None
    measure_usage_from: datetime | str = NOW
    issue: tuple[Decimal, int] | None = None
    soft_limit: bool = False
    preserve_overage: bool = False
    grants: tuple[GrantInput, ...] = ()
    config: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who manages an entitlement: the subscription and its item, with the keys to name them by."""

    subscription_id: uuid.UUID
    item_id: uuid.UUID
    keys: Mapping[str, str] = field(default_factory=dict)


def feature_of(entitlement: EntitlementInput) -> tuple[Feature | None, list[FieldProblem]]:
    """The feature in use that it names, or what is wrong with how it names one."""
    if (entitlement.feature_key is None) == (entitlement.feature_id is None):
        return None, [FieldProblem("featureKey", "one_of_two", "Give either featureKey or featureId.")]
    features = Feature.objects.select_related("meter").filter(archived_at=None)
    if entitlement.feature_key is not None:
        found = features.filter(key=entitlement.feature_key).first()
        name, shown = "featureKey", entitlement.feature_key
    else:
        found = features.filter(pk=str(entitlement.feature_id)).first()
        name, shown = "featureId", "with this id"
    if found is None:
        return None, [FieldProblem(name, "not_found", f"There is no feature {shown} in use.")]
    return found, []


def entitlement_problems(
    entitlement: EntitlementInput, feature: Feature | None, zone: str, active_from: datetime
) -> list[FieldProblem]:
    """What is wrong with it, by the names of its fields on the wire."""
    if entitlement.type == EntitlementType.METERED:
        return _metered_problems(entitlement, feature, zone, active_from)
    only_metered = {
        "issueAfterReset": entitlement.issue is not None,
        "isSoftLimit": entitlement.soft_limit,
        "preserveOverageAtReset": entitlement.preserve_overage,
        "grants": bool(entitlement.grants),
        "measureUsageFrom": entitlement.measure_usage_from != NOW,
    }
    problems = [
        FieldProblem(name, "not_metered", "Only a metered entitlement has this.")
        for name, given in only_metered.items()
        if given
    ]
    problems += _period_problems(entitlement)
    if entitlement.type == EntitlementType.STATIC:
        problems += _config_problems(entitlement.config)
    elif entitlement.config is not None:
        problems.append(FieldProblem("config", "not_static", "Only a static entitlement has a configuration."))
    return problems


def _metered_problems(
    entitlement: EntitlementInput, feature: Feature | None, zone: str, active_from: datetime
) -> list[FieldProblem]:
    problems = _period_problems(entitlement)
    if entitlement.usage_period is None:
        problems.append(FieldProblem("usagePeriod", "required", "A metered entitlement needs a usage period."))
    if entitlement.config is not None:
        problems.append(FieldProblem("config", "not_static", "Only a static entitlement has a configuration."))
    if feature is not None:
        problems += _meter_problems(feature)
    measured = entitlement.measure_usage_from
    if isinstance(measured, str):
        if measured not in PRESETS:
            message = f"Must be a time, or one of {', '.join(PRESETS)}."
            problems.append(FieldProblem("measureUsageFrom", "invalid", message))
    elif measured > active_from:
        message = "Must not be later than the entitlement begins."
        problems.append(FieldProblem("measureUsageFrom", "too_late", message))
    elif measured < active_from - LONGEST_PAST:
        message = f"At most {LONGEST_PAST.days} days before the entitlement begins."
        problems.append(FieldProblem("measureUsageFrom", "too_early", message))
    if entitlement.issue is not None:
        problems += amount_problems("issueAfterReset", entitlement.issue[0], zero=True)
        problems += priority_problems("issueAfterResetPriority", entitlement.issue[1])
    if len(entitlement.grants) > MAX_GRANTS:
        problems.append(FieldProblem("grants", "too_many", f"At most {MAX_GRANTS} at a time."))
    for number, grant in enumerate(entitlement.grants[:MAX_GRANTS]):
        problems += grant_problems(grant, zone, f"grants.{number}.")
    return problems


def _period_problems(entitlement: EntitlementInput) -> list[FieldProblem]:
    if entitlement.usage_period is None or cadence_of(entitlement.usage_period[0]) is not None:
        return []
    return [interval_problem("usagePeriod.interval")]


def _meter_problems(feature: Feature) -> list[FieldProblem]:
    if feature.meter is None:
        message = f"The feature {feature.key} has no meter, so nothing can be used of it. Give it one, or another type."
    elif Aggregation(feature.meter.aggregation) not in MEASURABLE:
        message = (
            f"The meter {feature.meter.key} takes the {feature.meter.get_aggregation_display().lower()}, which uses "
            f"nothing up. A metered entitlement needs {', '.join(sorted(MEASURABLE))}."
        )
    else:
        return []
    return [FieldProblem("featureKey", "not_measurable", message)]


def _config_problems(config: str | None) -> list[FieldProblem]:
    if config is None:
        return [FieldProblem("config", "required", "A static entitlement needs a configuration.")]
    if len(config) > MAX_CONFIG:
        return [FieldProblem("config", "too_long", f"At most {MAX_CONFIG} characters.")]
    try:
        value = json.loads(config, parse_constant=_refuse)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return [FieldProblem("config", "not_an_object", "Must be the text of a JSON object.")]
    return []


def _refuse(word: str) -> None:
    raise ValueError(word)
