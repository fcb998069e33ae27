"""Usage of one meter over time, by window and dimension: what `/meters/{slug}/query` answers.

A value that can't be read as a number (its event came before the meter did) counts as nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from core.ids import from_text
from entitlements.errors import BadQuery
from entitlements.metering.ingest_events import dropped_before
from entitlements.metering.reading import CUSTOMER, MAX_ROWS, SUBJECT, WINDOWS, UsageQuery, UsageRow
from entitlements.metering.store.chosen import USAGE_STORE
from entitlements.metering.store.postgresql import POSTGRESQL
from entitlements.models import Meter

__all__ = [
    "CUSTOMER",
    "MAX_ROWS",
    "SUBJECT",
    "WINDOWS",
    "UsageQuery",
    "UsageRow",
    "group_values",
    "kept_part",
    "plain_query_usage",
    "query_usage",
]


def query_usage(meter: Meter, query: UsageQuery) -> list[UsageRow]:
    """The rows, by time and group; windows without events have none. `BadQuery` for a dimension that the meter doesn't
    have, for a value of "customerId" that is no id, and beyond 10,000 rows."""
    _check_names(meter, (*query.group_by, *query.filters))
    return _not_too_many(USAGE_STORE.query(meter, _by_customer(query)))


def plain_query_usage(meter: Meter, query: UsageQuery) -> list[UsageRow]:
    """The same, read off PostgreSQL's events one by one: what `query_usage` has to equal."""
    _check_names(meter, (*query.group_by, *query.filters))
    return _not_too_many(POSTGRESQL.plain_query(meter, _by_customer(query)))


def kept_part(meter: Meter, query: UsageQuery) -> UsageQuery:
    """The query, from where events are kept on if it reads events and doesn't say from when: the rest of an answer must
    not pass for all of it. `BadQuery` where it asks for more than is kept. Three queries at most, one where nothing was
    dropped. Usage is still known by whole hours of any time, off the rollups."""
    dropped = dropped_before()
    if dropped is None:
        return query
    _check_names(meter, (*query.group_by, *query.filters))
    if not POSTGRESQL.needs_events_before(meter, _by_customer(query), dropped):
        return query
    if query.start is None and (query.end is None or query.end > dropped):
        return replace(query, start=dropped)
    raise BadQuery(
        f"Events of before {dropped:%Y-%m-%dT%H:%M:%SZ} are kept no more, and this query needs them: it asks for "
        "minutes, for customers, or for a part of an hour. Ask from then on, or by subject and by whole hours."
    )


def group_values(meter: Meter, name: str, *, start: datetime | None, end: datetime | None) -> list[str]:
    """The different values of a dimension (or of "subject"), in order; at most 10,000. `BadQuery` for a dimension that
    the meter doesn't have."""
    _check_names(meter, (name,))
    return USAGE_STORE.group_values(meter, name, start=start, end=end)


def _check_names(meter: Meter, names: Iterable[str]) -> None:
    for name in names:
        if name not in meter.group_by and name not in (SUBJECT, CUSTOMER):
            known = ", ".join([*sorted(meter.group_by), SUBJECT, CUSTOMER])
            raise BadQuery(f"The meter {meter.key} doesn't group by {name[:64]}. It groups by: {known}.")


def _by_customer(query: UsageQuery) -> UsageQuery:
    """The query with what its filters say of customers said as `customers`: those that both let through."""
    if CUSTOMER not in query.filters:
        return query
    filters = dict(query.filters)
    asked = []
    for text in filters.pop(CUSTOMER):
        customer = from_text(text)
        if customer is None:
            raise BadQuery(f"{text[:64]} is no id of a customer: give its 26 characters to filter by {CUSTOMER}.")
        asked.append(customer)
    also = query.customers
    customers = asked if also is None else [customer for customer in asked if customer in also]
    return replace(query, filters=filters, customers=customers)


def _not_too_many(rows: list[UsageRow]) -> list[UsageRow]:
    if len(rows) > MAX_ROWS:
        raise BadQuery(f"The answer has more than {MAX_ROWS} rows. Ask for less time, larger windows or fewer groups.")
    return rows
