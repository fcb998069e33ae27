"""Bank statements at the finance desk: a file is imported, reviewed and booked, and what is wrong with it is said."""

from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import BankStatement, Invoice, Payment
from tests.admin.test_lists import queries
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.desk import list_url, page_url, said, verb_url
from tests.support.statements import FIVE_ROWS, IMPORT_URL, imported, make_bank, page_of, upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    app = make_bank()
    with clock.frozen_at(at("2026-03-20")):
        yield app


def invoice(number):
    return Invoice.objects.get(number=f"INV-{number:06}")


def test_an_imported_file_waits_for_review_with_what_was_found_for_each_row(clerk, bank):
    response = upload(clerk, bank, *FIVE_ROWS)
    assert said(response) == ["5 rows of march.csv are there to be reviewed."]
    page = response.content.decode()
    for words in (
        "Number and amount match", "Less than is due", "More than is due", "Several invoices fit", "Not a receipt",
        "4 open invoices have this amount.", "To decide 3", "To book 1", "Left out 1", "Book 1 row",
    ):  # fmt: skip
        assert words in page, words
    assert BankStatement.objects.get().imported_by == "Clerk"
    assert not Payment.objects.exists()
    assert "march.csv" in clerk.read(list_url(BankStatement))


def test_the_same_file_is_not_imported_twice(clerk, bank):
    upload(clerk, bank, *FIVE_ROWS)
    again = upload(clerk, bank, *FIVE_ROWS, name="copy.csv").content.decode()
    assert "This file was imported as march.csv. Nothing was imported." in again
    assert BankStatement.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"day,sum\n2026-03-18,1\n", "Missing: date, amount, currency, reference. Unknown: day, sum."),
        (b"date,amount,currency,reference\n18.3.2026,1.00,EUR,x\n", "Line 2: &#x27;18.3.2026&#x27; is no date"),
        (b"date,amount,currency,reference\n2026-03-18,1,EUR,\xff\n", "not UTF-8"),
        (b"date,amount,currency,reference\n", "The file has no rows."),
        (b"", "The submitted file is empty."),
    ],
)
def test_a_file_that_cant_be_read_says_what_is_wrong_and_nothing_is_kept(clerk, bank, content, says):
    file = SimpleUploadedFile("x.csv", content)
    page = clerk.post(IMPORT_URL, {"app": str(bank.pk), "file": file}).content.decode()
    assert says in page
    assert not BankStatement.objects.exists()


def test_booking_asks_first_and_says_where_the_money_goes(clerk, bank):
    statement = imported(clerk, bank, *FIVE_ROWS)
    asked = clerk.read(page_of("book", statement))
    assert "Book 1 row of march.csv?" in asked
    assert not Payment.objects.exists()
    rows = [str(row.pk) for row in statement.rows.filter(position__lte=4)]
    asked = clerk.post(page_of("book", statement), {"row": rows}).content.decode()
    assert "Book 3 rows of march.csv?" in asked
    assert "Row 4: Choose the invoice that it pays first." in asked
    assert '150.00 <span class="ch-currency">EUR</span>' in asked
    assert '20.00 <span class="ch-currency">EUR</span>' in asked
    assert not Payment.objects.exists()


def test_chosen_rows_are_booked_with_the_result_of_each_and_the_books_hold(clerk, bank):
    statement = imported(clerk, bank, *FIVE_ROWS)
    rows = [str(row.pk) for row in statement.rows.filter(position__lte=3)]
    done = {"row": rows, "confirmed": "yes", "reason": "Statement of March"}
    result = clerk.post(page_of("book", statement), done).content.decode()
    assert "3 of 3 rows booked" in result
    assert "INV-000001: nothing is due any more." in result
    assert "INV-000002: 20.00 EUR is still due." in result
    assert "INV-000003: nothing is due any more; 20.00 EUR went to the balance." in result
    booked = [(str(p.invoice), str(p.amount), str(p.to_balance)) for p in Payment.objects.order_by("id")]
    assert booked == [
        ("INV-000001", "50.00", "0.00"),
        ("INV-000002", "30.00", "0.00"),
        ("INV-000003", "70.00", "20.00"),
    ]
    assert AuditEntry.objects.filter(verb="record_payment").first().reason == "Statement of March"
    clerk.post(page_of("book", statement), done)
    assert Payment.objects.count() == 3
    assert run_check("--only", "7", now="2026-03-20T00:01")[0] == 0


