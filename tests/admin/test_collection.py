"""Collecting an invoice and giving up on it at the finance desk: refunds, write-offs, the figures before and after."""

from decimal import Decimal
from html import unescape

import pytest

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import BalanceEntry, Invoice, Refund, WriteOff
from invoicing.payments.collect import collect_due
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import write_off
from tests.admin.test_lists import queries
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.closing import START, make_issued
from tests.support.desk import list_url, page_url, said, verb_url

pytestmark = pytest.mark.django_db


def make_unpaid(**profile):
    """INV-000001 over 50.00 EUR, sent to the customer to pay."""
    return make_issued(collection_method="send_invoice", **profile)


def make_overpaid(amount="62.50"):
    """INV-000001 over 50.00 EUR, and more received for it: what is too much is on the balance."""
    invoice = make_unpaid()
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal(amount), received_at=START, reference="TRN-1")
    return invoice


def figures(page):
    """What the table of effects says: label -> (now, afterwards)."""
    rows = page.split('class="ch-table ch-effects"')[1].split("<tbody>")[1].split("</tbody>")[0].split("<tr")[1:]
    cells = [[_text(cell) for cell in row.split("<td")[1:]] for row in rows]
    return {label: (now, afterwards) for label, now, afterwards in cells}


def _text(cell):
    inner = cell.split(">", 1)[1]
    while "<" in inner:
        before, _, rest = inner.partition("<")
        inner = before + rest.split(">", 1)[1]
    return " ".join(unescape(inner).split())


def money(invoice):
    invoice.refresh_from_db()
    sums = {name: f"{getattr(invoice, name):.2f}" for name in ("paid", "due", "written_off", "refunded")}
    return {"status": invoice.status} | sums


def test_an_approver_refunds_what_is_on_the_balance_whole_or_in_part(approver):
    invoice = make_overpaid()
    asked = approver.read(verb_url(invoice, "refund"))
    assert "At most 12.50 EUR can." in asked
    assert 'value="12.50"' in asked
    assert figures(asked)["Customer's balance"] == ("12.50 EUR", "0.00 EUR")
    with clock.frozen_at(START):
        part = approver.do(invoice, "refund", amount="10.00", reason="Asked for it")
        rest = approver.do(invoice, "refund", amount="2.50", reason="And the rest")
    assert said(part) == ["10.00 EUR of INV-000001 is recorded as given back: send the money to the customer."]
    assert said(rest) == ["2.50 EUR of INV-000001 is recorded as given back: send the money to the customer."]
    assert money(invoice)["refunded"] == "12.50"
    assert sum(BalanceEntry.objects.values_list("amount", flat=True)) == 0
    assert AuditEntry.objects.filter(verb="refund").last().reason == "Asked for it"
    page = approver.read(page_url(invoice))
    assert "-10.00" in page
    assert "None of it is on the customer&#x27;s balance" in page
    assert run_check("--only", "7", now="2026-03-17T00:01")[0] == 0


@pytest.mark.parametrize("amount", ["12.51", "0", "-1", "1.005"])
def test_a_refund_that_is_too_much_or_no_amount_is_refused(approver, amount):
    invoice = make_overpaid()
    response = approver.do(invoice, "refund", amount=amount, reason="Why not")
    assert "Nothing was changed." in said(response)[0]
    assert (money(invoice)["refunded"], Refund.objects.count()) == ("0.00", 0)


def test_a_paid_invoice_without_credit_says_what_can_go_back(approver):
    invoice = make_issued()
    page = approver.read(page_url(invoice))
    assert "None of it is on the customer&#x27;s balance: only what was overpaid or credited can go back." in page
    response = approver.do(invoice, "refund", amount="50.00", reason="x")
    assert said(response)[0].startswith("None of it is on the customer's balance")
    assert not Refund.objects.exists()


def test_a_written_off_invoice_owes_nothing_and_the_loss_is_on_record(approver):
    invoice = make_unpaid()
    assert figures(approver.read(verb_url(invoice, "write-off"))) == {
        "Status": ("Issued", "Uncollectible"),
        "Due": ("50.00 EUR", "0.00 EUR"),
        "Written off": ("0.00 EUR", "50.00 EUR"),
    }
    response = approver.do(invoice, "write-off", reason="Insolvent")
    assert said(response) == ["50.00 EUR of INV-000001 is written off."]
    assert money(invoice) == {
        "status": "uncollectible", "paid": "0.00", "due": "0.00", "written_off": "50.00", "refunded": "0.00",
    }  # fmt: skip
    assert WriteOff.objects.get().reason == "Insolvent"
    assert "Nothing is due on it." in approver.read(page_url(invoice))


def test_money_for_a_written_off_invoice_takes_the_loss_back(clerk):
    invoice = make_unpaid()
    write_off(invoice=invoice, reason="Insolvent")
    asked = clerk.read(f"{verb_url(invoice, 'record-payment')}?effects=1&amount=20.00")
    assert figures(asked) == {
        "Status": ("Uncollectible", "Uncollectible"),
        "Due": ("0.00 EUR", "0.00 EUR"),
        "Paid": ("0.00 EUR", "20.00 EUR"),
        "Written off": ("50.00 EUR", "30.00 EUR"),
    }
    with clock.frozen_at(START):
        answers = {"amount": "20.00", "received_on": "2026-03-17", "reference": "TRN-9", "reason": ""}
        response = clerk.do(invoice, "record-payment", **answers)
    assert said(response) == ["20.00 EUR recorded for INV-000001: 30.00 EUR stays written off."]
    assert money(invoice)["written_off"] == "30.00"
    page = clerk.read(verb_url(invoice, "record-payment"))
    assert "How much of the 30.00 EUR written off on INV-000001 has arrived?" in page
    assert "So much of the loss is taken back; the rest stays written off." in page


