"""The dunning plan: tries and notices by days, then overdue, then uncollectible where the profile says so."""

from decimal import Decimal

import pytest
from django.core import mail

from core import clock
from core.audit.models import AuditEntry
from customers.models import BillingProfile, CustomerOverride
from customers.services.archive_profile import archive_profile
from invoicing.models import Payment
from invoicing.payments.record_payment import record_payment
from invoicing.runs.run_due import run_due
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.closing import make_issued
from tests.support.customers import enterprise

pytestmark = pytest.mark.django_db


def days(first, last):
    """Everything that is due on each of these days of March and April 2026, at midnight."""
    for number in range(first, last + 1):
        moment = at(f"2026-03-{number}") if number <= 31 else at(f"2026-04-{number - 31:02}")
        with clock.frozen_at(moment):
            run_due(as_of=moment)


def state(invoice):
    invoice.refresh_from_db()
    return invoice.status, str(invoice.due), invoice.next_collection_at


def test_the_default_plan_tries_after_one_three_five_and_seven_days_with_a_notice_each():
    invoice = make_issued(decline=True)
    assert state(invoice) == ("payment_processing.failed", "50.00", at("2026-03-18"))
    days(17, 31)
    tried = Payment.objects.order_by("attempt").values_list("attempt", "created_at", "status")
    assert list(tried) == [
        (1, at("2026-03-17"), "failed"),
        (2, at("2026-03-18"), "failed"),
        (3, at("2026-03-20"), "failed"),
        (4, at("2026-03-22"), "failed"),
        (5, at("2026-03-24"), "failed"),
    ]
    assert state(invoice) == ("payment_processing.failed", "50.00", None)
    notices = [message for message in mail.outbox if "Payment of invoice INV-000001 failed" in message.subject]
    assert len(notices) == 5
    assert "we could not collect 50.00 EUR for invoice INV-000001: The sandbox card was declined." in notices[0].body


def test_it_is_overdue_after_its_due_date_and_then_waits_for_staff():
    invoice = make_issued(decline=True)
    days(17, 31)
    days(32, 46)  # 15 April; it is due on the 16th
    assert state(invoice)[0] == "payment_processing.failed"
    days(47, 60)
    assert state(invoice) == ("overdue", "50.00", None)
    assert [message.subject for message in mail.outbox].count("Invoice INV-000001 is overdue") == 1


def test_where_the_profile_says_so_it_is_uncollectible_once_it_is_overdue_too():
    invoice = make_issued(decline=True, uncollectible_after_dunning=True)
    days(17, 46)
    assert state(invoice)[0] == "payment_processing.failed"
    days(47, 48)
    assert state(invoice) == ("uncollectible", "50.00", None)
    assert invoice.status_note == "The last try of the dunning plan failed."
    entry = AuditEntry.objects.get(verb="mark_uncollectible")
    assert entry.sentence == "Countinghouse marked INV-000001 of Acme uncollectible, with 50.00 EUR due."
    assert entry.at == at("2026-04-16")
    assert run_check("--only", "7", now="2026-04-18T00:05")[0] == 0


def test_where_it_is_overdue_first_it_is_uncollectible_after_the_last_try():
    invoice = make_issued(decline=True, due_after="P3D", uncollectible_after_dunning=True)
    days(17, 23)
    assert state(invoice) == ("overdue", "50.00", at("2026-03-24"))
    days(24, 24)
    assert state(invoice)[0] == "uncollectible"


def test_a_plan_without_tries_ends_with_the_first_failure():
    invoice = make_issued(decline=True, due_after="P1D", dunning_days=[], uncollectible_after_dunning=True)
    days(17, 18)
    assert state(invoice)[0] == "uncollectible"


def test_what_counts_is_what_the_invoice_froze():
    invoice = make_issued(decline=True, due_after="P1D", dunning_days=[])
    BillingProfile.objects.update(uncollectible_after_dunning=True)
    days(17, 20)
    assert state(invoice)[0] == "overdue"


def test_a_customer_s_own_setting_goes_before_the_profile_s():
    profile = enterprise(due_after="P1D", dunning_days=[], uncollectible_after_dunning=True)
    first = make_issued(decline=True)
    CustomerOverride.objects.create(customer=first.customer, billing_profile=profile, uncollectible_after_dunning=False)
    days(17, 31)
    days(32, 49)  # the next fee is charged on 17 April, and declined
    second = first.customer.invoices.filter(issued_at=at("2026-04-17")).get()
    assert second.workflow_snapshot["values"]["uncollectible_after_dunning"] is False
    assert second.workflow_snapshot["origins"]["uncollectible_after_dunning"] == "override"
    assert state(second)[0] == "overdue"


def test_an_invoice_that_is_sent_is_given_up_by_staff_alone():
    invoice = make_issued(due_after="P1D", collection_method="send_invoice", uncollectible_after_dunning=True)
    days(17, 31)
    assert state(invoice)[0] == "overdue"


def test_an_archived_profile_s_plan_goes_on():
    invoice = make_issued(decline=True, due_after="P1D", dunning_days=[2], uncollectible_after_dunning=True)
    other = enterprise()
    BillingProfile.objects.filter(is_default=True).update(is_default=False)
    BillingProfile.objects.filter(pk=other.pk).update(is_default=True)
    archive_profile(profile=invoice.profile, reason="Old")
    days(17, 19)
    assert state(invoice)[0] == "uncollectible"


def test_what_comes_in_after_all_is_booked():
    invoice = make_issued(decline=True, due_after="P1D", dunning_days=[], uncollectible_after_dunning=True)
    days(17, 18)
    with clock.frozen_at(at("2026-03-20")):
        record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-20"), reference="by bank")
    assert state(invoice)[:2] == ("paid", "0.00")


def test_a_second_look_changes_nothing():
    invoice = make_issued(decline=True, due_after="P1D", dunning_days=[], uncollectible_after_dunning=True)
    days(17, 18)
    before = AuditEntry.objects.count()
    days(18, 25)
    assert state(invoice)[0] == "uncollectible"
    assert AuditEntry.objects.count() == before
