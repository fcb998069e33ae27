"""Whether a customer may use a feature at a moment, and how much of it is left: what is asked before each use."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from entitlements.access.asked import Addressed, LoadedFacts, read_asked
from entitlements.access.balances import burndowns_of, standings_at
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement


@dataclass(frozen=True, slots=True)
class AccessValue:
    """Figures are those of a metered entitlement's usage period, in its meter's unit; None of another. `total` is what
    the period had to offer so far. `config` is that of a static one."""

    has_access: bool
    balance: Decimal | None = None
    usage: Decimal | None = None
    overage: Decimal | None = None
    total: Decimal | None = None
    grants: Mapping[uuid.UUID, Decimal] | None = field(default=None)
    config: str | None = None


NO_ACCESS = AccessValue(has_access=False)


def value_of(addressed: Addressed, owner: str, id_or_feature_key: str, moment: datetime) -> AccessValue:
    """The value at `moment` of the entitlement that `read_asked` finds; `NotFound` as there. Two queries where it is
    metered, else one; one more where an event of the customer's was taken back, and as `standings_at`."""
    entitlement, loaded = read_asked(addressed, owner, id_or_feature_key, moment)
    return values_at([entitlement], moment, loaded)[entitlement.pk]


def values_at(
    entitlements: Sequence[Entitlement], moment: datetime, loaded: LoadedFacts | None = None
) -> dict[uuid.UUID, AccessValue]:
    """The value of each at `moment` (billing rules 9): no access outside of its active time; within it, a metered one
    gives access as long as something is left, or always where its limit is soft. A few queries, however many there
    are."""
    active = [each for each in entitlements if is_active(each, moment)]
    metered = [each for each in active if each.type == EntitlementType.METERED]
    standings = standings_at(burndowns_of(metered, loaded), moment, loaded) if metered else {}
    values = dict.fromkeys((each.pk for each in entitlements), NO_ACCESS)
    for each in active:
        if each.pk not in standings:
            values[each.pk] = AccessValue(has_access=True, config=each.config)
            continue
        now = standings[each.pk]
        values[each.pk] = AccessValue(
            has_access=each.soft_limit or now.balance > 0,
            balance=now.balance,
            usage=now.usage,
            overage=now.overage,
            total=now.total,
            grants=now.grants,
        )
    return values


def is_active(entitlement: Entitlement, moment: datetime) -> bool:
    """Whether `moment` is in its active time."""
    end = entitlement.active_to
    return entitlement.active_from <= moment and (end is None or moment < end)
