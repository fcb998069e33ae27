"""Money given back at Stripe: once, reversed where Stripe refuses, and never more than is on the balance."""

from decimal import Decimal

import pytest
from django.core import mail

from core import clock
from core.audit.models import AuditEntry
from core.errors import PreconditionFailed
from invoicing.models import BalanceEntry, Invoice, Refund
from invoicing.payments.collect_invoice import collect_invoice
from invoicing.payments.record_payment import record_payment
from invoicing.payments.refund import refund_invoice, send_refunds
from invoicing.payments.write_off import write_off
from invoicing.runs.run_due import run_due
from tests.support.api import data, refused
from tests.support.charges import check_books, collect, issued, reconcile, state
from tests.support.clock import at
from tests.support.closing import START
from tests.support.desk import Desk, page_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def invoice(app, fake):
    """Paid twice: 50.00 by bank transfer, then the 50.00 of the charge, which went to the balance."""
    invoice = issued(app, fake, "processing")
    collect()
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=START, reference="by bank")
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    assert state(invoice) == ("paid", "100.00", "0.00")
    # The charge was received last, so refunds go back by it.
    invoice.payments.filter(attempt=None).update(received_at=START.replace(day=1))
    return invoice


def give_back(invoice, amount="20.00"):
    with clock.frozen_at(START):
        return refund_invoice(invoice=invoice, amount=Decimal(amount), reason="Paid twice")


def send():
    Refund.objects.exclude(next_check_at=None).update(next_check_at=clock.real_now())
    with clock.frozen_at(START):
        send_refunds(as_of=START)


def books(invoice):
    invoice.refresh_from_db()
    check_books()
    balance = sum(BalanceEntry.objects.values_list("amount", flat=True))
    return str(invoice.refunded), str(invoice.moved_to_balance), str(balance), Refund.objects.get().status


def test_a_refund_leaves_the_balance_at_once_and_is_given_once(invoice, fake):
    give_back(invoice)
    assert books(invoice) == ("20.00", "30.00", "30.00", "pending")
    send()
    send()
    assert books(invoice) == ("20.00", "30.00", "30.00", "succeeded")
    assert [refund["amount"] for refund in fake.refunds.values()] == [2000]


def test_a_lost_answer_is_asked_for_again_and_given_once(invoice, fake):
    give_back(invoice)
    fake.refund_behaviour = "drop"
    send()
    assert books(invoice)[3] == "unknown"
    fake.refund_behaviour = ""
    send()
    assert books(invoice) == ("20.00", "30.00", "30.00", "succeeded")
    assert [refund["amount"] for refund in fake.refunds.values()] == [2000]


def test_an_answer_that_cant_be_read_stops_no_other_refund_and_is_asked_for_again(invoice, fake):
    give_back(invoice)
    give_back(invoice, "5.00")
    fake.refund_behaviour = "strange"
    send()
    assert sorted(Refund.objects.values_list("status", flat=True)) == ["unknown", "unknown"]
    fake.refund_behaviour = ""
    send()
    assert sorted(Refund.objects.values_list("status", flat=True)) == ["succeeded", "succeeded"]
    assert sorted(refund["amount"] for refund in fake.refunds.values()) == [500, 2000]
    check_books()


def test_what_stripe_refuses_is_on_the_balance_again(invoice, fake):
    give_back(invoice)
    fake.refund_behaviour = "refuse"
    send()
    assert books(invoice) == ("0.00", "50.00", "50.00", "failed")


def test_the_invoice_tells_of_a_refund_from_its_request_to_its_failure(invoice, fake):
    give_back(invoice)
    auditor = Desk("Auditor")
    page = auditor.read(page_url(invoice))
    assert "asked Stripe EU to refund 20.00 EUR of INV-000001 to Acme." in page
    assert "The provider is at work on it. The money has left the customer&#x27;s balance." in page
    fake.refund_behaviour = "refuse"
    send()
    page = auditor.read(page_url(invoice))
    assert "The refund of 20.00 EUR through Stripe EU failed: The card is gone." in page
    assert '<tr class="ch-under ch-void">' in page


def test_no_more_is_refunded_than_is_on_the_balance(invoice):
    with pytest.raises(PreconditionFailed, match=r"Only 50\.00 EUR"):
        give_back(invoice, "50.01")
    BalanceEntry.objects.create(
        customer=invoice.customer, currency="EUR", kind="applied", amount=Decimal("-30.00"), reason="Used"
    )
    with pytest.raises(PreconditionFailed, match=r"Only 20\.00 EUR"):
        give_back(invoice, "20.01")
    assert not Refund.objects.exists()


