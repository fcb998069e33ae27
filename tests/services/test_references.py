"""Foreign keys that triggers keep: what PostgreSQL's own would refuse is refused, by whatever statement."""

from contextlib import contextmanager

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from core import clock
from invoicing.models.references import REFERENCES
from tests.support.clock import at
from tests.support.company import Company
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db

# Which row of a child stands for all: one that may still change, where issued ones may not. And what a second row like
# it needs to be another one.
ROWS = {
    "invoicing_runcustomer": ("true", "'customer_id', (SELECT id FROM customers_customer WHERE key = 'late')"),
    "invoicing_invoice": ("status LIKE 'draft%'", ""),
    "invoicing_invoiceline": (
        "revision_id IS NOT NULL AND invoice_id IN (SELECT id FROM invoicing_invoice WHERE issued_at IS NULL)",
        "",
    ),
    "invoicing_invoicedetailedline": (
        "line_id IN (SELECT l.id FROM invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id "
        "WHERE i.issued_at IS NULL)",
        "",
    ),
    "invoicing_billedwindow": ("true", "'span', '[2001-01-01Z,2001-02-01Z)'"),
    "invoicing_payment": ("true", "'attempt', 77, 'external_id', 'another'"),
}
# Only an issued invoice may have a series, and none may change there.
ISSUED = ("issued_at IS NOT NULL", "'number', 'ANOTHER-1', 'sequence', 999999")


@pytest.fixture(scope="module")
def company(django_db_setup, django_db_blocker):
    """Invoices that are issued and paid, a draft, waiting lines, runs; made once, and undone at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        with clock.frozen_at(at("2025-12-01")):
            company = Company()
        company.join("acme", company.team, "2026-01-01", seats=5)
        company.join("bank", company.team, "2026-01-05", pinned=True)
        company.live(map(at, ("2026-01-01", "2026-01-05", "2026-01-06", "2026-02-01", "2026-02-05")))
        with clock.frozen_at(at("2026-02-06")):
            make_customer(key="late")
        yield company
        transaction.set_rollback(True)


def execute(sql, *parameters):
    """How many rows `sql` touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount


@contextmanager
def past_the_guards():
    """Triggers and constraints are asleep."""
    execute("SET LOCAL session_replication_role = replica")
    yield
    execute("SET LOCAL session_replication_role = origin")


def refused(match, sql, *parameters):
    """The statement itself is refused, not the end of the transaction."""
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        assert execute(sql, *parameters)


def row_of(reference):
    """The id of the row that stands for all of a child."""
    which, _ = ISSUED if reference.column == "series_id" else ROWS[reference.child]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {reference.child} WHERE {which} ORDER BY id LIMIT 1")
        return cursor.fetchone()[0]


def insert_another(reference, value):
    """A second row like the first, with `value` in the column."""
    _, others = ISSUED if reference.column == "series_id" else ROWS[reference.child]
    return (
        f"INSERT INTO {reference.child} SELECT (jsonb_populate_record(child, jsonb_build_object('id', "
        f"gen_random_uuid(){', ' if others else ''}{others}) || jsonb_build_object('{reference.column}', {value}))).* "
        f"FROM {reference.child} child WHERE id = %s"
    )


def names(reference):
    return f"{reference.child}.{reference.column}"


def let_issued_invoices_change():
    """Checks that wait for the end come first: PostgreSQL alters no table before."""
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("ALTER TABLE invoicing_invoice DISABLE TRIGGER freeze_issued")


each_reference = pytest.mark.parametrize("reference", REFERENCES, ids=names)


@each_reference
def test_a_new_row_refers_to_what_there_is(company, reference):
    missing = insert_another(reference, "gen_random_uuid()")
    refused(f"{names(reference)} refers to a row that {reference.parent} lacks", missing, row_of(reference))


@each_reference
def test_a_new_row_like_one_that_there_is_is_taken(company, reference):
    """So the test above is refused for no other reason."""
    late = "(SELECT id FROM customers_customer WHERE key = 'late')"
    known = late if names(reference) == "invoicing_runcustomer.customer_id" else f"child.{reference.column}"
    assert execute(insert_another(reference, known), row_of(reference)) == 1


