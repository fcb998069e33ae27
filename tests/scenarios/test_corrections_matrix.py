"""Each of unpaid, part-paid, paid and credited invoices with each correction, at 19 % VAT, with and without a balance.

April: Base 100.00 and Seats 30.00, 154.70 with VAT. May the same, where 35.70 of the balance are applied: 119.00 due.
Figures are worked out by hand.
"""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from core import clock
from core.ids import to_text
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.models import Invoice
from tests.support.api import Api
from tests.support.books import assert_books_are_clean
from tests.support.clock import at
from tests.support.closing import run
from tests.support.corrections import amounts, line, make_correctable, pay
from tests.support.desk import Desk
from tests.support.invoices import balance

pytestmark = pytest.mark.django_db
NOW = "2026-05-10"

# What the corrected invoice says afterwards: status, credited, paid, refunded, moved to the balance, due; and the
# customer's balance. "refused" where nothing is changed.
REFUSED = "refused"
# Without a balance applied: 154.70 are due. A line is Seats, 35.70 gross; part-paid are 100.00; credited before are
# 10.00 net of Base, 11.90.
PLAIN = {
    ("unpaid", "void"): ("voided", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ("unpaid", "reissue"): ("voided", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ("unpaid", "line"): ("issued", "35.70", "0.00", "0.00", "0.00", "119.00", "0.00"),
    ("unpaid", "whole"): ("paid", "154.70", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ("unpaid", "line refunded"): ("issued", "35.70", "0.00", "0.00", "0.00", "119.00", "0.00"),
    ("unpaid", "whole refunded"): ("paid", "154.70", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ("part-paid", "void"): REFUSED,
    ("part-paid", "reissue"): REFUSED,
    ("part-paid", "line"): ("issued", "35.70", "100.00", "0.00", "0.00", "19.00", "0.00"),
    ("part-paid", "whole"): ("paid", "154.70", "100.00", "0.00", "100.00", "0.00", "100.00"),
    ("part-paid", "line refunded"): ("issued", "35.70", "100.00", "0.00", "0.00", "19.00", "0.00"),
    ("part-paid", "whole refunded"): ("paid", "154.70", "100.00", "100.00", "0.00", "0.00", "0.00"),
    ("paid", "void"): REFUSED,
    ("paid", "reissue"): REFUSED,
    ("paid", "line"): ("paid", "35.70", "154.70", "0.00", "35.70", "0.00", "35.70"),
    ("paid", "whole"): ("paid", "154.70", "154.70", "0.00", "154.70", "0.00", "154.70"),
    ("paid", "line refunded"): ("paid", "35.70", "154.70", "35.70", "0.00", "0.00", "0.00"),
    ("paid", "whole refunded"): ("paid", "154.70", "154.70", "154.70", "0.00", "0.00", "0.00"),
    ("credited", "void"): REFUSED,
    ("credited", "reissue"): REFUSED,
    ("credited", "line"): ("issued", "47.60", "0.00", "0.00", "0.00", "107.10", "0.00"),
    ("credited", "whole"): ("paid", "154.70", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ("credited", "line refunded"): ("issued", "47.60", "0.00", "0.00", "0.00", "107.10", "0.00"),
    ("credited", "whole refunded"): ("paid", "154.70", "0.00", "0.00", "0.00", "0.00", "0.00"),
}
# With 35.70 of the balance applied: 119.00 are due. Part-paid are 100.00, paid 119.00.
APPLIED = {
    ("unpaid", "void"): ("voided", "0.00", "0.00", "0.00", "0.00", "0.00", "35.70"),
    ("unpaid", "reissue"): ("voided", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ("unpaid", "line"): ("issued", "35.70", "0.00", "0.00", "0.00", "83.30", "0.00"),
    ("unpaid", "whole"): ("paid", "154.70", "0.00", "0.00", "35.70", "0.00", "35.70"),
    ("unpaid", "line refunded"): ("issued", "35.70", "0.00", "0.00", "0.00", "83.30", "0.00"),
    ("unpaid", "whole refunded"): ("paid", "154.70", "0.00", "0.00", "35.70", "0.00", "35.70"),
    ("part-paid", "void"): REFUSED,
    ("part-paid", "reissue"): REFUSED,
    ("part-paid", "line"): ("paid", "35.70", "100.00", "0.00", "16.70", "0.00", "16.70"),
    ("part-paid", "whole"): ("paid", "154.70", "100.00", "0.00", "135.70", "0.00", "135.70"),
    ("part-paid", "line refunded"): ("paid", "35.70", "100.00", "16.70", "0.00", "0.00", "0.00"),
    ("part-paid", "whole refunded"): ("paid", "154.70", "100.00", "100.00", "35.70", "0.00", "35.70"),
    ("paid", "void"): REFUSED,
    ("paid", "reissue"): REFUSED,
    ("paid", "line"): ("paid", "35.70", "119.00", "0.00", "35.70", "0.00", "35.70"),
    ("paid", "whole"): ("paid", "154.70", "119.00", "0.00", "154.70", "0.00", "154.70"),
    ("paid", "line refunded"): ("paid", "35.70", "119.00", "35.70", "0.00", "0.00", "0.00"),
    ("paid", "whole refunded"): ("paid", "154.70", "119.00", "119.00", "35.70", "0.00", "35.70"),
    ("credited", "void"): REFUSED,
    ("credited", "reissue"): REFUSED,
    ("credited", "line"): ("issued", "47.60", "0.00", "0.00", "0.00", "71.40", "0.00"),
    ("credited", "whole"): ("paid", "154.70", "0.00", "0.00", "35.70", "0.00", "35.70"),
    ("credited", "line refunded"): ("issued", "47.60", "0.00", "0.00", "0.00", "71.40", "0.00"),
    ("credited", "whole refunded"): ("paid", "154.70", "0.00", "0.00", "35.70", "0.00", "35.70"),
}
# One object each: pytest makes what depends on another one anew.
STATES = {(applied, state): (applied, state) for applied in (False, True) for state, _ in PLAIN}
CASES = [
    pytest.param(STATES[applied, state], act, after, id=f"{state} {act}{' with a balance' if applied else ''}")
    for applied, table in ((False, PLAIN), (True, APPLIED))
    for (state, act), after in table.items()
]


@pytest.fixture(scope="module")
def made(request, django_db_setup, django_db_blocker):
    """The invoice over May, in the state that is asked for: made once for all tests in a row that ask for it, around
    their transactions."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make(*request.param), request.param[0]
        transaction.set_rollback(True)


def make(applied, state):
    april = make_correctable()
    pay(april, "154.70")
    if applied:
        with clock.frozen_at(at("2026-04-10")):
            seats = [LineCredit(line(april, "Seats").pk, Decimal(30))]
            credit_invoice(invoice=april, lines=seats, refund=False, reason="x")
    run("2026-05-01")
    invoice = Invoice.objects.get(number="INV-000002")
    if state == "part-paid":
        pay(invoice, "100.00", on="2026-05-02")
    elif state == "paid":
        pay(invoice, "119.00" if applied else "154.70", on="2026-05-02")
    elif state == "credited":
        with clock.frozen_at(at("2026-05-02")):
            base = [LineCredit(line(invoice, "Base").pk, Decimal(10))]
            credit_invoice(invoice=invoice, lines=base, refund=False, reason="x")
    return invoice


def by_rest(invoice, act):
    path = f"/billing/invoices/{to_text(invoice.pk)}/{act}"
    body: dict[str, Any] = {"reason": "x"}
    if act == "void":
        body["action"] = {"percentage": 100, "action": {"type": "pending"}}
    elif act != "reissue":
        path = "/credit-notes"
        body |= {"invoiceId": to_text(invoice.pk), "refundTo": "balance"}
        if "line" in act:
            body["lines"] = [{"lineId": to_text(line(invoice, "Seats").pk), "amount": "30.00"}]
        if "refunded" in act:
            body["refundTo"] = "payment_method"
    Api().post(path, body)


def at_the_desk(invoice, act):
    desk = Desk("Finance approver")
    if act in ("void", "reissue"):
        desk.do(invoice, act, windows="rebill", reason="x")
        return
    typed = {"what": "lines" if "line" in act else "whole", f"line_{to_text(line(invoice, 'Seats').pk)}": "30.00"}
    refund_to = "payment_method" if "refunded" in act else "balance"
    desk.do(invoice, "credit", refund_to=refund_to, reason="x", **typed)


def sums(invoice):
    found = amounts(invoice)
    names = ("credited", "paid", "refunded", "moved_to_balance", "due")
    return (found["status"], *(found.get(name, "0.00") for name in names), balance())


# What is refused is refused by the same verb: one door shows it.
DOORS = [
    pytest.param(door, *case.values, id=f"{case.id} {door.__name__}")
    for case in CASES
    for door in (by_rest, at_the_desk)
    if door is by_rest or case.values[-1] != REFUSED
]


@pytest.mark.parametrize(("door", "made", "act", "after"), DOORS, indirect=["made"], scope="module")
def test_each_correction_of_each_invoice(door, made, act, after):
    invoice, applied = Invoice.objects.get(pk=made[0].pk), made[1]
    before = sums(invoice)
    with clock.frozen_at(at(NOW)):
        door(invoice, act)
    assert sums(invoice) == (before if after == REFUSED else after)
    later = list(Invoice.objects.filter(sequence__gt=2).values_list("number", "total", "due", "replaces__number"))
    if after != REFUSED and act == "reissue":
        due = Decimal("119.00") if applied else Decimal("154.70")
        assert later == [("INV-000003", Decimal("154.70"), due, "INV-000002")]
    else:
        assert later == []
    assert_books_are_clean(NOW)