def test_what_was_refused_can_be_refunded_again(invoice, fake):
    give_back(invoice, "50.00")
    fake.refund_behaviour = "refuse"
    send()
    fake.refund_behaviour = ""
    give_back(invoice, "50.00")
    send()
    assert [refund.status for refund in Refund.objects.order_by("id")] == ["failed", "succeeded"]
    assert [refund["amount"] for refund in fake.refunds.values()] == [5000]
    check_books()


class TestByHand:
    """Refunds that somebody makes at Stripe, without our knowing first."""

    @pytest.fixture
    def paid(self, app, fake):
        """50.00 EUR charged at Stripe; due on 16 April 2026."""
        invoice = issued(app, fake)
        collect()
        assert state(invoice) == ("paid", "50.00", "0.00")
        fake.events.clear()
        return invoice

    @pytest.fixture
    def tell(self, fake, hear):
        """Sends all events, each twice, in the order given; the messages of the answers."""

        def send(*, newest_first=False):
            bodies = fake.events[::-1] if newest_first else fake.events[:]
            fake.events.clear()
            return [data(hear(body))["message"] for body in bodies for _ in range(2)]

        return send

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_what_was_given_back_is_due_again_and_is_not_collected_by_itself(self, paid, fake, tell, newest_first):
        fake.refund_by_hand("pi_1", 2000)
        assert tell(newest_first=newest_first) == ["Refunds of the charge: succeeded."] * 4
        assert state(paid) == ("issued", "50.00", "20.00")
        assert (str(paid.refunded), paid.next_collection_at) == ("20.00", None)
        assert paid.status_note == (
            "20.00 EUR was given back at Stripe EU: 20.00 EUR is due again. It is not charged by itself: charge it "
            "again, record what comes in, or write it off."
        )
        assert [(str(r.amount), str(r.from_balance), r.status) for r in Refund.objects.all()] == [
            ("20.00", "0", "succeeded")
        ]
        collect(at("2026-03-25"))
        assert fake.charged("cus_1") == [5000]
        entry = AuditEntry.objects.get(verb="refund")
        assert entry.sentence == (
            "Countinghouse learnt that 20.00 EUR of INV-000001 was given back to Acme at Stripe EU; 20.00 EUR is due "
            "again."
        )
        check_books()
        with clock.frozen_at(START):
            collect_invoice(invoice=paid)
        collect()
        assert fake.charged("cus_1") == [5000, 2000]
        assert state(paid) == ("paid", "70.00", "0.00")
        check_books()

    def test_staff_are_told_on_the_start_page_and_the_invoice_offers_what_to_do(self, paid, fake, tell):
        def counted(desk):
            [tile] = [tile for tile in desk.get("/admin/").context["tiles"] if tile.label == "Given back"]
            return tile.count, desk.get(tile.url).context["cl"].result_count

        approver = Desk("Finance approver")
        assert counted(approver) == (0, 0)
        fake.refund_by_hand("pi_1", 2000)
        tell()
        assert counted(approver) == (1, 1)
        page = approver.get(page_url(paid))
        assert "20.00 EUR is due again." in page.content.decode()
        usable = {button.label for button in page.context["buttons"] if not button.why_not}
        assert {"Charge now", "Record payment", "Write off"} <= usable
        approver.do(paid, "write-off", reason="Goodwill")
        assert counted(approver) == (0, 0)
        check_books()

    def test_it_is_overdue_in_time_and_the_customer_is_not_told_to_pay(self, paid, fake, tell):
        fake.refund_by_hand("pi_1", 5000)
        tell()
        with clock.frozen_at(at("2026-04-20")):
            run_due(as_of=at("2026-04-20"))
        assert state(paid) == ("overdue", "50.00", "50.00")
        assert not [message for message in mail.outbox if "INV-000001 is overdue" in message.subject]
        assert fake.charged("cus_1")[:1] == [5000]
        check_books()

    def test_two_refunds_are_two(self, paid, fake, tell):
        fake.refund_by_hand("pi_1", 2000)
        fake.refund_by_hand("pi_1", 500)
        tell()
        assert state(paid) == ("issued", "50.00", "25.00")
        assert paid.status_note.startswith("5.00 EUR was given back at Stripe EU: 25.00 EUR is due again.")
        assert Refund.objects.count() == 2
        check_books()

    def test_what_had_gone_to_the_balance_is_taken_from_there_first(self, invoice, fake, tell):
        fake.events.clear()
        fake.refund_by_hand("pi_1", 5000)
        tell()
        assert books(invoice) == ("50.00", "0.00", "0.00", "succeeded")
        assert state(invoice) == ("paid", "100.00", "0.00")

    def test_one_that_fails_later_is_paid_again(self, paid, fake, tell):
        refund = fake.refund_by_hand("pi_1", 2000)
        tell()
        fake.fail_refund(refund)
        tell()
        assert state(paid) == ("paid", "50.00", "0.00")
        assert (str(paid.refunded), paid.status_note, Refund.objects.get().status) == ("0.00", "", "failed")
        check_books()

    def test_where_what_was_due_again_was_paid_meanwhile_it_goes_to_the_balance(self, paid, fake, tell):
        refund = fake.refund_by_hand("pi_1", 2000)
        tell()
        with clock.frozen_at(START):
            record_payment(invoice=paid, amount=Decimal("20.00"), received_at=START, reference="by bank")
        fake.fail_refund(refund)
        tell()
        paid.refresh_from_db()
        assert (paid.status, str(paid.paid), str(paid.moved_to_balance)) == ("paid", "70.00", "20.00")
        check_books()

    def test_a_failure_that_is_heard_of_first_is_the_last_word(self, paid, fake, tell):
        refund = fake.refund_by_hand("pi_1", 2000)
        created = [body for body in fake.events if b"refund.created" in body]
        fake.fail_refund(refund)
        failed = [body for body in fake.events if b"refund.failed" in body]
        fake.events[:] = [*failed, *created]
        tell()
        assert state(paid) == ("paid", "50.00", "0.00")
        assert Refund.objects.get().status == "failed"
        check_books()

    def test_one_that_waits_is_asked_about_and_never_given_anew(self, paid, fake, tell):
        refund = fake.refund_by_hand("pi_1", 2000, status="pending")
        tell()
        assert Refund.objects.get().status == "pending"
        refund["status"] = "succeeded"
        send()
        assert Refund.objects.get().status == "succeeded"
        assert len(fake.refunds) == 1
        check_books()

    def test_where_stripe_does_not_answer_it_is_to_send_the_event_again(self, paid, fake, hear):
        fake.refund_by_hand("pi_1", 2000)
        body = fake.events[0]
        fake.refuse_key = True
        assert "send it again" in refused(hear(body), 412)["detail"]
        assert state(paid) == ("paid", "50.00", "0.00")
        fake.refuse_key = False
        data(hear(body))
        assert state(paid) == ("issued", "50.00", "20.00")

    def test_of_a_charge_that_is_not_ours_nothing_is_booked(self, paid, fake, hear):
        foreign = {"id": "re_9", "payment_intent": "pi_9", "amount": 100, "currency": "eur", "status": "succeeded"}
        assert data(hear(fake.event("refund.created", foreign)))["message"] == "Not a charge of ours."
        assert not Refund.objects.exists()

    def test_a_dispute_takes_the_money_back_and_gives_it_back_once_it_is_won(self, paid, fake, tell):
        dispute = fake.dispute("pi_1", 5000)
        assert tell(newest_first=True) == ["Dispute of the charge: succeeded."] * 2 + ["Nothing to do."] * 2
        assert state(paid) == ("issued", "50.00", "50.00")
        assert paid.status_note.startswith(
            "50.00 EUR was disputed by the customer at Stripe EU: 50.00 EUR is due again."
        )
        assert AuditEntry.objects.get(verb="refund").sentence == (
            "Countinghouse learnt that 50.00 EUR of INV-000001 was taken back by the bank of Acme at Stripe EU; "
            "50.00 EUR is due again."
        )
        check_books()
        collect(at("2026-03-25"))
        with clock.frozen_at(at("2026-04-20")):
            run_due(as_of=at("2026-04-20"))
        assert fake.charged("cus_1")[:1] == [5000]
        assert not [message for message in mail.outbox if "INV-000001 is overdue" in message.subject]
        fake.win(dispute)
        tell()
        assert state(paid) == ("paid", "50.00", "0.00")
        assert [(r.status, r.failure_message) for r in Refund.objects.all()] == [("failed", "The dispute was won.")]
        check_books()

    def test_a_dispute_that_is_heard_of_after_it_was_won_takes_nothing(self, paid, fake, tell):
        fake.win(fake.dispute("pi_1", 2000))
        tell(newest_first=True)
        assert state(paid) == ("paid", "50.00", "0.00")
        check_books()

    def test_a_dispute_that_races_a_refund_of_ours_leaves_the_books_right(self, invoice, fake, tell):
        """50.00 EUR is on the balance: 20.00 of it is to be given back while the customer disputes the whole charge."""
        fake.events.clear()
        give_back(invoice)
        fake.dispute("pi_1", 5000)
        fake.refund_behaviour = "refuse"  # as Stripe does with what is disputed
        tell()
        send()
        check_books()
        assert [
            (str(r.amount), str(r.from_balance), r.status) for r in Refund.objects.order_by("created_at", "id")
        ] == [
            ("20.00", "20.00", "failed"),
            ("50.00", "30.00", "succeeded"),
        ]
        invoice.refresh_from_db()
        assert (str(invoice.refunded), str(invoice.moved_to_balance), str(invoice.due)) == ("50.00", "20.00", "20.00")

    def test_what_is_due_again_is_paid_before_what_was_written_off(self, app, fake, tell):
        """50.00: 20.00 paid by bank, 30.00 written off; 30.00 come in late, of which 20.00 and 5.00 are given back."""
        invoice = issued(app, fake, "action")
        collect()
        with clock.frozen_at(START):
            record_payment(invoice=invoice, amount=Decimal("20.00"), received_at=START, reference="by bank")
            write_off(invoice=invoice, reason="Gone")
        fake.intents["pi_1"] |= {"status": "succeeded", "amount_received": 3000}
        reconcile()
        invoice.refresh_from_db()
        assert (invoice.status, str(invoice.paid), str(invoice.written_off)) == ("paid", "50.00", "0.00")
        fake.events.clear()
        fake.refund_by_hand("pi_1", 2000)
        tell()
        with clock.frozen_at(START):
            invoice.refresh_from_db()
            write_off(invoice=invoice, reason="Gone again")
        refund = fake.refund_by_hand("pi_1", 500)
        tell()
        invoice.refresh_from_db()
        assert (str(invoice.due), str(invoice.written_off), invoice.status) == ("5.00", "20.00", "uncollectible")
        with clock.frozen_at(START):
            record_payment(invoice=invoice, amount=Decimal("7.00"), received_at=START, reference="by bank")
        invoice.refresh_from_db()
        assert (str(invoice.due), str(invoice.written_off), invoice.status) == ("0.00", "18.00", "uncollectible")
        assert refund["status"] == "succeeded"
        check_books()

    def test_what_is_given_back_stops_the_charge_that_was_planned(self, app, fake, tell):
        """20.00 of a charge of 50.00 came in; before the rest is charged, the 20.00 is given back."""
        invoice = issued(app, fake, "processing")
        collect()
        fake.intents["pi_1"] |= {"status": "succeeded", "amount_received": 2000}
        reconcile()
        invoice.refresh_from_db()
        assert invoice.next_collection_at == START
        fake.events.clear()
        fake.refund_by_hand("pi_1", 2000)
        tell()
        collect()
        assert state(invoice) == ("issued", "20.00", "50.00")
        assert len(fake.intents) == 1
        check_books()

    def test_on_a_voided_invoice_nothing_is_ever_due_or_paid(self, app, fake, tell):
        invoice = issued(app, fake, "action")
        collect()
        Invoice.objects.filter(pk=invoice.pk).update(status="voided", due=0, credited=50)
        fake.intents["pi_1"]["status"] = "succeeded"
        reconcile()
        assert state(invoice) == ("voided", "0", "0")
        assert [str(entry.amount) for entry in BalanceEntry.objects.all()] == ["50.00"]
        fake.events.clear()
        BalanceEntry.objects.create(
            customer=invoice.customer, currency="EUR", kind="applied", amount=Decimal("-50.00"), reason="Used"
        )
        fake.refund_by_hand("pi_1", 2000)
        tell()
        assert state(invoice) == ("voided", "0", "0")

    def test_a_refund_that_overtakes_the_news_of_its_charge(self, app, fake, tell):
        invoice = issued(app, fake, "action")
        collect()
        fake.intents["pi_1"]["status"] = "succeeded"
        fake.events.clear()
        fake.refund_by_hand("pi_1", 5000)
        tell()
        assert state(invoice) == ("issued", "50.00", "50.00")
        check_books()


def test_our_own_refund_that_a_webhook_tells_of_before_the_answer_is_booked_once(invoice, fake, hear):
    give_back(invoice)
    fake.refund_behaviour = "drop"
    send()
    assert books(invoice)[3] == "unknown"
    [refund] = fake.refunds.values()
    data(hear(fake.event("refund.created", refund)))
    assert books(invoice) == ("20.00", "30.00", "30.00", "succeeded")
    send()
    assert len(fake.refunds) == 1


def test_our_own_refund_that_fails_later_is_on_the_balance_again(invoice, fake, hear):
    give_back(invoice)
    send()
    [refund] = fake.refunds.values()
    succeeded = fake.event("charge.refund.updated", refund)
    fake.fail_refund(refund)
    data(hear(fake.events[-1]))
    assert books(invoice) == ("0.00", "50.00", "50.00", "failed")
    data(hear(succeeded))
    assert books(invoice) == ("0.00", "50.00", "50.00", "failed")
    assert Refund.objects.get().failure_message == "Stripe says: lost or stolen card."