def test_an_uncollectible_invoice_stays_due_and_is_charged_no_more(approver):
    invoice = make_issued(decline=True)
    response = approver.do(invoice, "mark-uncollectible", reason="Card gone, customer gone")
    assert said(response) == [
        "INV-000001 is uncollectible: 50.00 EUR stays due, and nobody is reminded of it any more."
    ]
    assert (money(invoice)["status"], money(invoice)["due"]) == ("uncollectible", "50.00")
    collect_due(as_of=at("2026-04-01"))
    assert invoice.payments.count() == 1
    assert "It is uncollectible already." in approver.read(page_url(invoice))


def test_the_figures_follow_what_is_typed_and_asking_writes_nothing(clerk):
    invoice = make_unpaid()
    url = verb_url(invoice, "record-payment")
    assert figures(clerk.read(url)) == {
        "Status": ("Issued", "Paid"),
        "Due": ("50.00 EUR", "0.00 EUR"),
        "Paid": ("0.00 EUR", "50.00 EUR"),
    }
    assert figures(clerk.read(f"{url}?effects=1&amount=20"))["Due"] == ("50.00 EUR", "30.00 EUR")
    over = figures(clerk.read(f"{url}?effects=1&amount=62.50"))
    assert over["Customer's balance"] == ("0.00 EUR", "12.50 EUR")
    assert over["Paid"] == ("0.00 EUR", "62.50 EUR")
    unreadable = figures(clerk.read(f"{url}?effects=1&amount=lots"))
    assert unreadable["Due"] == ("50.00 EUR", "50.00 EUR")
    assert money(invoice)["paid"] == "0.00"


def test_many_invoices_are_written_off_with_the_result_of_each(approver):
    unpaid = make_unpaid()
    chosen = {"action": "write-off", "_selected_action": [str(unpaid.pk)]}
    asked = _text(">" + approver.post(list_url(Invoice), chosen).content.decode())
    assert "Write off: 1 of 1 invoices?" in asked
    assert "Due on them in all: 50.00 EUR." in asked
    assert "INV-000001 of Acme: status Issued → Uncollectible; due 50.00 EUR → 0.00 EUR" in asked
    assert money(unpaid)["written_off"] == "0.00"
    done = approver.post(list_url(Invoice), chosen | {"confirmed": "yes", "reason": "Closed down"}).content.decode()
    assert "1 of 1 done" in done
    assert "INV-000001</a> of Acme</td>" in done
    assert money(unpaid)["written_off"] == "50.00"


def test_a_clerk_neither_refunds_nor_gives_up(clerk):
    invoice = make_overpaid()
    page = clerk.read(page_url(invoice))
    for verb in ("refund", "write-off", "mark-uncollectible"):
        assert verb_url(invoice, verb) not in page
        assert clerk.do(invoice, verb, amount="1.00", reason="x").status_code == 403
    assert (Refund.objects.count(), WriteOff.objects.count()) == (0, 0)


def test_the_dunning_plan_is_shown_with_dates_and_what_came_of_each_step(clerk):
    invoice = make_issued(decline=True)
    with clock.frozen_at(at("2026-03-18T00:05")):
        collect_due(as_of=at("2026-03-18"))
        page = clerk.read(page_url(invoice))
    plan = page.split("<h3>Dunning</h3>")[1].split("</section>")[0]
    assert [line in plan for line in ("18 Mar 2026", "20 Mar 2026", "22 Mar 2026", "24 Mar 2026")] == [True] * 4
    assert "attempt 2: The sandbox card was declined." in plan
    assert plan.count(">Next<") == 1
    assert plan.count(">To come<") == 2
    assert "After the last retry staff decide what follows." in plan
    for day in ("20", "22", "24"):
        collect_due(as_of=at(f"2026-03-{day}"))
    with clock.frozen_at(at("2026-03-25")):
        assert "The plan is used up: charge it again" in clerk.read(page_url(invoice))


def test_a_plan_that_ends_by_itself_says_so(clerk):
    invoice = make_issued(decline=True, uncollectible_after_dunning=True)
    with clock.frozen_at(at("2026-03-18")):
        assert "After the last retry it becomes uncollectible by itself" in clerk.read(page_url(invoice))


def test_a_charge_that_waits_for_the_customer_holds_the_plan(clerk):
    invoice = make_issued(decline=True)
    invoice.customer.app_data.update(data={"outcome": "action_required"})
    with clock.frozen_at(at("2026-03-18T00:05")):
        collect_due(as_of=at("2026-03-18"))
        page = clerk.read(page_url(invoice))
    assert "The customer must confirm it with their bank" in page
    assert "The plan stands still until the charge above has ended." in page
    assert page.count(">Stands still<") == 3


def test_the_page_asks_the_same_for_thirty_payments_as_for_three(approver):
    invoice = make_unpaid()

    def receive(count):
        with clock.frozen_at(START):
            for number in range(count):
                record_payment(
                    invoice=invoice, amount=Decimal("1.00"), received_at=START, reference=f"R{number}", settled_too=True
                )

    receive(3)
    few = queries(approver, page_url(invoice))
    receive(27)
    assert queries(approver, page_url(invoice)) == few
    assert few <= 20
    assert queries(approver, verb_url(invoice, "record-payment")) <= 12
    assert queries(approver, verb_url(invoice, "write-off")) <= 12
