"""A bank account with four open invoices, and statements of it, for the tests of the finance desk."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from customers.models import BillingApp
from invoicing.bank_statements.import_statement import import_statement
from invoicing.models import BankStatement
from tests.support.books import run_check
from tests.support.closing import make_many
from tests.support.customers import make_default_profile

HEADER = "date,amount,currency,reference,payer,transaction_id\n"
FIVE_ROWS = (
    "2026-03-18,50.00,EUR,Thanks for INV-000001,Customer 000 Ltd,T1",
    "2026-03-18,30.00,EUR,INV-000002,Globex,T2",
    "2026-03-18,70.00,EUR,INV-000003,Initech,T3",
    "2026-03-18,50.00,EUR,Invoice of March,Hooli,T4",
    "2026-03-18,-9.90,EUR,Account fee,Bank,T5",
)
IMPORT_URL = "/admin/invoicing/bankstatement/import/"


def make_bank(invoices=4):
    """INV-000001 and following over 50.00 EUR each, to be paid by bank transfer."""
    app = BillingApp.objects.create(type="bank_transfer", name="Bank")
    make_default_profile(app=app, collection_method="send_invoice")
    make_many(invoices)
    return app


def csv_of(*rows, name="march.csv"):
    return SimpleUploadedFile(name, (HEADER + "\n".join(rows)).encode(), content_type="text/csv")


def upload(desk, app, *rows, name="march.csv"):
    """Import a file by the form; returns the response that the form leads to."""
    return desk.post(IMPORT_URL, {"app": str(app.pk), "file": csv_of(*rows, name=name)}, follow=True)


def imported(desk, app, *rows):
    upload(desk, app, *rows)
    return BankStatement.objects.get()


def page_of(kind, statement, *more):
    return reverse(f"admin:invoicing_bankstatement_{kind}", args=[statement.pk, *more])


def load(bank, *rows, name="march.csv"):
    """Import a file without the form."""
    return import_statement(app=bank, file_name=name, content=(HEADER + "\n".join(rows)).encode())


def matches(statement):
    """What each row was taken for, what was decided of it, and what is noted about it."""
    return [(row.match, row.decision, row.note) for row in statement.rows.order_by("position")]


def assert_receipts_are_clean():
    """The books agree on what the bank brought (check 7), on the day of the statements."""
    code, said = run_check("--only", "7", now="2026-03-20T00:01")
    assert code == 0, said