@each_reference
def test_a_changed_row_refers_to_what_there_is(company, reference):
    if reference.column == "series_id":
        # Nothing but the end of the guards for issued invoices lets a series change.
        let_issued_invoices_change()
    change = f"UPDATE {reference.child} SET {reference.column} = gen_random_uuid() WHERE id = %s"
    refused(f"{names(reference)} refers to a row that {reference.parent} lacks", change, row_of(reference))


@each_reference
def test_what_is_referred_to_is_never_deleted(company, reference):
    row = row_of(reference)
    if reference.column == "invoice_id":
        with past_the_guards():  # that of a payment is issued, which other triggers keep
            draft = "(SELECT id FROM invoicing_invoice WHERE issued_at IS NULL LIMIT 1)"
            execute(f"UPDATE invoicing_payment SET invoice_id = {draft} WHERE id = %s", row)
    with past_the_guards():
        for other in REFERENCES:
            if other.parent == reference.parent and other != reference:
                execute(f"UPDATE {other.child} SET {other.column} = gen_random_uuid()")
    delete = (
        f"DELETE FROM {reference.parent} WHERE id = (SELECT {reference.column} FROM {reference.child} WHERE id = %s)"
    )
    refused(f"can't be deleted: {names(reference)} refers to it", delete, row)


@each_reference
def test_what_is_referred_to_keeps_its_id(company, reference):
    change = (
        f"UPDATE {reference.parent} SET id = gen_random_uuid() "
        f"WHERE id = (SELECT {reference.column} FROM {reference.child} WHERE id = %s)"
    )
    if reference.column == "invoice_id":
        let_issued_invoices_change()
    refused("never changes: others refer to it", change, row_of(reference))


def test_of_many_that_are_deleted_together_none_may_be_referred_to(company):
    # Those to whom nothing refers come first and last, by their keys and by where they are stored.
    execute("UPDATE customers_customer SET key = 'aaa' WHERE key = 'late'")
    execute("UPDATE customers_customer SET name = name WHERE key = 'acme'")
    make_customer(key="zzz")
    together = "DELETE FROM customers_customer WHERE key IN ('aaa', 'acme', 'zzz')"
    refused("A row of customers_customer can't be deleted", together)


def test_many_rows_that_share_a_parent_are_taken(company):
    copied = "INSERT INTO invoicing_invoiceline SELECT (jsonb_populate_record(child, jsonb_build_object('id', "
    copied += "gen_random_uuid()))).* FROM invoicing_invoiceline child, generate_series(1, 3) WHERE child.id = %s"
    line = next(reference for reference in REFERENCES if reference.column == "item_id")
    assert execute(copied, row_of(line)) == 3


def test_a_row_may_refer_to_nothing(company):
    assert execute("UPDATE invoicing_invoice SET run_id = NULL WHERE status LIKE 'draft%%'")
    assert execute(
        "UPDATE invoicing_invoiceline SET revision_id = NULL WHERE id IN (SELECT l.id FROM "
        "invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id WHERE issued_at IS NULL)"
    )


def test_every_foreign_key_that_postgresql_does_not_keep_is_kept_by_triggers():
    kept = {(reference.child, reference.column, reference.parent) for reference in REFERENCES}
    left = {
        (model._meta.db_table, field.column, field.related_model._meta.db_table)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and not field.db_constraint  # type: ignore[attr-defined]
    }
    # A line, and a case of late usage, name their window for good, also once it is gone (docs/billing-rules.md, section
    # 6). A look waits for nobody who holds the customer. No service deletes the line of a case.
    assert left - kept == {
        ("invoicing_invoiceline", "window_id", "invoicing_billedwindow"),
        ("invoicing_lateusagecase", "window_id", "invoicing_billedwindow"),
        ("invoicing_lateusagecase", "line_id", "invoicing_invoiceline"),
        ("invoicing_lateusagelook", "customer_id", "customers_customer"),
    }
    assert kept <= left
