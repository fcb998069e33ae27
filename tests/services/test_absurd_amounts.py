"""Absurd amounts park their customer with the cause before anything is issued; everybody else is billed."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput
from customers.models import Customer
from entitlements.metering.ingest_events import ingest_events
from invoicing.choices import CustomerOutcome, InvoiceStatus
from invoicing.drafts.advance_invoice import advance_invoice
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.errors import CannotBill, StillParked
from invoicing.gathering.live_totals import show_live
from invoicing.models import BalanceEntry, Invoice, ParkedCustomer, Payment, RunCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.payments.record_payment import record_payment
from invoicing.previews.preview_customers import preview_customers
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from subscriptions.models import Subscription
from tests.support.books import run_check
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import invoices
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

ABSURD = "1e27"
# Its last digit lies 198 places behind its first.
GIANT = ("9e99", "1e-99")


def metered_plan():
    calls = make_feature(key="calls", name="Calls", meter=make_meter())
    card = usage_card(key="calls", name="Calls", feature=calls, price={"type": "unit", "amount": "1.00"})
    return flat_plan("metered", None, cards=(card,))


def use(subject, *amounts, on="2026-04-10"):
    event = {"source": "test", "type": "usage", "subject": subject}
    events = [event | {"id": f"{subject}-{n}", "data": {"amount": amount}} for n, amount in enumerate(amounts)]
    with clock.frozen_at(at(on)):
        ingest_events(events=events)


def two_customers(**profile):
    make_default_profile(**profile)
    plan = metered_plan()
    for key in ("acme", "globex"):
        subscribe(plan, customer=make_customer(key=key, name=key.title()), bill=False)
    run("2026-04-01")


def outcomes():
    rows = RunCustomer.objects.filter(run__as_of=at("2026-05-01T00:05")).order_by("customer__key")
    return list(rows.values_list("customer__key", "outcome", "cause_code"))


@pytest.mark.parametrize("amounts", [(ABSURD,), GIANT, ("999999999", "2")])
def test_absurd_usage_parks_its_customer_and_nobody_else(amounts):
    two_customers()
    use("acme", *amounts)
    use("globex", "7")
    run("2026-05-01T00:05")
    assert outcomes() == [
        ("acme", CustomerOutcome.PARKED, "beyond_limit"),
        ("globex", CustomerOutcome.INVOICED, ""),
    ]
    assert invoices() == [("INV-000001", "7.00", "0.00")]
    code, said = run_check(now="2026-05-01T00:30")
    assert code == 0, said


def test_the_cause_says_how_much_where_and_what_to_do():
    two_customers()
    use("acme", ABSURD)
    run("2026-05-01T00:05")
    assert ParkedCustomer.objects.get().cause == (
        "Calls for 1 April 2026 to 1 May 2026 comes to 1,000,000,000,000,000,000,000,000,000.00 EUR, beyond the safety "
        "limit of 1,000,000,000.00 EUR. Nothing was billed. If the amount is right, raise the limit (AMOUNT_LIMITS, "
        "see the operations guide); otherwise correct its price or its quantity. Edit the subscription with effect "
        "from 2026-04-01 00:00 UTC, then release the customer."
    )


def test_who_would_be_parked_again_is_not_released():
    two_customers()
    use("acme", "1000000000.01")
    run("2026-05-01T00:05")
    before = invoices()
    with clock.frozen_at(at("2026-05-02")), pytest.raises(StillParked, match="beyond the safety limit"):
        release_customer(parked=ParkedCustomer.objects.get(), reason="Surely mended")
    assert ParkedCustomer.objects.get().released_at is None
    assert invoices() == before


def test_an_amount_that_is_right_is_billed_once_the_limit_is_raised(settings):
    two_customers()
    use("acme", "1000000000.01")
    run("2026-05-01T00:05")
    parked = ParkedCustomer.objects.get()
    settings.AMOUNT_LIMITS = {"EUR": Decimal("1000000000.01")}
    with clock.frozen_at(at("2026-05-02")):
        release_customer(parked=parked, reason="The amount is right")
    run("2026-05-02T00:05")
    assert ("INV-000002", "1000000000.01", "0.00") in invoices()


def test_an_invoice_is_too_large_though_none_of_its_lines_is():
    cards = [flat_card(key=key, name=key.title(), price=fee("600000000")) for key in ("one", "two")]
    subscribe(flat_plan("large", None, cards=tuple(cards)))
    assert ParkedCustomer.objects.get().cause.startswith("The invoice comes to 1,200,000,000.00 EUR, beyond the safety")
    assert invoices() == []


def test_a_credit_beyond_a_limit_that_was_lowered_is_refused_and_changes_nothing(settings):
    subscription = subscribe(flat_plan("large", "900000000.00"))
    settings.AMOUNT_LIMITS = {"EUR": Decimal(1000000)}
    with clock.frozen_at(at("2026-04-16")), pytest.raises(CannotBill, match=r"A credit note comes to 450,000,000.00"):
        cancel_subscription(subscription=subscription, timing="immediate")
    assert Subscription.objects.get().active_to is None
    assert not BalanceEntry.objects.exists()


def test_a_preview_and_the_gathering_invoice_say_the_cause_and_show_the_others():
    two_customers()
    use("acme", *GIANT)
    use("globex", "7")
    with clock.frozen_at(at("2026-04-20")):
        ids = {customer.key: customer.id for customer in Customer.objects.all()}
        for until in ("2026-05-01", "2026-04-20"):
            shown = preview_customers(customer_ids=list(ids.values()), until=at(until))
            due = [Decimal("7.00")] if until == "2026-05-01" else []
            assert [document.total for document in shown[ids["globex"]].documents] == due
            assert shown[ids["acme"]].documents == ()
            problem = shown[ids["acme"]].problem
            assert (problem.code if problem else None) == ("beyond_limit" if due else None)
        gathering = list(Invoice.objects.order_by("customer__key"))
        show_live(gathering)
    assert "more digits than can be reckoned with" in gathering[0].status_note
    assert [invoice.total for invoice in gathering] == [Decimal("0.00"), Decimal("7.00")]


@pytest.mark.parametrize("amounts", [(ABSURD,), GIANT])
def test_a_draft_stops_at_its_collection_and_the_others_go_on(amounts, settings):
    two_customers(collection_interval="P1D")
    run("2026-05-01T00:05")
    use("acme", *amounts, on="2026-04-20")
    use("globex", "7", on="2026-04-20")
    run("2026-05-02T00:05")
    drafts = Invoice.objects.filter(issued_at=None).exclude(status=InvoiceStatus.GATHERING)
    assert [(draft.customer.key, draft.status) for draft in drafts] == [("acme", InvoiceStatus.DRAFT_COLLECTING_FAILED)]
    assert "Calls" in drafts[0].status_note
    assert invoices() == [("INV-000001", "7.00", "0.00")]
    if amounts != GIANT:
        settings.AMOUNT_LIMITS = {"EUR": Decimal(10) ** 28}
        with clock.frozen_at(at("2026-05-03")):
            assert retry_invoice(invoice=drafts[0]).status == InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL
            advance_invoice(invoice=drafts[0])
        assert Invoice.objects.filter(issued_at__isnull=False).count() == 2


def test_a_draft_beyond_the_limit_is_not_approved(settings):
    make_default_profile(auto_advance=False)
    subscribe(flat_plan("large", "900000000.00"))
    settings.AMOUNT_LIMITS = {"EUR": Decimal(1000000)}
    draft = Invoice.objects.get(status=InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED)
    with clock.frozen_at(at("2026-04-02")), pytest.raises(CannotBill, match=r"The draft comes to 900,000,000.00 EUR"):
        approve_invoice(invoice=draft)
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 0


def test_a_payment_beyond_the_limit_is_booked_only_where_as_much_is_due(settings):
    make_default_profile(collection_method="send_invoice")
    subscribe(flat_plan("large", "900000000.00"))
    settings.AMOUNT_LIMITS = {"EUR": Decimal(1000000)}
    invoice = Invoice.objects.get(issued_at__isnull=False)
    with clock.frozen_at(at("2026-04-03")):
        with pytest.raises(InvalidInput, match=r"beyond the safety limit of 1,000,000\.00 EUR"):
            record_payment(invoice=invoice, amount=Decimal("900000000.01"), received_at=at("2026-04-02"), reference="x")
        assert not Payment.objects.exists()
        record_payment(invoice=invoice, amount=Decimal("900000000.00"), received_at=at("2026-04-02"), reference="x")
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.PAID
