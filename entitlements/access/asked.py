"""Reads in one query all that the value of one entitlement comes from, but usage: it is asked before each use.

The rows are those that `selectors`, `chains` and `snapshots` read for many, with a query for each kind. Of their
columns, those that no value needs are deferred.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import DateTimeField, DecimalField, Field, ForeignKey, Model, UUIDField
from django.db.models.base import ModelState

from core.ids import from_text
from core.prepared import prepared_cursor
from core.rest.lookups import MAX_KEY_LENGTH, missing
from customers.attribution import Attribution
from entitlements.models import BalanceSnapshot, Entitlement, EntitlementReset, Feature, Grant, Meter

M = TypeVar("M", bound=Model)


class Addressed(Enum):
    """Whose entitlement is asked for: that of a customer, by id or key, or of whoever has a subject now."""

    CUSTOMER = "customer"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class LoadedFacts:
    """What balances come from, where it is loaded already: the entitlements that others continue and the last
    snapshots up to the moment in question, by id; whose usage is a customer's; whether any of it was taken back."""

    earlier: Mapping[uuid.UUID, Entitlement]
    subjects: Mapping[uuid.UUID, tuple[Attribution, ...]]
    snapshots: Mapping[uuid.UUID, BalanceSnapshot]
    any_reversed: bool


class _Rows(Generic[M]):
    """How rows of a model come as arrays in JSON; amounts as texts, so that no digit is lost."""

    def __init__(self, model: type[M], alias: str, *columns: str) -> None:
        fields = [field for field in model._meta.concrete_fields if field.attname in columns]
        assert len(fields) == len(columns), columns
        self._model = model
        self._names = [field.attname for field in fields]
        self._readers = [_reader_of(field) for field in fields]
        self.table = f"{model._meta.db_table} {alias}"
        self.array = "json_build_array({})".format(
            ", ".join(
                f"{alias}.{field.column}{'::text' if isinstance(field, DecimalField) else ''}" for field in fields
            )
        )

    def row(self, values: Sequence[Any]) -> M:
        # As Django reads rows, without its way through `__init__`: some eight are made for each value.
        row = self._model.__new__(self._model)
        row._state = ModelState()
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
        vars(row).update(
            (name, value if reader is None or value is None else reader(value))
            for name, reader, value in zip(self._names, self._readers, values, strict=True)
        )
        return row


def _reader_of(field: "Field[Any, Any]") -> Any:
    if isinstance(field, ForeignKey):
        field = field.target_field
    if isinstance(field, UUIDField):
        return uuid.UUID
    if isinstance(field, DateTimeField):
        return datetime.fromisoformat
    return Decimal if isinstance(field, DecimalField) else None


_ENTITLEMENTS: Final = _Rows(
    Entitlement,
    "e",
    *("id", "customer_id", "feature_id", "feature_key", "type", "active_from", "active_to", "deleted_at", "config"),
    *("soft_limit", "preserve_overage", "measure_usage_from", "usage_period", "usage_period_anchor", "time_zone"),
    *("managed_in", "continues_id", "resets_usage"),
)
_GRANTS: Final = _Rows(
    Grant,
    "g",
    *("id", "entitlement_id", "created_at", "amount", "priority", "effective_at", "expires_at", "voided_at"),
    *("max_rollover", "min_rollover", "recurrence", "recurrence_anchor", "issued"),
)
_RESETS: Final = _Rows(EntitlementReset, "r", "id", "entitlement_id", "at", "anchor", "preserve_overage")
_FEATURE: Final = _Rows(Feature, "f", "id", "key", "meter_id", "meter_filters")
_METER: Final = _Rows(Meter, "m", "id", "key", "event_type", "aggregation", "value_property", "group_by", "event_from")
_SNAPSHOT: Final = _Rows(BalanceSnapshot, "b", "id", "entitlement_id", "at", "facts", "events", "reversals", "state")

