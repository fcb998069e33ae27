"""The lists of triggers say what the database has: neither can change without the other."""

from itertools import chain

import pytest
from django.db import connection

from core.audit import triggers as audit
from customers.models import triggers as customers
from entitlements.models import triggers as entitlements
from invoicing.models import followers, references
from invoicing.models import triggers as invoicing
from subscriptions.models import triggers as subscriptions

LISTS = (audit, customers, entitlements, subscriptions, references, invoicing, followers)

TRIGGERS = (
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger "
    "WHERE NOT tgisinternal AND tgparentid = 0"  # partitions have those of their table
)
FUNCTIONS = """
    SELECT pg_proc.oid::regprocedure::text, pg_get_functiondef(pg_proc.oid)
    FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
    WHERE pronamespace = 'public'::regnamespace AND lanname IN ('plpgsql', 'sql') AND prokind IN ('f', 'p')
"""


def catalog(cursor):
    found = []
    for query in (TRIGGERS, FUNCTIONS):
        cursor.execute(query)
        found.append(sorted(cursor.fetchall()))
    return found


@pytest.mark.django_db
def test_the_lists_make_what_the_migrations_have_made():
    """All of them are dropped and made anew from the lists; the database's own account of them stays to the letter."""
    with connection.cursor() as cursor:
        migrated_triggers, migrated_functions = catalog(cursor)
        assert len(migrated_triggers) > 10
        for table, name, *_ in migrated_triggers:
            cursor.execute(f"DROP TRIGGER {name} ON {table}")
        for signature, _ in migrated_functions:
            cursor.execute(f"DROP FUNCTION {signature}")
        assert catalog(cursor) == [[], []]

        for made in (*chain(*(of.FUNCTIONS for of in LISTS)), *chain(*(of.TRIGGERS for of in LISTS))):
            cursor.execute(made.sql)
        listed_triggers, listed_functions = catalog(cursor)

    assert listed_triggers == migrated_triggers
    assert listed_functions == migrated_functions


def test_each_list_holds_what_its_own_floor_does_to_its_tables_and_those_of_lower_ones():
    """The floor of invoices watches the subscriptions, which know nothing of it."""
    prefixes = ("audit_", "customers_", "entitlements_", "subscriptions_", "invoicing_")
    strangers = [
        trigger
        for position, of in enumerate(LISTS)
        for trigger in of.TRIGGERS
        if not (
            trigger.table.startswith(prefixes[: position + 1])
            and trigger.function in {function.name for function in of.FUNCTIONS}
        )
    ]

    assert strangers == []
