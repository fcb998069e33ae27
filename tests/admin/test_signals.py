"""What a page says went well went well: tones of messages, of results row by row, and of long work that is over."""

from decimal import Decimal

import pytest
from django.contrib.messages import get_messages

from core import clock
from customers.models import BillingApp, CustomerAppData
from invoicing.admin.runs.run import run_badge
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.models import BillingRun, Invoice, ParkedCustomer, RunCustomer
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import mark_uncollectible
from invoicing.runs.progress import RunProgress
from subscriptions.models import ItemRevision
from tests.admin.pages import answered, hidden
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import START, make_draft, make_issued, make_subscriber, run
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import list_url, page_url, said, verb_url
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def tones(response):
    return [message.level_tag for message in get_messages(response.wsgi_request)] or [
        message.level_tag for message in response.context["messages"]
    ]


def charge(desk, *invoices):
    """Charge many at once; the page with the result of each."""
    answers = {"action": "collect", "_selected_action": [invoice.pk for invoice in invoices], "confirmed": "yes"}
    with clock.frozen_at(START):
        return desk.post(list_url(Invoice), answers | {"reason": "Asked for it"}).content.decode()


def test_a_declined_charge_is_no_success(clerk):
    invoice = make_issued(decline=True)
    with clock.frozen_at(START):
        response = clerk.do(invoice, "collect", reason="Asked for it")
    assert said(response)[0].startswith("The charge did not succeed: Payment failed.")
    assert tones(response) == ["error"]


def test_a_charge_that_succeeds_is_one(clerk):
    invoice = make_issued(decline=True)
    CustomerAppData.objects.update(data={})
    with clock.frozen_at(START):
        response = clerk.do(invoice, "collect", reason="Another card")
    assert (said(response), tones(response)) == (["INV-000001 is paid."], ["success"])


def test_of_many_charges_the_declined_ones_are_not_counted_as_done(clerk):
    page = charge(clerk, make_issued(decline=True))
    assert "0 of 1 done" in page
    assert '<span class="ch-badge ch-red" title="">Did not succeed</span>' in page


def test_an_approved_draft_whose_charge_is_declined_says_so(approver):
    draft = make_draft()
    draft.customer.app_data.create(app=draft.app, data={"outcome": "decline"})
    with clock.frozen_at(START):
        response = approver.do(draft, "approve")
    assert said(response)[0].startswith(
        "INV-000001 over 50.00 EUR is issued. The charge of INV-000001 did not succeed:"
    )
    assert tones(response) == ["warning"]


@pytest.mark.parametrize("outcome", ["decline", "action_required"])
def test_a_draft_whose_retried_step_ends_in_a_charge_without_success_says_so(approver, outcome):
    draft = make_draft()
    draft.customer.app_data.create(app=draft.app, data={"outcome": outcome})
    Invoice.objects.filter(pk=draft.pk).update(status="draft.invalid")
    with clock.frozen_at(START):
        response = approver.do(draft, "retry")
    assert "The charge of INV-000001 did not succeed:" in said(response)[0]
    assert tones(response) == ["warning"]


@pytest.mark.parametrize(
    ("verb", "answers", "done"),
    [
        (
            "edit-price",
            {"timing": "immediate", "model": "flat", "amount": "45.00"},
            "The price is changed for this customer. 1 invoice made.",
        ),
        ("change-quantity", {"item": "1", "quantity": "2", "counts": "now"}, "Item 1 counts 2 times from now on."),
    ],
)
def test_a_change_whose_charge_is_declined_is_done_with_a_warning(clerk, verb, answers, done):
    basic = subscribe(flat_plan("basic", "30.00"))
    basic.customer.app_data.create(app=BillingApp.objects.get(), data={"outcome": "decline"})
    on = at("2026-04-16")
    page = answered(clerk, basic, verb, on, "?item=1", **answers)
    with clock.frozen_at(on):
        response = clerk.post(verb_url(basic, verb), hidden(page), follow=True)
    [words] = said(response)
    assert words.startswith(done)
    assert words.endswith("The charge of INV-000002 did not succeed: The sandbox card was declined.")
    assert tones(response) == ["warning"]


