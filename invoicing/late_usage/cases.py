"""Writes cases: opens one for each settled window with late usage, lets it follow what comes in, and closes those in
which nothing is late any more."""

import uuid
from collections.abc import Mapping, Sequence

from core import clock
from core.audit.actors import current_actor
from core.money import round_money
from invoicing.choices import LateUsageState
from invoicing.late_usage.judge import LateUsage
from invoicing.lifecycle.look_anew import look_anew
from invoicing.models import LateUsageCase
from invoicing.rating.explanation_json import to_stored

_FIGURES = ["settled_quantity", "quantity", "events", "net", "explain", "usage_since", "period_end", "updated_at"]
_DECISION = ["state", "decided_at", "decided_by", "reason", "line", "credit_note", "updated_at"]
NOTHING_LATE = "Its usage comes to what was billed."


def keep_open(late: Mapping[uuid.UUID, LateUsage], known: Mapping[uuid.UUID, LateUsageCase]) -> list[LateUsageCase]:
    """The open case of each of these windows with its figures of now: of `known` ones, and new ones. In the transaction
    that holds the customers' locks. Two statements, and one where there are new ones."""
    new, changed, kept = [], [], []
    for window_id, found in late.items():
        case = known.get(window_id)
        if case is None:
            case = _case(found)
            new.append(case)
        elif _differs(case, found):
            set_figures(case, found)
            changed.append(case)
        kept.append(case)
    LateUsageCase.objects.bulk_create(new)
    LateUsageCase.objects.bulk_update(changed, _FIGURES)
    look_anew([case.window_id for case in new])
    return kept


def set_figures(case: LateUsageCase, late: LateUsage) -> None:
    """Give a case, in memory, the figures of now."""
    case.settled_quantity, case.quantity, case.events = late.settled_quantity, late.quantity, late.events
    case.net, case.explain = round_money(late.net, late.currency), to_stored(late.explanation)
    case.usage_since, case.period_end = late.usage_since, late.obligation.end
    case.updated_at = clock.now()


def decide(case: LateUsageCase, state: LateUsageState, *, reason: str) -> None:
    """Give a case, in memory, a decision of whoever acts."""
    case.state, case.reason = state, reason
    case.decided_at = case.updated_at = clock.now()
    case.decided_by = current_actor().label


def save_decided(cases: Sequence[LateUsageCase]) -> None:
    """Store what was decided, with the figures that it was decided by. Two statements."""
    LateUsageCase.objects.bulk_update(cases, [*_FIGURES[:-1], *_DECISION])
    look_anew([case.window_id for case in cases])


def absorb(cases: Sequence[LateUsageCase], *, why: str = NOTHING_LATE) -> None:
    """Close cases in which nothing is late any more. Two statements."""
    for case in cases:
        decide(case, LateUsageState.ABSORBED, reason=why)
    LateUsageCase.objects.bulk_update(cases, _DECISION)
    look_anew([case.window_id for case in cases])


def _differs(case: LateUsageCase, late: LateUsage) -> bool:
    return (case.settled_quantity, case.quantity, case.events, case.net, case.period_end) != (
        late.settled_quantity,
        late.quantity,
        late.events,
        late.net,
        late.obligation.end,
    )


def _case(late: LateUsage) -> LateUsageCase:
    obligation = late.obligation
    case = LateUsageCase(
        customer_id=obligation.subscription.customer_id,
        subscription_id=obligation.subscription.id,
        item_id=obligation.item.id,
        window_id=late.window_id,
        name=obligation.revision.name,
        feature_key=obligation.revision.feature_key,
        period_start=obligation.start,
        currency=late.currency,
    )
    set_figures(case, late)
    return case
