"""What a grant is given as, and whether it can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from core.errors import FieldProblem
from entitlements.access.intervals import EXPIRATIONS, cadence_of, expiry, iso_of
from entitlements.models import Entitlement, Grant

MOST: Final = Decimal(10) ** 15
PLACES: Final = 12
MAX_PRIORITY: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantInput:
    """`amount` of usage from `effective_at` (UTC) on, for `expiration` (unit, count) if that is given. `max_rollover`
    None: all of it. `recurrence` (interval, anchor; None: from `effective_at`). The lowest `priority` burns first."""

    amount: Decimal
    effective_at: datetime
    priority: int = 1
    expiration: tuple[str, int] | None = None
    max_rollover: Decimal | None = None
    min_rollover: Decimal = Decimal(0)
    recurrence: tuple[str, datetime | None] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)


def amount_problems(name: str, amount: Decimal, *, zero: bool) -> list[FieldProblem]:
    """What is wrong with an amount of usage, by the name of its field."""
    if amount < 0 or (not zero and not amount):
        message = "Must not be negative." if zero else "Must be greater than zero."
        return [FieldProblem(name, "not_positive", message)]
    if amount >= MOST or -int(amount.normalize().as_tuple().exponent) > PLACES:
        message = f"At most 15 digits before the decimal point and {PLACES} after it."
        return [FieldProblem(name, "too_many_digits", message)]
    return []


def priority_problems(name: str, priority: int) -> list[FieldProblem]:
    """What is wrong with a priority, by the name of its field."""
    if 0 <= priority <= MAX_PRIORITY:
        return []
    return [FieldProblem(name, "out_of_range", f"Must be from 0, which burns first, to {MAX_PRIORITY}.")]


def grant_problems(grant: GrantInput, zone: str, path: str = "") -> list[FieldProblem]:
    """What is wrong with `grant`; `path` stands before the names of its fields, as they are on the wire."""
    problems = amount_problems(f"{path}amount", grant.amount, zero=False)
    problems += priority_problems(f"{path}priority", grant.priority)
    if grant.max_rollover is not None:
        problems += amount_problems(f"{path}maxRolloverAmount", grant.max_rollover, zero=True)
    problems += amount_problems(f"{path}minRolloverAmount", grant.min_rollover, zero=True)
    if grant.recurrence is not None and cadence_of(grant.recurrence[0]) is None:
        problems.append(interval_problem(f"{path}recurrence.interval"))
    if grant.expiration is not None:
        unit, count = grant.expiration
        if unit not in EXPIRATIONS:
            message = f"Must be one of {', '.join(EXPIRATIONS)}."
            problems.append(FieldProblem(f"{path}expiration.duration", "unknown_unit", message))
        elif count < 1 or expiry(grant.effective_at, unit, count, zone) is None:
            message = "Must be at least 1, and end before the year 3000."
            problems.append(FieldProblem(f"{path}expiration.count", "out_of_range", message))
    return problems


def interval_problem(name: str) -> FieldProblem:
    """What to say of an interval that is none."""
    message = "Must be DAY, WEEK, MONTH, YEAR or an ISO 8601 duration of whole days or whole months, such as P1M."
    return FieldProblem(name, "not_an_interval", message)


def grant_row(entitlement: Entitlement, grant: GrantInput, *, issued: bool = False) -> Grant:
    """The row for `grant`, which has no problems; not stored."""
    unit, count = grant.expiration or (None, None)
    expires_at = None
    if unit is not None and count is not None:
        expires_at = expiry(grant.effective_at, unit, count, entitlement.time_zone)
    interval, anchor = grant.recurrence or (None, None)
    return Grant(
        entitlement=entitlement,
        amount=grant.amount,
        priority=grant.priority,
        effective_at=grant.effective_at,
        expires_at=expires_at,
        expiration_duration=unit,
        expiration_count=count,
        max_rollover=grant.amount if grant.max_rollover is None else grant.max_rollover,
        min_rollover=grant.min_rollover,
        recurrence=None if interval is None else iso_of(interval),
        recurrence_anchor=None if interval is None else anchor or grant.effective_at,
        issued=issued,
        metadata=dict(grant.metadata),
        annotations=dict(grant.annotations),
    )
