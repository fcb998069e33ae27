"""Advisory locks: one per customer group, so that two writers never bill one customer at a time.

A group is a bucket of customer ids. A close takes the locks of all groups in its batch, in ascending order, so that
batches which share a group queue up and never deadlock; anything else that changes what a customer will be billed
takes the lock of that customer's group. All are held until the transaction ends. Whoever changes what all customers
will be billed has every customer to themselves: they wait for those who hold some, and hold up who comes after.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection

CUSTOMER_GROUPS = 1024
MAX_LOCKS_PER_TRANSACTION = 500

_NAMESPACE = 0x62696C6C  # the first key of PostgreSQL's two-key advisory locks: "bill"
_EVERYBODY = 0x65766572  # "ever": shared by all who hold the lock of a customer
_GATES = 0x67617465  # "gate"


def customer_group(customer_id: uuid.UUID) -> int:
    """The bucket, 0 to 1023, of a customer. Uses the id's random end: its start is the time of creation."""
    return customer_id.int % CUSTOMER_GROUPS


def lock_customers(customer_ids: Iterable[uuid.UUID]) -> None:
    """Wait for, then hold until the end of the transaction, the locks of these customers' groups. ValueError, and no
    lock is held, where they fall into more groups than one transaction may lock."""
    groups = sorted({customer_group(customer_id) for customer_id in customer_ids})
    if len(groups) > MAX_LOCKS_PER_TRANSACTION:
        raise ValueError(f"{len(groups)} advisory locks in one transaction; at most {MAX_LOCKS_PER_TRANSACTION}.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(%s), pg_advisory_xact_lock(%s, g) "
            "FROM unnest(%s::int[]) WITH ORDINALITY AS t(g, n) ORDER BY n",
            [_EVERYBODY, _NAMESPACE, groups],
        )


def share_free_customers(customer_ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these customers whom nobody has locked: nobody locks them either until the end of the transaction. It
    waits for nobody. ValueError as `lock_customers`."""
    ids = set(customer_ids)
    groups = sorted({customer_group(customer_id) for customer_id in ids})
    if len(groups) > MAX_LOCKS_PER_TRANSACTION:
        raise ValueError(f"{len(groups)} advisory locks in one transaction; at most {MAX_LOCKS_PER_TRANSACTION}.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [_EVERYBODY])
        if not cursor.fetchone()[0]:
            return set()
        cursor.execute(
            "SELECT g FROM unnest(%s::int[]) AS t(g) WHERE pg_try_advisory_xact_lock_shared(%s, g)",
            [groups, _NAMESPACE],
        )
        free = {row[0] for row in cursor.fetchall()}
    return {customer_id for customer_id in ids if customer_group(customer_id) in free}


def lock_every_customer() -> None:
    """Wait for, then hold until the end of the transaction, the locks of all customers there are and will be.

    For a change of what they have in common; take it before any row, and not behind the lock of single customers.
    """
    lock_alone(_EVERYBODY)


def lock_alone(key: int) -> None:
    """Wait for, then hold until the end of the transaction, the lock that `key` names: one holder at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def lock_if_free(key: int) -> bool:
    """As `lock_alone`, where nobody holds it; False at once where somebody does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key])
        return bool(cursor.fetchone()[0])


@contextmanager
def only_one(key: int) -> Iterator[bool]:
    """Hold what `key` names for as long as the block runs, over many transactions; yields whether it was free. Nobody
    waits. A lost connection sets it free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def pass_gate(record_id: uuid.UUID, *, alone: bool) -> None:
    """Wait for, then hold until the end of the transaction, the gate of a record: many pass together, or one alone.

    Row locks let whoever shares a row in ahead of those who wait to have it alone, so that a crowd of workers could
    keep them out for good. At the gate, nobody overtakes.
    """
    function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_GATES, record_id.int % 2**31])
