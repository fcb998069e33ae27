"""What is asked for where there is nothing to do it to is refused with the reason, and leaves no trace."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import BillingError, PreconditionFailed
from customers.models import BillingApp
from customers.services.archive_profile import archive_profile, restore_profile
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.review_statement import confirm_statement, decide_row
from invoicing.choices import RowDecision, StatementStatus
from invoicing.errors import WrongInvoiceState, WrongMigrationState
from invoicing.models import BankStatement, Invoice
from invoicing.payments.write_off import mark_uncollectible
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.pause_migration import cancel_migration, pause_migration
from invoicing.profile_moves.retry_move import retry_failed
from invoicing.profile_moves.run_migration import resume_migration, run_migration
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import make_issued
from tests.support.customers import enterprise, make_default_profile
from tests.support.moves import MOVE, approved, make_customers

pytestmark = pytest.mark.django_db


def refused(act, expected, error=BillingError, **arguments):
    """The act is refused in these words, and no audit entry is added."""
    before = AuditEntry.objects.count()
    with clock.frozen_at(MOVE), pytest.raises(error, match=expected):
        act(**arguments)
    assert AuditEntry.objects.count() == before


@pytest.fixture
def migration():
    """Two customers who are to move, approved by Bob."""
    make_customers(2, flat_plan("basic", "30.00"))
    return approved(make_default_profile(), enterprise())


def test_a_migration_is_approved_resumed_paused_retried_and_cancelled_only_where_there_is_something_to(migration):
    refused(approve_migration, "Bob approved the migration already", WrongMigrationState, migration=migration)
    refused(resume_migration, "is approved, not paused: there is nothing to resume", migration=migration)
    refused(pause_migration, "there is nothing to pause", migration=migration)
    refused(retry_failed, "Nobody failed in this migration", WrongMigrationState, migration=migration)
    with clock.frozen_at(MOVE):
        run_migration(migration=migration)
        pause_migration(migration=migration)
    refused(pause_migration, "is paused: there is nothing to pause", migration=migration)
    with clock.frozen_at(MOVE):
        assert resume_migration(migration=migration).status == "running"
    refused(resume_migration, "is running, not paused", migration=migration)
    with clock.frozen_at(MOVE):
        cancel_migration(migration=migration)
    refused(cancel_migration, "is cancelled already", WrongMigrationState, migration=migration)


def test_a_profile_is_archived_and_restored_once():
    make_default_profile()
    profile = enterprise()
    refused(restore_profile, "“Enterprise” is in use", PreconditionFailed, profile=profile, reason="x")
    with clock.frozen_at(MOVE):
        archive_profile(profile=profile, reason="Old")
    refused(archive_profile, "“Enterprise” is archived already", PreconditionFailed, profile=profile, reason="Old")
    with clock.frozen_at(MOVE):
        restore_profile(profile=profile, reason="New")
    profile.refresh_from_db()
    assert profile.archived_at is None


def test_an_uncollectible_invoice_is_not_marked_so_again():
    invoice = make_issued(decline=True)
    with clock.frozen_at(MOVE):
        mark_uncollectible(invoice=invoice, reason="Insolvent")
    refused(mark_uncollectible, "is uncollectible already", WrongInvoiceState, invoice=invoice, reason="Again")
    assert Invoice.objects.get(pk=invoice.pk).status_note == "Insolvent"


def test_a_statement_of_which_no_row_is_to_be_booked_is_not_confirmed():
    bank = BillingApp.objects.create(type="bank_transfer", name="Bank")
    with clock.frozen_at(MOVE):
        content = b"date,amount,currency,reference\n2026-03-18,5.00,EUR,who knows\n"
        statement = import_statement(app=bank, file_name="march.csv", content=content)
    refused(confirm_statement, "1 wait for a decision", PreconditionFailed, statement=statement)
    with clock.frozen_at(at("2026-03-21")):
        decide_row(row=statement.rows.get(), decision=RowDecision.SKIP)
        confirm_statement(statement=statement)
    assert BankStatement.objects.get().status == StatementStatus.CONFIRMED
