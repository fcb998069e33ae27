"""`/bank-statements`: imported, reviewed and booked over REST, and files that can't be."""

import pytest

from core import clock
from core.ids import to_text
from customers.models import BillingApp
from invoicing.models import BankStatement, Invoice, Payment
from tests.support.api import data, fields_at_fault, refused
from tests.support.clock import at
from tests.support.statements import make_bank

pytestmark = pytest.mark.django_db

HEADER = "date,amount,currency,reference,payer,transaction_id\n"
MARCH = (
    HEADER
    + "2026-03-18,50.00,EUR,INV-000001,Acme,T1\n"
    + "2026-03-18,30.00,EUR,INV-000002,Globex,T2\n"
    + "2026-03-18,12.00,EUR,A chair,Shop,T3\n"
)


@pytest.fixture
def bank(db):
    """Three invoices over 50.00 EUR, to be paid by bank transfer."""
    app = make_bank(3)
    with clock.frozen_at(at("2026-03-20")):
        yield app


def load(api, bank, content=MARCH):
    return api.post("/bank-statements", {"appId": to_text(bank.pk), "fileName": "march.csv", "content": content})


def rows_of(api, statement, query=""):
    return data(api.get(f"/bank-statements/{statement['id']}/rows{query}"))["items"]


def test_a_statement_is_imported_reviewed_and_booked(api, bank):
    statement = data(load(api, bank), 201)
    assert (statement["status"], statement["fileName"], statement["importedBy"]) == (
        "review",
        "march.csv",
        "API key Tests",
    )
    rows = rows_of(api, statement)
    assert [(row["match"], row["decision"], row["amount"]) for row in rows] == [
        ("exact", "book", "50.00"),
        ("partial", "open", "30.00"),
        ("unmatched", "open", "12.00"),
    ]
    assert [row["position"] for row in rows_of(api, statement, "?decision=open")] == [2, 3]
    path = f"/bank-statements/{statement['id']}"
    assert data(api.put(f"{path}/rows/{rows[1]['id']}", {"decision": "book"}))["decision"] == "book"
    data(api.put(f"{path}/rows/{rows[2]['id']}", {"decision": "skip"}))
    assert data(api.post(f"{path}/confirm", {}))["status"] == "confirmed"
    assert [str(invoice.due) for invoice in Invoice.objects.filter(number__isnull=False).order_by("number")] == [
        "0.00",
        "20.00",
        "50.00",
    ]
    assert [bool(row.get("paymentId")) for row in rows_of(api, statement)] == [True, True, False]
    assert refused(api.post(f"{path}/confirm", {}), 412)["detail"].startswith("march.csv is not under review")
    assert Payment.objects.count() == 2


def test_chosen_rows_are_booked_alone(api, bank):
    statement = data(load(api, bank), 201)
    _first, second, _third = rows_of(api, statement)
    path = f"/bank-statements/{statement['id']}"
    data(api.put(f"{path}/rows/{second['id']}", {"decision": "book"}))
    assert data(api.post(f"{path}/confirm", {"rowIds": [second["id"]]}))["status"] == "review"
    assert Payment.objects.get().amount == 30


def test_a_row_is_booked_on_another_invoice(api, bank):
    statement = data(load(api, bank), 201)
    third = Invoice.objects.get(number="INV-000003")
    row = rows_of(api, statement)[2]
    path = f"/bank-statements/{statement['id']}/rows/{row['id']}"
    assert refused(api.put(path, {"decision": "book"}), 400)["detail"].startswith("The row 3 of march.csv needs")
    decided = data(api.put(path, {"decision": "book", "invoiceId": to_text(third.pk)}))
    assert decided["invoiceId"] == to_text(third.pk)


def test_the_same_file_is_imported_once_unless_it_was_discarded(api, bank):
    statement = data(load(api, bank), 201)
    refused(load(api, bank), 409)
    discarded = data(api.post(f"/bank-statements/{statement['id']}/discard", {"reason": "Wrong account."}))
    assert discarded["status"] == "discarded"
    data(load(api, bank), 201)
    assert [item["status"] for item in data(api.get("/bank-statements"))["items"]] == ["review", "discarded"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("when,how much\n2026-03-18,50.00\n", "date"),
        (HEADER + "2026-03-18,fifty,EUR,INV-000001,Acme,T1\n", "2"),
        (HEADER, "row"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_leaves_nothing(api, bank, content, complaint):
    assert complaint in refused(load(api, bank, content), 400)["detail"]
    assert not BankStatement.objects.exists()


def test_only_an_app_for_bank_transfers_takes_statements(api, bank):
    sandbox = BillingApp.objects.get(type="sandbox")
    refused(load(api, sandbox), 409)
    body = {"appId": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "fileName": "march.csv", "content": MARCH}
    assert fields_at_fault(api.post("/bank-statements", body)) == {"appId": "unknown_app"}
    assert not BankStatement.objects.exists()


@pytest.mark.parametrize("count", [3, 30])
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(api, bank, count, django_assert_num_queries):
    lines = "".join(f"2026-03-18,12.00,EUR,Chair {number},Shop,T{number}\n" for number in range(count))
    statement = data(load(api, bank, HEADER + lines), 201)
    with django_assert_num_queries(3):
        assert len(rows_of(api, statement)) == count


def test_a_duplicate_is_booked_for_a_reason(api, bank):
    row = HEADER + "2026-03-18,50.00,EUR,INV-000001,Acme,T1\n"
    path = f"/bank-statements/{data(load(api, bank, row), 201)['id']}"
    data(api.post(f"{path}/confirm", {}))
    second = data(load(api, bank, row + "2026-03-18,9.00,EUR,x,y,T2\n"), 201)
    [twin, _] = rows_of(api, second)
    assert (twin["match"], twin["decision"], twin["note"]) == ("duplicate", "skip", "It is booked: row 1 of march.csv.")
    path = f"/bank-statements/{second['id']}"
    assert fields_at_fault(api.put(f"{path}/rows/{twin['id']}", {"decision": "book"})) == {"reason": "reason_needed"}
    data(api.put(f"{path}/rows/{twin['id']}", {"decision": "book", "reason": "Paid twice"}))
    data(api.post(f"{path}/confirm", {}))
    assert Payment.objects.count() == 2


def test_rows_without_an_id_of_their_own_are_booked_each(api, bank):
    rows = "2026-03-18,50.00,EUR,INV-000001,Acme,NONREF\n2026-03-18,70.00,EUR,INV-000002,Globex,NONREF\n"
    statement = data(load(api, bank, HEADER + rows), 201)
    path = f"/bank-statements/{statement['id']}"
    assert data(api.post(f"{path}/confirm", {}))["status"] == "review"
    [first, second] = rows_of(api, statement)
    assert (bool(first.get("paymentId")), second["decision"]) == (True, "open")
    data(api.put(f"{path}/rows/{second['id']}", {"decision": "book"}))
    assert data(api.post(f"{path}/confirm", {}))["status"] == "confirmed"
    assert sorted(str(payment.amount) for payment in Payment.objects.all()) == ["50.00", "70.00"]
