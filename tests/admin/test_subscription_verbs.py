"""Changing a subscription at the finance desk: the money is shown first, and what was shown is what is done."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import CreditNote, Invoice, TaxRate
from subscriptions.models import Coupon, CouponRedemption, QuantityChange, Subscription, SubscriptionAddOn
from tests.admin.pages import hidden, text_of
from tests.services.test_addons import offered
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import vat_customer
from tests.support.desk import Desk, page_url, said, verb_url
from tests.support.invoices import invoices, notes
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db

ON = "2026-04-16"


@pytest.fixture
def basic(db):
    """30.00 a month from 1 April on, with 19 % VAT, billed."""
    return subscribe(flat_plan("basic", "30.00"), customer=vat_customer())


def seen(desk, obj, verb, on=ON, **answers):
    """The page that shows what the answers would do."""
    with clock.frozen_at(at(on)):
        response = desk.post(verb_url(obj, verb), {"reason": "Agreed by phone"} | answers)
    assert response.status_code == 200
    return response.content.decode()


def confirmed(desk, obj, verb, on=ON, later=timedelta(minutes=2), **answers):
    """What is said once the answers were seen and, a little later, confirmed; and the page that was seen."""
    page = seen(desk, obj, verb, on, **answers)
    with clock.frozen_at(at(on) + later):
        response = desk.post(verb_url(obj, verb), hidden(page), follow=True)
    return said(response), text_of(page)


def stored():
    return [list(model.objects.order_by("pk").values()) for model in (Invoice, CreditNote, Subscription, AuditEntry)]


def test_an_upgrade_shows_credit_and_charge_and_then_bills_them(clerk, basic):
    """15.00 back, 45.00 for the rest of April: 30.00 and 5.70 of VAT. Two minutes later the figures are the same."""
    pro = flat_plan("pro", "90.00")
    answers = {"plan": str(pro.pk), "timing": "immediate", "usage": "preserve"}
    before = stored()
    page = text_of(seen(clerk, basic, "change-plan", **answers))
    assert stored() == before
    for text in (
        "Unused part: Basic fee",
        "-15.00 EUR",
        "45.00 EUR",
        "Due now, tax and balance included 35.70 EUR",
        "Next billing, tax included, on 1 May 2026 00:00 UTC 107.10 EUR",
        "Usage of the current period counts on.",
        "Basic ends on 16 Apr 2026 00:00 UTC; Pro begins then.",
        "Reason: Agreed by phone",
        "Change plan now?",
    ):
        assert text in page, text
    messages, _ = confirmed(clerk, basic, "change-plan", **answers)
    assert messages == ["Basic changes to Pro on 16 Apr 2026 00:00 UTC. 1 invoice made."]
    assert invoices()[-1] == ("INV-000002", "35.70", "0.00")
    entry = AuditEntry.objects.get(verb="subscription.changed")
    assert (entry.actor_label, entry.reason) == ("Clerk", "Agreed by phone")


def test_a_downgrade_waits_for_the_next_cycle_and_is_unscheduled(clerk, basic):
    free = flat_plan("free", "0.00")
    answers = {"plan": str(free.pk), "timing": "next_billing_cycle", "usage": "preserve"}
    messages, page = confirmed(clerk, basic, "change-plan", **answers)
    assert "Nothing is billed now." in page
    assert messages == ["Basic changes to Free on 1 May 2026 00:00 UTC."]
    with clock.frozen_at(at("2026-04-17")):
        shown = text_of(clerk.read(page_url(basic)))
    assert "Changes to Free on 1 May 2026 00:00 UTC , as planned." in shown
    assert "A change to Free is planned for 1 May 2026 00:00 UTC: unschedule it first." in shown
    messages, page = confirmed(clerk, basic, "unschedule", "2026-04-17")
    assert "on 1 May 2026 00:00 UTC 35.70 EUR" in page
    assert messages == ["Basic runs on without end."]
    assert Subscription.objects.get().active_to is None


def test_a_cancelation_at_once_shows_the_credit_note(clerk, basic):
    messages, page = confirmed(clerk, basic, "cancel", timing="immediate")
    assert "17.85 EUR comes back by credit note" in page
    assert "Unused part: Basic fee #1 over INV-000001 16 Apr 2026 00:00 UTC to 1 May 2026" in page
    assert "00:00 UTC 15.00 EUR 2.85" in page
    assert "Nothing is billed after that." in page
    assert messages == ["Basic ends on 16 Apr 2026 00:00 UTC."]
    assert notes() == [("CN-000001", "15.00", "17.85", "0.00", "17.85")]


def test_a_cancelation_to_come_shows_what_comes_back_then(clerk):
    """90.00 a quarter, ended after 30 of 90 days: 60.00 net, 71.40 with VAT, on 31 January, to the balance."""
    cards = (flat_card(name="Basic fee", price=fee("90.00"), billing_cadence="P3M"),)
    quarter = subscribe(flat_plan("basic", None, cards=cards), "2026-01-01", customer=vat_customer())
    answers = {"timing": "at", "moment_0": "2026-01-31", "moment_1": "00:00"}
    messages, page = confirmed(clerk, quarter, "cancel", "2026-01-15", **answers)
    for text in (
        "Comes back, net -60.00 EUR",
        "Due now, tax and balance included 0.00 EUR",
        "Credit note of 31 Jan 2026 00:00 UTC 60.00 EUR 11.40 EUR 71.40 EUR",
        "Unused part: Basic fee #1 over INV-000001 31 Jan 2026 00:00 UTC to 1 Apr 2026 00:00 UTC 60.00 EUR",
        "To the balance 71.40 EUR",
        "Credit note 31 Jan 2026 00:00 UTC 71.40 EUR 71.40 EUR",
    ):
        assert text in page, text
    assert "Nothing is billed" not in page
    assert messages == ["Basic ends on 31 Jan 2026 00:00 UTC."]


def test_an_end_three_minutes_ahead_shows_the_credit_note_that_follows(clerk):
    """1,200.00 for the year 2026, 31,536,000 s. The end, on 12 January at 00:06, comes after 950,760 s: 30,585,240 s
    come back, 1,200.00 x 30,585,240 / 31,536,000 = 1,163.8219..., so 1,163.82; VAT 19 % of it 221.1258, so 221.13.
    It is confirmed two minutes before it comes."""
    cards = (flat_card(name="Basic fee", price=fee("1200.00"), billing_cadence="P1Y"),)
    year = subscribe(flat_plan("basic", None, cards=cards), "2026-01-01", customer=vat_customer())
    answers = {"timing": "at", "moment_0": "2026-01-12", "moment_1": "00:06"}
    messages, page = confirmed(clerk, year, "cancel", "2026-01-12T00:03", later=timedelta(minutes=1), **answers)
    for text in (
        "Comes back, net -1,163.82 EUR",
        "Credit note of 12 Jan 2026 00:06 UTC 1,163.82 EUR 221.13 EUR 1,384.95 EUR",
        "To the balance 1,384.95 EUR",
    ):
        assert text in page, text
    assert messages == ["Basic ends on 12 Jan 2026 00:06 UTC."]
    assert notes() == []
    run("2026-01-12T00:06")
    assert notes() == [("CN-000001", "1163.82", "1384.95", "0.00", "1384.95")]


def test_a_cancelation_is_for_the_end_of_the_period_unless_said_otherwise(clerk, basic):
    with clock.frozen_at(at(ON)):
        page = clerk.read(verb_url(basic, "cancel"))
    assert re.search(r'value="next_billing_cycle"[^>]*checked', page)
    assert "at the next billing cycle: 1 May 2026 00:00 UTC" in page
    assert "See what changes" in page
    messages, _ = confirmed(clerk, basic, "cancel", timing="next_billing_cycle")
    assert messages == ["Basic ends on 1 May 2026 00:00 UTC."]


def test_a_pause_and_its_end(clerk, basic):
    """17.85 come back; from the 21st on 10.00 and VAT are charged, which the balance pays."""
    messages, page = confirmed(clerk, basic, "pause", timing="immediate")
    assert (messages, "17.85 EUR comes back" in page) == (["Basic is paused."], True)
    with clock.frozen_at(at("2026-04-20")):
        shown = clerk.read(page_url(basic))
    assert "Paused" in shown
    assert "It is paused, or to be: resume it first." in shown
    messages, page = confirmed(clerk, basic, "resume", "2026-04-21", timing="immediate")
    assert "Charged now, net 10.00 EUR Due now, tax and balance included 0.00 EUR" in page
    assert messages == ["Basic runs on. 1 invoice made."]


def test_a_quantity_counts_now_or_from_the_next_billing_date(clerk, db):
    """5 seats at 10.00; three more for half of April are 15.00."""
    plan = make_plan(cards=(flat_card(key="seats", name="Seats", price=fee("10.00")),))
    subscription = subscribe(plan, quantities={"seats": Decimal(5)})
    answers = {"item": "1", "quantity": "8", "tell": "on"}
    with clock.frozen_at(at(ON)):
        assert "1. Seats, now 5" in clerk.read(verb_url(subscription, "change-quantity"))
    page = text_of(seen(clerk, subscription, "change-quantity", counts="next", **answers))
    assert "Nothing is billed now." in page
    assert "on 1 May 2026 00:00 UTC 80.00 EUR" in page
    messages, page = confirmed(clerk, subscription, "change-quantity", counts="now", **answers)
    assert "Due now, tax included 15.00 EUR" in page
    assert messages == ["Item 1 counts 8 times from now on. Next billing: 1 May 2026 00:00."]
    assert [total for _, total, _ in invoices()] == ["50.00", "15.00"]
    at_five = "2026-04-16T00:05"
    page = text_of(seen(clerk, subscription, "change-quantity", at_five, counts="now", item="1", quantity="2"))
    assert "Without alignment the new quantity counts from the next billing date." in page
    assert QuantityChange.objects.filter(quantity=2).count() == 0


@pytest.fixture
def seats(db):
    """5 seats at 10.00 a month from 1 April on, billed."""
    plan = make_plan(cards=(flat_card(key="seats", name="Seats", price=fee("10.00")),))
    return subscribe(plan, quantities={"seats": Decimal(5)})


def test_a_quantity_that_is_confirmed_later_costs_what_was_shown(clerk, seats):
    """1,000 more for half of April are 5,000.00; two minutes later they would be 4,999.54."""
    answers = {"item": "1", "quantity": "1005", "counts": "now"}
    messages, page = confirmed(clerk, seats, "change-quantity", **answers)
    assert "Due now, tax included 5,000.00 EUR" in page
    assert messages == ["Item 1 counts 1,005 times from now on. Next billing: 1 May 2026 00:00."]
    assert [total for _, total, _ in invoices()] == ["50.00", "5000.00"]
    assert QuantityChange.objects.get(quantity=1005).effective_at == at(ON)
    run("2026-05-01")
    assert invoices()[-1][1] == "10050.00"
    assert_books_are_clean("2026-05-02")


def test_a_quantity_that_somebody_changed_meanwhile_is_looked_at_again(clerk, approver, seats):
    page = seen(clerk, seats, "change-quantity", item="1", quantity="1005", counts="now")
    confirmed(approver, seats, "change-quantity", "2026-04-16T00:01", item="1", quantity="8", counts="now")
    before = stored()
    with clock.frozen_at(at("2026-04-16T00:04")):
        response = clerk.post(verb_url(seats, "change-quantity"), hidden(page))
    answered = response.content.decode()
    assert "What you saw is no longer what would be billed. Nothing was changed." in text_of(answered)
    assert 'value="1005"' in answered
    assert stored() == before
    assert not QuantityChange.objects.filter(quantity=1005).exists()


def test_a_planned_quantity_is_replaced_by_one_that_was_shown_a_little_earlier(clerk, seats):
    confirmed(clerk, seats, "change-quantity", "2026-04-10", item="1", quantity="7", counts="next")
    _, page = confirmed(clerk, seats, "change-quantity", item="1", quantity="8", counts="now")
    assert "on 1 May 2026 00:00 UTC 80.00 EUR" in page
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["50.00", "15.00", "80.00"]


def test_figures_that_became_others_are_shown_once_more(clerk, basic):
    """VAT becomes 20 % between the two pages: 17.85 come back as they were taxed, 54.00 are charged, 36.15 due."""
    pro = flat_plan("pro", "90.00")
    page = seen(clerk, basic, "change-plan", plan=str(pro.pk), timing="immediate", usage="preserve")
    assert "Due now, tax and balance included 35.70 EUR" in text_of(page)
    TaxRate.objects.update(rate=Decimal(20))
    before = stored()
    with clock.frozen_at(at("2026-04-16T00:01")):
        response = clerk.post(verb_url(basic, "change-plan"), hidden(page))
    page = response.content.decode()
    assert "The figures have changed since you saw them. Nothing was done" in text_of(page)
    assert "Due now, tax and balance included 36.15 EUR" in text_of(page)
    assert stored() == before
    with clock.frozen_at(at("2026-04-16T00:02")):
        response = clerk.post(verb_url(basic, "change-plan"), hidden(page), follow=True)
    assert said(response) == ["Basic changes to Pro on 16 Apr 2026 00:00 UTC. 1 invoice made."]
    assert invoices()[-1] == ("INV-000002", "36.15", "0.00")


def test_answering_anew_keeps_what_was_typed_and_asks_for_the_figures_of_then(clerk, basic):
    pro = flat_plan("pro", "90.00")
    answers = {"plan": str(pro.pk), "timing": "at", "moment_0": "2026-04-21", "moment_1": "12:00:00", "usage": "reset"}
    page = seen(clerk, basic, "change-plan", **answers)
    before = stored()
    with clock.frozen_at(at("2026-04-16T00:05")):
        response = clerk.post(verb_url(basic, "change-plan"), hidden(page) | {"again": "yes"})
    form = response.content.decode()
    assert "See what changes" in form
    assert re.search(rf'<option value="{pro.pk}"[^>]* selected', form)
    assert re.search(r'name="timing" value="at"[^>]*checked', form)
    assert re.search(r'name="usage" value="reset"[^>]*checked', form)
    for value in ('value="2026-04-21"', 'value="12:00:00"', "Agreed by phone"):
        assert value in form, value
    assert "ch-error" not in form
    assert hidden(form).get("as_of", "") == ""
    assert stored() == before


def test_a_coupon_shows_the_next_bill_with_it(clerk, basic):
    Coupon.objects.create(code="HALF", percentage=Decimal(50), periods=1)
    messages, page = confirmed(clerk, basic, "redeem-coupon", item="1", code="HALF")
    assert "on 1 May 2026 00:00 UTC 17.85 EUR" in page
    assert messages == ["The coupon is redeemed."]
    assert CouponRedemption.objects.get().effective_from == at("2026-05-01")
    page = text_of(seen(clerk, basic, "redeem-coupon", item="1", code="NONE"))
    assert "There is no coupon NONE" in page


def test_an_addon_is_bought_and_ended(clerk, basic):
    addon = offered(basic)
    answers = {"addon": str(addon.pk), "timing": "immediate"}
    messages, page = confirmed(clerk, basic, "add-on", quantity="2", **answers)
    assert "Charged now, net 30.00 EUR" in page
    assert messages == ["The add-on is changed. 1 invoice made."]
    messages, page = confirmed(clerk, basic, "add-on", "2026-04-21", quantity="0", **answers)
    assert "Comes back, net -20.00 EUR" in page
    assert SubscriptionAddOn.objects.get().quantity_at(at("2026-04-22")) == 0
    with clock.frozen_at(at("2026-04-22")):
        assert "Support" in text_of(clerk.read(page_url(basic)))


def test_the_past_is_for_those_who_may_date_there(clerk, approver, basic):
    """Dated to the 11th: 20 of 30 days come back, 23.80 with VAT. Who may not still sees it."""
    answers = {"timing": "at", "moment_0": "2026-04-11", "moment_1": "00:00:00"}
    page = seen(clerk, basic, "cancel", **answers)
    assert "23.80 EUR comes back by credit note" in text_of(page)
    assert "Your role can&#x27;t date a change in the past." in page
    with clock.frozen_at(at(ON)):
        response = clerk.post(verb_url(basic, "cancel"), hidden(page) | {"confirmed": "yes"}, follow=True)
    assert said(response)[0].startswith("Your role can't date a change in the past.")
    assert notes() == []
    messages, _ = confirmed(approver, basic, "cancel", **answers)
    assert messages == ["Basic ends on 11 Apr 2026 00:00 UTC."]
    assert [gross for _, _, gross, _, _ in notes()] == ["23.80"]


def test_any_time_to_come_can_be_looked_at(clerk, basic):
    pro = flat_plan("pro", "90.00")
    answers = {"timing": "at", "moment_0": "2026-04-21", "moment_1": "12:00:00"}
    page = text_of(seen(clerk, basic, "change-plan", plan=str(pro.pk), usage="reset", **answers))
    assert "Basic ends on 21 Apr 2026 12:00 UTC; Pro begins then." in page
    assert "Usage of the current period is closed, and starts anew." in page


def test_what_contradicts_an_invoice_is_said_at_the_form(approver, basic):
    run("2026-05-01")
    answers = {"timing": "at", "moment_0": "2026-04-16", "moment_1": "00:00:00"}
    page = text_of(seen(approver, basic, "cancel", "2026-05-03", **answers))
    assert "Invoice INV-000002, issued on 1 May 2026, bills Basic fee" in page
    assert "What it comes to" not in page


def test_figures_that_are_old_are_shown_again(clerk, basic):
    page = seen(clerk, basic, "cancel", timing="immediate")
    with clock.frozen_at(at("2026-04-16T00:20")):
        response = clerk.post(verb_url(basic, "cancel"), hidden(page))
    answered = response.content.decode()
    assert "The figures that you saw are no longer those of now. Look at them again." in answered
    assert hidden(answered).get("as_of", "") == ""
    assert notes() == []


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"timing": "immediate", "reason": " "}, "This field is required."),
        ({"timing": "soon"}, "Select a valid choice."),
        ({"timing": "at"}, "Say at which time."),
        ({"timing": "at", "moment_0": "2026-02-30", "moment_1": "00:00"}, "Enter a valid date."),
    ],
)
def test_a_wrong_answer_is_asked_again(clerk, basic, answers, fault):
    before = stored()
    assert fault in seen(clerk, basic, "cancel", **answers)
    assert stored() == before


VERBS = (
    "change-plan",
    "change-quantity",
    "add-on",
    "redeem-coupon",
    "pause",
    "resume",
    "unschedule",
    "cancel",
)


def test_an_auditor_changes_nothing(auditor, basic):
    before = stored()
    for verb in VERBS:
        assert auditor.get(verb_url(basic, verb)).status_code == 403, verb
        answers = {"reason": "because", "timing": "immediate", "confirmed": "yes"}
        assert auditor.post(verb_url(basic, verb), answers).status_code == 403, verb
    assert stored() == before
    with clock.frozen_at(at(ON)):
        page = auditor.read(page_url(basic))
    assert "/do/" not in page


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Billing admin"])
def test_those_who_work_with_subscriptions_have_every_verb(role, basic):
    desk = Desk(role)
    change(basic, flat_plan("pro", "90.00"), ON, timing="next_billing_cycle")
    names = [verb for verb in VERBS if desk.get(verb_url(basic, verb)).status_code != 403]
    assert names == list(VERBS)


def test_add_ons_of_a_plan_that_offers_none_are_not_asked_for(clerk, basic):
    with clock.frozen_at(at(ON)):
        page = clerk.read(page_url(basic))
    assert "Add-ons: Its plan offers no add-on." in page
    assert verb_url(basic, "add-on") not in page


def test_what_ended_is_not_changed(clerk, basic):
    change(basic, flat_plan("pro", "90.00"), ON)
    for verb in VERBS:
        with clock.frozen_at(at("2026-04-17")):
            response = clerk.do(basic, verb, reason="x", timing="immediate", confirmed="yes")
        assert said(response) == ["It has ended."], verb


def test_the_page_and_a_review_have_a_fixed_number_of_queries(clerk, basic):
    def count(call):
        with clock.frozen_at(at(ON)), CaptureQueriesContext(connection) as captured:
            call()
        return len(captured)

    clerk.read(page_url(basic))
    assert count(lambda: clerk.read(page_url(basic))) <= 16
    subscribe(flat_plan("first", "10.00"), "2026-04-02", customer=basic.customer)
    before = count(lambda: seen(clerk, basic, "cancel", timing="immediate"))
    assert before <= 104
    for number in range(4):
        subscribe(flat_plan(f"other{number}", "10.00"), "2026-04-02", customer=basic.customer)
    assert count(lambda: clerk.read(page_url(basic))) <= 16
    assert count(lambda: seen(clerk, basic, "cancel", timing="immediate")) == before