def test_one_row_that_fails_leaves_the_others_booked(clerk, bank):
    rows = ("2026-03-18,50.00,EUR,INV-000001,A,T1", "2026-03-18,50.00,EUR,INV-000002,B,T2")
    statement = imported(clerk, bank, *rows)
    Payment.objects.create(invoice=invoice(3), app=bank, amount=1, currency="EUR", status="failed", external_id="T1")
    result = clerk.post(page_of("book", statement), {"row": list_of(statement), "confirmed": "yes", "reason": ""})
    page = result.content.decode()
    assert "1 of 2 rows booked" in page
    assert "The bank&#x27;s transaction T1 is recorded already." in page
    assert invoice(2).status == "paid"
    assert BankStatement.objects.get().status == "review"


def test_a_duplicate_is_booked_once_staff_say_why(clerk, bank):
    twin = "2026-03-18,50.00,EUR,INV-000001,Acme,T1"
    first = imported(clerk, bank, twin)
    clerk.post(page_of("book", first), {"row": list_of(first), "confirmed": "yes", "reason": ""})
    upload(clerk, bank, twin, "2026-03-18,9.00,EUR,x,y,T2", name="later.csv")
    second = BankStatement.objects.get(file_name="later.csv")
    row = second.rows.get(position=1)
    refused = clerk.post(page_of("book", second), {"row": [str(row.pk)]}).content.decode()
    assert "It seems to be booked already: open the row, and say why it is another payment." in refused
    url = page_of("row", second, row.pk)
    answers = {"decision": "book", "invoice": str(row.invoice_id)}
    assert "Say why it is another payment." in clerk.post(url, answers).content.decode()
    clerk.post(url, answers | {"reason": "Acme paid twice"})
    clerk.post(page_of("book", second), {"row": [str(row.pk)], "confirmed": "yes", "reason": ""})
    assert Payment.objects.count() == 2
    assert AuditEntry.objects.filter(verb="decide_row", reason="Acme paid twice").exists()
    second.refresh_from_db()
    assert second.status == "review"


def list_of(statement):
    return [str(pk) for pk in statement.rows.values_list("pk", flat=True)]


def test_a_row_is_given_its_invoice_and_booked(clerk, bank):
    statement = imported(clerk, bank, "2026-03-18,50.00,EUR,Invoice of March,Hooli,T4")
    row = statement.rows.get()
    url = page_of("row", statement, row.pk)
    assert "Several invoices fit" in clerk.read(url)
    missing = clerk.post(url, {"decision": "book", "invoice": ""}).content.decode()
    assert "Choose the invoice that the money is for." in missing
    response = clerk.post(url, {"decision": "book", "invoice": str(invoice(4).pk)}, follow=True)
    assert said(response) == ["Row 1 is to be booked. Nothing is booked yet."]
    shown = clerk.read(f"{url}?effects=1&decision=book&invoice={invoice(4).pk}")
    assert "Due on INV-000004" in shown
    entry = AuditEntry.objects.get(verb="decide_row")
    assert (entry.changes["invoice"], entry.actor_label) == (["", "INV-000004"], "Clerk")
    assert entry.sentence == f"Clerk decided to book row 1 of {statement} on INV-000004."
    clerk.post(page_of("book", statement), {"row": [str(row.pk)], "confirmed": "yes", "reason": ""})
    assert invoice(4).status == "paid"
    assert BankStatement.objects.get().status == "confirmed"
    assert said(clerk.get(url, follow=True)) == ["Row 1 is booked already."]


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("INV-000002", ["INV-000002 · Customer 001 · 50.00 EUR due"]),
        ("inv-", 4),
        ("2", ["INV-000002 · Customer 001 · 50.00 EUR due"]),
        ("customer 003", ["INV-000004 · Customer 003 · 50.00 EUR due"]),
        ("50.00", 4),
        ("", 4),
        ("nobody", []),
    ],
)
def test_the_invoice_is_found_by_number_customer_or_amount(clerk, bank, term, found):
    statement = imported(clerk, bank, "2026-03-18,50.00,EUR,Invoice of March,Hooli,T4")
    url = page_of("invoices", statement, statement.rows.get().pk)
    texts = [result["text"] for result in clerk.get(url, {"term": term}).json()["results"]]
    assert (len(texts) if isinstance(found, int) else texts) == found