_OWNERS: Final = {
    Addressed.CUSTOMER: """
        SELECT c.id FROM customers_customer c WHERE c.deleted_at IS NULL AND (c.id = %(owner_id)s OR c.key = %(owner)s)
        ORDER BY c.id = %(owner_id)s DESC NULLS LAST LIMIT 1
    """,
    Addressed.SUBJECT: """
        SELECT c.id FROM customers_usagesubject s JOIN customers_customer c ON c.id = s.customer_id
        WHERE s.key = %(owner)s AND s.deleted_at IS NULL AND c.deleted_at IS NULL
    """,
}
_BY_ID: Final = "e.id = %(id)s"
_BY_FEATURE: Final = (
    "e.feature_key = %(key)s AND e.active_from <= %(moment)s AND (e.active_to IS NULL OR e.active_to > %(moment)s)"
)
# An entitlement goes on with those that subscriptions managed before, one behind the other. UNION ends where they form
# a ring.
_STATEMENT: Final = f"""
    WITH RECURSIVE owner AS MATERIALIZED ({{owner}}), asked AS MATERIALIZED (
        SELECT e.id, e.continues_id, e.feature_id FROM owner JOIN {_ENTITLEMENTS.table} ON e.customer_id = owner.id
        WHERE {{asked}} LIMIT 1
    ), chain AS (
        SELECT id, continues_id FROM asked
        UNION
        SELECT e.id, e.continues_id FROM chain JOIN {_ENTITLEMENTS.table} ON e.id = chain.continues_id
        WHERE e.managed_in IS NOT NULL
    ), metered AS MATERIALIZED (
        SELECT {_FEATURE.array} AS feature, CASE WHEN m.id IS NOT NULL THEN {_METER.array} END AS meter, m.event_type
        FROM asked JOIN {_FEATURE.table} ON f.id = asked.feature_id LEFT JOIN {_METER.table} ON m.id = f.meter_id
    )
    SELECT json_build_array(
        (SELECT id FROM asked),
        (SELECT feature FROM metered),
        (SELECT meter FROM metered),
        (SELECT json_agg({_ENTITLEMENTS.array}) FROM chain JOIN {_ENTITLEMENTS.table} ON e.id = chain.id),
        (SELECT json_agg({_GRANTS.array}) FROM chain JOIN {_GRANTS.table} ON g.entitlement_id = chain.id),
        (SELECT json_agg({_RESETS.array} ORDER BY r.at) FROM chain JOIN {_RESETS.table} ON r.entitlement_id = chain.id),
        (SELECT json_agg(json_build_array(s.key, s.active_from, s.deleted_at) ORDER BY s.id)
            FROM customers_usagesubject s WHERE s.customer_id = owner.id),
        (SELECT {_SNAPSHOT.array} FROM asked JOIN {_SNAPSHOT.table} ON b.entitlement_id = asked.id
            WHERE b.at <= %(moment)s ORDER BY b.at DESC LIMIT 1),
        EXISTS (SELECT 1 FROM metered JOIN entitlements_eventreversal v ON v.type = metered.event_type
            JOIN customers_usagesubject s ON s.key = v.subject WHERE s.customer_id = owner.id)
    )::text FROM owner
"""
_STATEMENTS: Final = {
    (addressed, asked): _STATEMENT.format(owner=owner, asked=asked)
    for addressed, owner in _OWNERS.items()
    for asked in (_BY_ID, _BY_FEATURE)
}


def read_asked(
    addressed: Addressed, owner: str, id_or_feature_key: str, moment: datetime
) -> tuple[Entitlement, LoadedFacts]:
    """The customer's entitlement with this id, or the one to the feature with this key that is active at `moment`
    (UTC), and what its value then comes from. One query.

    `NotFound` where there is no such customer (one who is deleted is none), subject or entitlement.
    """
    if len(owner) > MAX_KEY_LENGTH:
        raise missing(addressed.value, owner)
    identity = from_text(id_or_feature_key)
    parameters = {"owner": owner, "owner_id": from_text(owner), "moment": moment}
    parameters |= {"id": identity} if identity else {"key": id_or_feature_key}
    with prepared_cursor() as cursor:
        cursor.run(_STATEMENTS[addressed, _BY_ID if identity else _BY_FEATURE], parameters)
        row = cursor.fetchone()
    if row is None:
        raise missing(addressed.value, owner)
    return _loaded(id_or_feature_key, *json.loads(row[0]))


def _loaded(
    text: str,
    asked: str | None,
    feature: list[Any] | None,
    meter: list[Any] | None,
    entitlements: list[list[Any]] | None,
    grants: list[list[Any]] | None,
    resets: list[list[Any]] | None,
    subjects: list[list[Any]] | None,
    snapshot: list[Any] | None,
    any_reversed: bool,
) -> tuple[Entitlement, LoadedFacts]:
    if asked is None or feature is None:
        raise missing("entitlement", text)
    rows = {row.pk: row for row in map(_ENTITLEMENTS.row, entitlements or ())}
    found = rows[uuid.UUID(asked)]
    found.feature = _FEATURE.row(feature)
    found.feature.meter = None if meter is None else _METER.row(meter)
    for each in rows.values():
        # Where prefetching leaves what it found.
        vars(each)["_prefetched_objects_cache"] = {"grants": [], "resets": []}
    for grant in map(_GRANTS.row, grants or ()):
        vars(rows[grant.entitlement_id])["_prefetched_objects_cache"]["grants"].append(grant)
    for reset in map(_RESETS.row, resets or ()):
        vars(rows[reset.entitlement_id])["_prefetched_objects_cache"]["resets"].append(reset)
    owned = tuple(Attribution(key, _time(start), _time(end)) for key, start, end in subjects or ())
    snapshots = {} if snapshot is None else {found.pk: _SNAPSHOT.row(snapshot)}
    return found, LoadedFacts(rows, {found.customer_id: owned}, snapshots, any_reversed)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
