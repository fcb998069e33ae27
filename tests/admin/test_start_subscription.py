"""Starting a subscription at the finance desk: the first invoice is seen to the cent, and it is the one that comes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.audit.models import AuditEntry
from core.outbox.models import OutboxMessage
from customers.models import Customer
from invoicing.models import Invoice, ParkedCustomer
from invoicing.runs.run_due import run_due
from subscriptions.models import Subscription
from tests.admin.pages import answered, confirmed, hidden, text_of
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.desk import Desk, list_url, page_url, said, verb_url
from tests.support.invoices import invoices, lines
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

ON = at("2026-04-16T10:00")
VERB = "start-subscription"


@pytest.fixture
def acme(db):
    """Pays in EUR, with 19 % VAT."""
    make_default_profile()
    return vat_customer()


@pytest.fixture
def team(db):
    """49.00 a month, and 10.00 for each seat."""
    cards = (flat_card(price=fee("49.00")), flat_card(key="seats", name="Seats", price=fee("10.00")))
    return make_plan(cards=cards, key="team", name="Team")


def seen(desk, customer, plan, on=ON, **answers):
    return answered(desk, customer, VERB, on, plan=str(plan.pk), **({"starts": "now", "anchor": "start"} | answers))


def stored():
    models = (Customer, Subscription, Invoice, AuditEntry, OutboxMessage)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_the_first_invoice_is_seen_and_is_the_one_that_comes(clerk, acme, team):
    """49.00 and 5 seats at 10.00 are 99.00, 117.81 with VAT; a minute later it starts as of what was seen."""
    before = stored()
    page = seen(clerk, acme, team, quantity_seats="5")
    assert stored() == before
    text = text_of(page)
    for words in (
        "Base fee #1 16 Apr 2026 10:00 UTC to 16 May 2026 10:00 UTC 49.00 EUR 9.31 EUR 58.31 EUR",
        "Seats #2 quantity 5 16 Apr 2026 10:00 UTC to 16 May 2026 10:00 UTC 50.00 EUR 9.50 EUR 59.50 EUR",
        "Due now, tax and balance included 117.81 EUR",
        "Next billing, tax included, on 16 May 2026 10:00 UTC 117.81 EUR",
        "It starts with 5 × seats.",
        "Reason: Agreed by phone",
    ):
        assert words in text, words
    later = ON + timedelta(minutes=1)
    messages = confirmed(clerk, acme, VERB, page, later)
    assert messages == ["Acme has Team from 16 Apr 2026 10:00 UTC on. What is due is being billed."]
    assert Subscription.objects.get().active_from == ON
    with clock.frozen_at(later):
        run_due(as_of=later)
    assert invoices() == [("INV-000001", "117.81", "0.00")]
    assert lines(Invoice.objects.get(number="INV-000001").pk) == [("Base fee", "49.00"), ("Seats", "50.00")]
    entry = AuditEntry.objects.get(verb="subscription.created")
    assert (entry.actor_label, entry.reason) == ("Clerk", "Agreed by phone")
    assert OutboxMessage.objects.count() == 1


def test_periods_from_the_first_of_the_month_prorate_the_first_part(clerk, acme, team):
    """15 of 30 days of April: 24.50 and 5.00."""
    page = text_of(seen(clerk, acme, team, at("2026-04-16"), anchor="calendar"))
    assert "Base fee #1 16 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC 24.50 EUR" in page
    assert "Seats #2 16 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC 5.00 EUR" in page
    assert "on 1 May 2026 00:00 UTC 70.21 EUR" in page


def test_a_given_boundary_keeps_to_its_day(clerk, acme, team):
    """From the 16th to the 21st, 5 of 31 days since 21 March: 49.00 gives 7.90, 10.00 gives 1.61."""
    answers = {"anchor": "given", "anchor_at_0": "2026-01-21", "anchor_at_1": "00:00:00"}
    page = text_of(seen(clerk, acme, team, at("2026-04-16"), **answers))
    assert "Base fee #1 16 Apr 2026 00:00 UTC to 21 Apr 2026 00:00 UTC 7.90 EUR" in page
    assert "Seats #2 16 Apr 2026 00:00 UTC to 21 Apr 2026 00:00 UTC 1.61 EUR" in page


def test_a_start_to_come_shows_the_invoice_of_then(clerk, acme, team):
    answers = {"starts": "at", "moment_0": "2026-05-01", "moment_1": "00:00:00"}
    page = seen(clerk, acme, team, **answers)
    text = text_of(page)
    assert "Nothing is billed now." in text
    assert "Base fee #1 1 May 2026 00:00 UTC to 1 Jun 2026 00:00 UTC 49.00 EUR" in text
    assert "on 1 May 2026 00:00 UTC 70.21 EUR" in text
    assert confirmed(clerk, acme, VERB, page, ON) == ["Acme has Team from 1 May 2026 00:00 UTC on."]
    run("2026-05-01")
    assert invoices() == [("INV-000001", "70.21", "0.00")]


def test_it_can_wait_for_the_customers_next_cycle(clerk, acme, team):
    subscribe(flat_plan("basic", "30.00"), customer=acme)
    with clock.frozen_at(ON):
        form = text_of(clerk.read(verb_url(acme, VERB)))
    assert "with the customer's next billing cycle: 1 May 2026 00:00 UTC" in form
    page = seen(clerk, acme, team, starts="cycle")
    assert confirmed(clerk, acme, VERB, page, ON) == ["Acme has Team from 1 May 2026 00:00 UTC on."]
    assert Subscription.objects.get(plan=team).active_from == at("2026-05-01")


def test_the_past_is_for_those_who_may_date_there(clerk, approver, acme, team):
    """From 16 March on: what is owed for two months is shown, and the clerk may not start it."""
    answers = {"starts": "at", "moment_0": "2026-03-16", "moment_1": "10:00:00"}
    page = seen(clerk, acme, team, **answers)
    assert "Your role can't start a subscription in the past." in text_of(page)
    messages = confirmed(clerk, acme, VERB, page + '<input type="hidden" name="confirmed" value="yes">', ON)
    assert messages == [
        "Your role can't start a subscription in the past. Choose now, or a time to come. Nothing was started."
    ]
    assert Subscription.objects.count() == 0
    page = seen(approver, acme, team, **answers)
    assert "Due now, tax and balance included 140.42 EUR" in text_of(page)
    messages = confirmed(approver, acme, VERB, page, ON)
    assert messages == ["Acme has Team from 16 Mar 2026 10:00 UTC on. What is due is being billed."]


def test_a_phase_can_be_skipped(clerk, acme):
    trial = {"key": "trial", "name": "Trial", "duration": "P1M", "cards": ()}
    rest = {"key": "rest", "name": "Rest", "cards": (flat_card(price=fee("30.00")),)}
    plan = make_plan(trial, rest, key="try", name="Try")
    with clock.frozen_at(ON):
        form = text_of(clerk.read(f"{verb_url(acme, VERB)}?plan={plan.pk}"))
    assert "Trial, the first phase" in form
    assert "Nothing is billed now." in text_of(seen(clerk, acme, plan))
    assert "Due now, tax and balance included 35.70 EUR" in text_of(seen(clerk, acme, plan, starting_phase="rest"))


def test_choosing_a_plan_asks_for_its_seats_and_keeps_what_was_typed(clerk, acme, team):
    with clock.frozen_at(ON):
        url = verb_url(acme, VERB)
        assert "how many" not in clerk.read(url)
        typed = {"plan": str(team.pk), "starts": "now", "anchor": "calendar", "reason": "By phone", "again": "yes"}
        form = clerk.post(url, typed).content.decode()
    assert "Seats: how many" in form
    assert 'name="quantity_seats" value="1"' in form
    assert "By phone" in form
    assert "ch-error" not in form
    assert 'name="anchor" value="calendar"' in form
    assert Subscription.objects.count() == 0


def test_only_plans_in_the_customers_currency_are_offered(clerk, acme, team):
    dollars = flat_plan("dollars", "30.00", currency="USD")
    with clock.frozen_at(ON):
        form = clerk.read(verb_url(acme, VERB))
    assert "Team (team v1), billed monthly, EUR" in form
    assert "Dollars" not in form
    assert "Select a valid choice." in text_of(seen(clerk, acme, dollars))


def test_the_first_plan_binds_the_currency_and_says_so(clerk, team):
    make_default_profile()
    customer = make_customer(currency=None)
    page = seen(clerk, customer, team)
    assert "From then on everything of Acme is in EUR." in text_of(page)
    assert Customer.objects.get().currency is None
    confirmed(clerk, customer, VERB, page, ON)
    assert Customer.objects.get().currency == "EUR"


def test_a_parked_customer_subscribes_and_is_billed_after_the_release(clerk, acme, team):
    ParkedCustomer.objects.create(customer=acme, cause_code="x", cause="No tax id.", parked_at=at("2026-04-01"))
    page = seen(clerk, acme, team)
    assert "Nothing is billed now." in text_of(page)
    assert confirmed(clerk, acme, VERB, page, ON)[0].startswith("Acme has Team from 16 Apr 2026 10:00 UTC on.")


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"plan": ""}, "This field is required."),
        ({"plan": "nothing"}, "nothing"),
        ({"starts": "at"}, "Say which time."),
        ({"anchor": "given"}, "Say which time."),
        ({"starts": "cycle"}, "Select a valid choice."),
        ({"quantity_seats": "-1"}, "greater than or equal to 0"),
        ({"quantity_seats": "many"}, "Enter a number."),
        ({"starts": "at", "moment_0": "2036-01-01", "moment_1": "00:00"}, "more than five years from now"),
        ({"reason": " "}, "This field is required."),
    ],
)
def test_a_wrong_answer_is_asked_again_and_starts_nothing(clerk, acme, team, answers, fault):
    before = stored()
    page = answered(clerk, acme, VERB, ON, **({"plan": str(team.pk), "starts": "now", "anchor": "start"} | answers))
    assert fault in text_of(page)
    assert "seen" not in hidden(page)
    assert stored() == before


def test_a_feature_that_another_subscription_bills_is_refused_at_the_form(clerk, acme):
    feature = make_feature()
    storage = {"cards": (usage_card(feature=feature),)}
    subscribe(make_plan(storage, key="one", name="One"), customer=acme)
    before = stored()
    page = text_of(seen(clerk, acme, make_plan(storage, key="two", name="Two")))
    assert "Acme already has storage in subscription" in page
    assert "nothing was created" in page
    assert stored() == before


def test_a_plan_that_is_taken_off_sale_between_the_two_pages_is_refused(clerk, acme, team):
    page = seen(clerk, acme, team)
    team.effective_to = ON + timedelta(seconds=30)
    team.save()
    with clock.frozen_at(ON + timedelta(minutes=1)):
        response = clerk.post(verb_url(acme, VERB), hidden(page))
    assert "Select a valid choice." in response.content.decode()
    assert Subscription.objects.count() == 0


def test_old_figures_are_shown_again(clerk, acme, team):
    page = seen(clerk, acme, team)
    with clock.frozen_at(ON + timedelta(minutes=20)):
        response = clerk.post(verb_url(acme, VERB), hidden(page))
    assert "The figures that you saw are no longer those of now." in response.content.decode()
    assert Subscription.objects.count() == 0


def test_the_list_leads_to_the_customer(clerk, acme, team):
    assert reverse("admin:subscriptions_subscription_add") in clerk.read(list_url(Subscription))
    url = reverse("admin:subscriptions_subscription_add")
    assert "Whose subscription is it to be?" in clerk.read(url)
    response = clerk.post(url, {"customer": str(acme.pk)})
    assert (response.status_code, response["Location"]) == (302, verb_url(acme, VERB))
    assert "This field is required." in clerk.post(url, {}).content.decode()


def test_an_auditor_starts_nothing(auditor, acme, team):
    assert auditor.post(verb_url(acme, VERB), {"confirmed": "yes"}).status_code == 403
    assert auditor.get(reverse("admin:subscriptions_subscription_add")).status_code == 403
    assert "start-subscription" not in auditor.read(page_url(acme))


def test_a_deleted_customer_has_none(clerk, acme):
    Customer.objects.update(deleted_at=at("2026-04-01"))
    assert said(clerk.do(acme, VERB)) == ["The customer is deleted."]


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Billing admin"])
def test_those_who_work_with_customers_start_them(role, acme):
    assert Desk(role).get(verb_url(acme, VERB)).status_code == 200


def test_the_question_has_a_fixed_number_of_queries(clerk, acme, team):
    def count(url):
        with clock.frozen_at(ON), CaptureQueriesContext(connection) as captured:
            clerk.read(url)
        return len(captured)

    url = f"{verb_url(acme, VERB)}?plan={team.pk}"
    clerk.read(url)
    before = count(url)
    assert before <= 16
    for number in range(4):
        flat_plan(f"other{number}", str(Decimal(number + 1)))
    assert count(url) == before


@pytest.mark.parametrize("query", ["?customer=x", "?plan=x&starting_phase=x", "?starts=x&anchor=x&as_of=x"])
def test_an_address_that_says_nonsense_asks_all_the_same(clerk, acme, team, query):
    with clock.frozen_at(ON):
        assert clerk.get(verb_url(acme, VERB) + query).status_code == 200
        assert clerk.post(verb_url(acme, VERB) + query, {"again": "yes"}).status_code == 200