def test_rows_in_another_currency_find_no_invoice_of_this_one(clerk, bank):
    statement = imported(clerk, bank, "2026-03-18,50.00,USD,INV-000001,Hooli,T4")
    row = statement.rows.get()
    assert clerk.get(page_of("invoices", statement, row.pk), {"term": "INV-000001"}).json()["results"] == []
    form = {"decision": "book", "invoice": str(invoice(1).pk)}
    assert "Select a valid choice." in clerk.post(page_of("row", statement, row.pk), form).content.decode()


def test_chosen_rows_are_left_out_and_nothing_is_booked(clerk, bank):
    statement = imported(clerk, bank, *FIVE_ROWS)
    rows = [str(row.pk) for row in statement.rows.filter(position__in=[3, 4])]
    response = clerk.post(page_of("leave_out", statement), {"row": rows}, follow=True)
    assert said(response) == ["2 rows left out. Nothing is booked."]
    assert list(statement.rows.order_by("position").values_list("decision", flat=True)) == [
        "book", "open", "skip", "skip", "skip",
    ]  # fmt: skip
    assert clerk.get(page_of("leave_out", statement)).status_code == 302


def test_a_discarded_statement_can_be_imported_again_and_is_not_reviewed(clerk, bank):
    statement = imported(clerk, bank, *FIVE_ROWS)
    response = clerk.do(statement, "discard", reason="Wrong account")
    assert said(response) == ["march.csv is put away. The file can be imported again."]
    assert "It is not under review: discarded." in clerk.read(page_url(statement))
    assert said(clerk.get(page_of("book", statement), follow=True)) == ["march.csv is not under review: discarded."]
    upload(clerk, bank, *FIVE_ROWS)
    assert BankStatement.objects.count() == 2


def test_an_auditor_reads_statements_and_changes_nothing(auditor, clerk, bank):
    statement = imported(clerk, bank, *FIVE_ROWS)
    row = statement.rows.first()
    page = auditor.read(page_url(statement))
    assert "Number and amount match" in page
    assert page_of("row", statement, row.pk) not in page
    assert 'type="checkbox"' not in page.split("<main")[-1].split("Timeline")[0].split("ch-page")[-1]
    for url, data in (
        (IMPORT_URL, {}),
        (page_of("book", statement), {"row": str(row.pk), "confirmed": "yes"}),
        (page_of("leave_out", statement), {"row": str(row.pk)}),
        (page_of("row", statement, row.pk), {"decision": "skip"}),
        (verb_url(statement, "discard"), {"reason": "x"}),
    ):
        assert auditor.post(url, data).status_code == 403, url
    assert auditor.get(page_of("invoices", statement, row.pk)).status_code == 403
    assert (Payment.objects.count(), AuditEntry.objects.filter(actor_label="Auditor").count()) == (0, 0)


def test_list_and_page_ask_a_fixed_number_of_queries(clerk):
    bank = make_bank(30)
    with clock.frozen_at(at("2026-03-20")):

        def measured(count):
            rows = [f"2026-03-18,50.00,EUR,INV-{n + 1:06},P,{count}-{n}" for n in range(count)]
            for number in range(count):
                upload(clerk, bank, *rows, f"2026-03-19,1.00,EUR,x,P,X{count}-{number}", name=f"{count}-{number}.csv")
            statement = BankStatement.objects.filter(file_name__startswith=f"{count}-").first()
            pages = [list_url(BankStatement), page_url(statement), page_of("book", statement)]
            return [queries(clerk, url) for url in pages]

        few = measured(3)
        assert measured(30) == few
        assert max(few) <= 12


def test_a_row_that_shares_its_id_is_doubtful_and_no_choice_of_several_invoices(clerk, bank):
    statement = imported(
        clerk,
        bank,
        "2026-03-18,50.00,EUR,INV-000001,Initech,T7",
        "2026-03-18,50.00,EUR,INV-000002,Globex,T7",
    )
    page = clerk.read(page_url(statement))
    assert "Row 1 of this file has the bank's transaction T7, too." in unescape(page)
    assert "Doubtful" in page
    assert "Several invoices fit" not in page
