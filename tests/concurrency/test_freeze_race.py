"""A line can't slip onto an invoice while another transaction issues it."""

import threading

import psycopg
import pytest
from django.db import connection, transaction

from core import clock
from core.ids import new_id
from invoicing.books.check import one_snapshot
from invoicing.closing.close_customers import close_customers
from invoicing.lifecycle.issue import issue_drafts
from invoicing.models import Invoice, InvoiceLine
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_line_that_comes_while_another_transaction_issues_is_refused():
    make_default_profile(auto_advance=False)
    customer = make_customer()
    with clock.frozen_at(at("2026-03-17")):
        record_subscription(customer=customer, plan=make_excess_plan(), active_from=at("2026-03-17"))
        close_customers([customer.id], as_of=at("2026-03-17"))
    draft = Invoice.objects.get(status="draft.manual_approval_needed")
    line = draft.lines.get()
    errors = []
    begun = threading.Event()

    def slip_in():
        columns = {field.attname: getattr(line, field.attname) for field in InvoiceLine._meta.concrete_fields}
        try:
            begun.set()
            InvoiceLine(**columns | {"id": new_id(), "amends_id": line.id}).save(force_insert=True)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)
        finally:
            connection.close()

    with transaction.atomic():
        issue_drafts([draft.id], now=at("2026-03-17"), taxed_at={})
        thread = threading.Thread(target=slip_in)
        thread.start()
        begun.wait(timeout=30)
        thread.join(timeout=1)
        assert thread.is_alive()  # it waits for the issuing transaction
    thread.join(timeout=30)
    assert [type(error.__cause__) for error in errors] == [psycopg.errors.RestrictViolation]
    assert draft.lines.count() == 1
    assert Invoice.objects.get(pk=draft.pk).number == "INV-000001"


def test_the_check_of_the_books_sees_one_moment_of_the_database():
    with one_snapshot(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
