"""What a bank statement says of a payment is kept whole, or refused: what is cut off may tell two payments apart."""

import pytest

from core import clock
from core.errors import InvalidInput
from customers.models import BillingApp
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.review_statement import confirm_statement
from invoicing.models import BankStatement, BankStatementRow, Payment
from tests.support.clock import at
from tests.support.closing import make_many
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db

# Six lines of 65 characters, as MT940 has them at most.
MT940 = ("INV-000001 " + "x" * 600)[:390]


@pytest.fixture
def bank():
    """INV-000001 and INV-000002 over 50.00 EUR, to be paid by bank transfer."""
    app = BillingApp.objects.create(type="bank_transfer", name="Bank")
    make_default_profile(app=app, collection_method="send_invoice")
    make_many(2)
    with clock.frozen_at(at("2026-03-20")):
        yield app


def load(bank, *rows):
    content = "date,amount,currency,reference\n" + "\n".join(rows)
    return import_statement(app=bank, file_name="march.csv", content=content.encode())


def test_a_reference_as_long_as_banks_write_one_is_kept_whole(bank):
    statement = confirm_statement(statement=load(bank, f"2026-03-18,50.00,EUR,{MT940}"))
    assert statement.status == "confirmed"
    assert Payment.objects.get().reference == MT940


def test_a_longer_one_refuses_the_file(bank):
    longest = "INV-000001 " + "x" * 489
    load(bank, f"2026-03-18,50.00,EUR,{longest}")
    with pytest.raises(InvalidInput, match="Line 2: the reference has more than 500 characters"):
        load(bank, f"2026-03-18,50.00,EUR,{longest}y")
    assert BankStatement.objects.count() == 1


def test_one_that_was_imported_longer_stays_open_with_the_cause_and_the_others_are_booked(bank):
    statement = load(bank, "2026-03-18,50.00,EUR,INV-000001", "2026-03-18,50.00,EUR,INV-000002")
    BankStatementRow.objects.filter(statement=statement, position=1).update(reference="x" * 501)
    assert confirm_statement(statement=statement).status == "review"
    first, second = statement.rows.order_by("position")
    assert "more than 500 characters" in first.note
    assert (first.payment, str(second.payment.amount)) == (None, "50.00")


@pytest.mark.parametrize("day", ["20260318", "2026-W12-3", "18.03.2026"])
def test_a_day_is_written_in_one_way(bank, day):
    with pytest.raises(InvalidInput, match="is no date like 2026-03-17"):
        load(bank, f"{day},50.00,EUR,INV-000001")