def test_a_draft_whose_step_fails_again_is_no_success(approver, settings):
    draft = make_draft()
    Invoice.objects.filter(pk=draft.pk).update(status="draft.invalid")
    settings.AMOUNT_LIMITS = {"EUR": 10}
    with clock.frozen_at(START):
        response = approver.do(draft, "retry")
    assert "The draft comes to 50.00 EUR, beyond the safety limit of 10.00 EUR" in str(
        said(response) or response.content.decode()
    )


def test_an_uncollectible_invoice_does_not_say_that_nothing_is_due(clerk):
    invoice = make_issued(decline=True)
    with clock.frozen_at(START):
        mark_uncollectible(invoice=invoice, reason="Insolvent")
    page = clerk.read(page_url(invoice))
    assert "Nothing is due on it." not in page
    assert "It is uncollectible: 50.00 EUR stays due, and is charged no more." in page


def test_nor_does_one_of_which_a_part_was_paid(clerk):
    """178.20 less 50.00 that arrived: 128.20 stay due."""
    app = make_default_profile().app
    make_subscriber(flat_plan("basic", "178.20")).app_data.create(app=app, data={"outcome": "decline"})
    run("2026-03-17")
    invoice = Invoice.objects.get(issued_at__isnull=False)
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=START, reference="TRN-1")
        mark_uncollectible(invoice=invoice, reason="Insolvent")
    page = clerk.read(page_url(invoice))
    assert "nothing is due on it" not in page.lower()
    assert "It is uncollectible: 128.20 EUR stays due, and is charged no more." in page


def test_a_run_that_left_somebody_parked_is_not_simply_done(clerk):
    invoice = make_issued()
    made = invoice.run
    broken = make_customer(key="broken", name="Broken")
    row = {"run": made, "shard": made.shards.get(), "customer": broken, "outcome": CustomerOutcome.PARKED}
    RunCustomer.objects.create(**row, cause_code="no_price", cause="Base fee has no price.")
    BillingRun.objects.update(customer_count=2)
    for page in (clerk.read(page_url(made)), clerk.read(list_url(BillingRun))):
        assert '<span class="ch-badge ch-amber" title="">Done, 1 parked</span>' in page
        assert "ch-progress-fill ch-amber-fill" in page


def test_the_navigation_counts_the_parked_and_shows_nothing_for_none(clerk):
    invoice = make_issued()
    assert "data-count" not in clerk.read(page_url(invoice))
    ParkedCustomer.objects.create(customer=invoice.customer, parked_at=START, cause_code="no_price", cause="No price.")
    assert clerk.read(page_url(invoice)).count("data-count>1</span>") >= 1


@pytest.mark.parametrize(
    ("counts", "badge", "tone"),
    [
        ({"invoiced": 3}, ("green", "Done"), ""),
        ({"invoiced": 2, "parked": 1}, ("amber", "Done, 1 parked"), "amber"),
        ({"invoiced": 2, "nothing": 1}, ("green", "Done"), ""),
    ],
)
def test_the_tone_of_a_run(counts, badge, tone):
    progress = RunProgress(counts, 3)
    shown = run_badge(BillingRun(status=RunStatus.DONE), progress)
    assert shown == f'<span class="ch-badge ch-{badge[0]}" title="">{badge[1]}</span>'
    assert progress.tone == tone


def test_a_customer_whose_cause_holds_stays_parked_and_the_desk_is_told(approver):
    """Their fee is absurd; once it is right again, they are released, and the look before it has billed nothing."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    price = ItemRevision.objects.get(item__subscription=subscription).price
    ParkedCustomer.objects.create(
        customer=subscription.customer, parked_at=at("2026-05-01"), cause_code="beyond_limit", cause="Too much."
    )
    parked = ParkedCustomer.objects.get()
    ItemRevision.objects.update(price={"type": "flat", "amount": "900000000000.00", "paymentTerm": "in_advance"})
    with clock.frozen_at(at("2026-05-02")):
        response = approver.do(parked, "release", reason="Mended")
    page = response.content.decode()
    assert "Acme stays parked, since they can&#x27;t be billed yet: Basic fee for 1 May 2026" in page
    parked.refresh_from_db()
    assert parked.released_at is None
    ItemRevision.objects.update(price=price)
    with clock.frozen_at(at("2026-05-02")):
        response = approver.do(parked, "release", reason="Mended")
    assert said(response) == ["Acme is released. The next run bills everything that is due."]
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 1
    run("2026-05-02")
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2
