"""Editing a subscription at the finance desk: a customer's own rates, items and phases, with the money first."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import CreditNote, Invoice
from subscriptions.models import ItemRevision, QuantityChange, Subscription, SubscriptionPhase
from tests.admin.pages import answered, confirmed, hidden, text_of
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import vat_customer
from tests.support.desk import Desk, page_url, said, verb_url
from tests.support.invoices import invoices, lines, notes
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db

ON = at("2026-04-16")
LATER = ON + timedelta(minutes=1)


@pytest.fixture
def basic(db):
    """30.00 a month from 1 April on, with 19 % VAT, billed."""
    return subscribe(flat_plan("basic", "30.00"), customer=vat_customer())


@pytest.fixture
def ramp(db):
    """10.00 for the first two months, then 30.00; billed for April."""
    first = {"key": "ramp", "name": "Ramp", "duration": "P2M", "cards": (flat_card(price=fee("10.00")),)}
    rest = {"key": "rest", "name": "Rest", "cards": (flat_card(price=fee("30.00")),)}
    return subscribe(make_plan(first, rest, key="ramp", name="Ramp-up"))


def stored():
    models = (Invoice, CreditNote, ItemRevision, SubscriptionPhase, AuditEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


def edited(desk, subscription, verb, query="", on=ON, **answers):
    """The text of the page that was seen, after what it showed was confirmed a minute later."""
    before = stored()
    page = answered(desk, subscription, verb, on, query, **answers)
    assert stored() == before
    assert "seen" in hidden(page), text_of(page)
    messages = confirmed(desk, subscription, verb, page, on + timedelta(minutes=1))
    return messages, text_of(page)


def test_a_price_of_the_customers_own_is_seen_before_and_after_and_billed(clerk, basic):
    """From 30.00 to 20.00 less 10 % on the 16th: 15.00 comes back, 10.00 - 1.00 is charged; the rest by credit note."""
    messages, page = edited(
        clerk, basic, "edit-price", "?item=1", timing="immediate", model="flat", amount="20.00", discount="10"
    )
    for text in (
        "Price 30.00 EUR a month, in advance 20.00 EUR a month, in advance",
        "Discounts – 10 % off",
        "Unused part: Basic fee #1 16 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC -9.00 EUR -1.71 EUR -10.71 EUR",
        "Basic fee #1 16 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC 9.00 EUR 1.71 EUR 10.71 EUR",
        "Comes back, net -15.00 EUR",
        "Charged now, net 9.00 EUR",
        "7.14 EUR comes back by credit note",
        "Next billing, tax included, on 1 May 2026 00:00 UTC 21.42 EUR",
    ):
        assert text in page, text
    assert messages == ["The price is changed for this customer. 1 invoice made."]
    assert notes()[0][1:3] == ("6.00", "7.14")
    assert lines(Invoice.objects.get(number="INV-000002").pk) == [
        ("Basic fee", "9.00"),
        ("Unused part: Basic fee", "-9.00"),
    ]
    run("2026-05-01")
    assert invoices()[-1][1] == "21.42"
    entry = AuditEntry.objects.get(verb="subscription.edited")
    assert (entry.actor_label, entry.reason) == ("Clerk", "Agreed by phone")
    assert "base in phase_1 at 20.00 EUR a month, in advance, 10 % off" in entry.sentence
    with clock.frozen_at(ON + timedelta(days=1)):
        assert "this customer's own" in text_of(clerk.read(page_url(basic)))


def test_a_price_for_the_next_cycle_bills_nothing_now(clerk, basic):
    messages, page = edited(
        clerk, basic, "edit-price", "?item=1", timing="next_billing_cycle", model="flat", amount="45.00"
    )
    assert "Nothing is billed now." in page
    assert "on 1 May 2026 00:00 UTC 53.55 EUR" in page
    assert messages == ["The price is changed for this customer."]
    with clock.frozen_at(at("2026-04-20")):
        assert "Take back planned edits" in clerk.read(page_url(basic))
    _, page = edited(clerk, basic, "take-back-edits", on=at("2026-04-20"), timing="immediate")
    assert "on 1 May 2026 00:00 UTC 35.70 EUR" in page
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["35.70", "35.70"]


def test_the_form_of_a_price_shows_the_price_of_now(clerk, basic):
    with clock.frozen_at(ON):
        form = clerk.read(f"{verb_url(basic, 'edit-price')}?item=1")
    assert 'value="30.00"' in form
    assert '<option value="flat" selected' in form
    assert "1. Basic fee" in form


def test_tiers_for_one_customer(clerk, db):
    """60 calls at 1.00 are 60.00; with the first 50 at 0.80 they are 40.00 + 10.00."""
    calls = make_feature(key="calls", name="Calls")
    card = {"type": "usage_based", "key": "calls", "name": "Calls", "billing_cadence": "P1M", "feature": calls}
    plan = make_plan(cards=(card | {"price": {"type": "unit", "amount": "1.00"}},))
    subscription = subscribe(plan)
    tiers = {"tiers_0_up_to": "50", "tiers_0_unit": "0.80", "tiers_1_unit": "1.00"}
    messages, page = edited(
        clerk, subscription, "edit-price", "?item=1", timing="immediate", model="graduated", **tiers
    )
    assert "up to 50: 0.80 EUR per unit; above 50: 1.00 EUR per unit" in page
    assert messages == ["The price is changed for this customer."]
    revision = ItemRevision.objects.get(is_edited=True)
    assert (revision.feature_id, revision.price["mode"]) == (calls.pk, "graduated")


def test_one_phase_or_all_that_are_to_come(clerk, ramp, settings):
    """The ramp's 10.00 stays; from June on this customer pays 25.00."""
    settings.DISCOUNT_TWO_PERSON_ABOVE_PERCENT = Decimal(100)
    query = "?item=1&phase=rest"
    with clock.frozen_at(ON):
        assert 'value="30.00"' in clerk.read(verb_url(ramp, "edit-price") + query)
    answers = {"timing": "immediate", "model": "flat", "amount": "25.00"}
    edited(clerk, ramp, "edit-price", query, phase="rest", **answers)
    run("2026-05-01")
    run("2026-06-01")
    assert [total for _, total, _ in invoices()] == ["10.00", "10.00", "25.00"]
    edited(clerk, ramp, "edit-price", "?item=1", on=at("2026-06-02"), timing="next_billing_cycle", model="free")
    run("2026-07-01")
    assert [total for _, total, _ in invoices()] == ["10.00", "10.00", "25.00"]


def test_all_phases_take_one_price(clerk, ramp):
    edited(clerk, ramp, "edit-price", "?item=1", phase="*", timing="next_billing_cycle", model="flat", amount="16.00")
    run("2026-05-01")
    run("2026-06-01")
    assert [total for _, total, _ in invoices()] == ["10.00", "16.00", "16.00"]


def test_an_item_is_added_as_the_plan_says_it(clerk, basic):
    """The next version sells support at 20.00: half a month of it is 10.00, 11.90 with VAT."""
    basic.plan.effective_to = at("2026-04-10")
    basic.plan.save()
    support = flat_card(key="support", name="Support", price=fee("20.00"), metadata={"ledger": "4401"})
    cards = (flat_card(price=fee("35.00")), support)
    make_plan(cards=cards, key="basic", name="Basic", version=2, effective_from=at("2026-04-10"))
    wanted = "2.phase_1.support"
    with clock.frozen_at(ON):
        form = clerk.post(verb_url(basic, "add-item"), {"copy_of": wanted, "again": "yes"}).content.decode()
    assert "Support (Basic v2)" in form
    for value in ('value="Support"', 'value="20.00"', f'name="copied" value="{wanted}"'):
        assert value in form, value
    answers = {"name": "Support", "key": "support", "cadence": "P1M", "model": "flat", "amount": "20.00"}
    messages, page = edited(
        clerk, basic, "add-item", copy_of=wanted, copied=wanted, phase="phase_1", timing="immediate", **answers
    )
    assert "Due now, tax and balance included 11.90 EUR" in page
    assert messages == ["The item is added. 1 invoice made."]
    assert invoices()[-1][1] == "11.90"
    assert ItemRevision.objects.get(item__key="support").metadata == {"ledger": "4401"}


def test_an_item_is_added_for_a_feature(clerk, basic):
    calls = make_feature(key="calls", name="Calls", meter=make_meter())
    answers = {"name": "Calls", "key": "calls", "cadence": "P1M", "model": "unit", "amount": "0.10"}
    messages, page = edited(
        clerk, basic, "add-item", phase="phase_1", timing="immediate", feature=str(calls.pk), **answers
    )
    assert "0.10 EUR per unit, in arrears" in page
    assert "Nothing is billed now." in page
    assert messages == ["The item is added."]
    assert ItemRevision.objects.get(item__key="calls").feature_id == calls.pk


def test_an_item_is_removed_and_its_rest_comes_back(clerk, basic):
    name = f"1. {ItemRevision.objects.get().name}"
    asked = clerk.get(f"{verb_url(basic, 'remove-item')}?item=1").content.decode()
    assert f"<legend>{name}</legend>" in asked
    messages, page = edited(clerk, basic, "remove-item", "?item=1", timing="immediate")
    assert name in page
    assert "removed" in page
    assert "17.85 EUR comes back by credit note" in page
    assert messages == ["The item is removed."]
    assert [gross for _, _, gross, _, _ in notes()] == ["17.85"]


def test_phases_are_added_extended_and_removed(clerk, ramp, settings):
    """Extended by a month, the ramp ends on 1 July; a trial put in between is left out again."""
    settings.DISCOUNT_TWO_PERSON_ABOVE_PERCENT = Decimal(100)
    messages, _ = edited(
        clerk,
        ramp,
        "stretch-phase",
        "?phase=ramp",
        timing="immediate",
        extend_by_0="1",
        extend_by_1="M",
    )
    assert messages == ["The phase lasts longer."]
    known = list(SubscriptionPhase.objects.order_by("active_from").values_list("key", "active_from"))
    assert known == [("ramp", at("2026-04-01")), ("rest", at("2026-07-01"))]
    answers = {"name": "Half", "key": "half", "start_after_0": "3", "start_after_1": "M"}
    messages, _ = edited(clerk, ramp, "add-phase", timing="immediate", duration_0="1", duration_1="M", **answers)
    assert messages == ["The phase is added."]
    with clock.frozen_at(ON):
        page = clerk.read(page_url(ramp))
    assert "do/remove-phase/?phase=half" in page
    messages, _ = edited(clerk, ramp, "remove-phase", "?phase=half", phase="half", timing="immediate", shift="next")
    assert messages == ["The phase is removed."]
    rest = SubscriptionPhase.objects.get(key="rest")
    assert (rest.active_from, rest.active_to) == (at("2026-07-01"), None)


def test_what_has_not_begun_is_edited_before_it_does(clerk, db):
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-05-01", bill=False)
    answers = {"timing": "immediate", "model": "flat", "amount": "24.00"}
    messages, page = edited(clerk, subscription, "edit-price", "?item=1", **answers)
    assert "on 1 May 2026 00:00 UTC 24.00 EUR" in page
    assert messages == ["The price is changed for this customer."]
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["24.00"]


@pytest.mark.parametrize(
    ("verb", "answers", "fault"),
    [
        ("edit-price", {"item": "1", "model": "flat", "amount": ""}, "Amount is required."),
        ("edit-price", {"item": "1", "model": "flat", "amount": "1e3"}, "Amount must be a decimal string"),
        ("edit-price", {"item": "1", "model": "unit", "amount": "1", "free_units": "-5"}, "must not be negative."),
        ("edit-price", {"item": "9", "model": "flat", "amount": "1"}, "no such item any more"),
        ("edit-price", {"item": "1", "model": "flat", "amount": "1", "timing": "at"}, "Say at which time."),
        ("edit-price", {"item": "1", "model": "flat", "amount": "1", "reason": ""}, "This field is required."),
        ("add-item", {"name": "Base", "key": "base", "model": "flat", "amount": "1"}, "Item 1 has this key"),
        (
            "add-item",
            {"name": "X", "key": "x", "model": "unit", "amount": "1", "cadence": ""},
            "needs a billing cadence",
        ),
        ("add-phase", {"name": "X", "key": "x", "start_after_0": "1", "start_after_1": "D"}, "It would begin on"),
        ("add-phase", {"name": "X", "key": "phase_1", "start_after_0": "3"}, "There is, or was, a phase phase_1."),
        ("stretch-phase", {"phase": "phase_1", "extend_by_0": "1"}, "Select a valid choice."),
        ("remove-phase", {"phase": "phase_1", "shift": "next"}, "Select a valid choice."),
    ],
)
def test_a_wrong_edit_is_asked_again_and_changes_nothing(clerk, basic, verb, answers, fault):
    before = stored()
    page = answered(clerk, basic, verb, ON, **({"timing": "immediate", "cadence": "P1M", "phase": "phase_1"} | answers))
    assert fault in text_of(page)
    assert "seen" not in hidden(page)
    assert stored() == before


def test_the_past_is_for_those_who_may_date_there(clerk, basic):
    answers = {"timing": "at", "moment_0": "2026-04-11", "moment_1": "00:00:00", "model": "flat", "amount": "60.00"}
    page = answered(clerk, basic, "edit-price", ON, "?item=1", **answers)
    assert "Your role can't date a change in the past." in text_of(page)
    before = stored()
    messages = confirmed(clerk, basic, "edit-price", page + '<input type="hidden" name="confirmed" value="yes">', LATER)
    assert messages[0].startswith("Your role can't date a change in the past.")
    assert stored() == before


def test_what_was_billed_otherwise_names_the_invoice(approver, basic):
    run("2026-05-01")
    answers = {"timing": "at", "moment_0": "2026-04-16", "moment_1": "00:00:00", "model": "flat", "amount": "60.00"}
    page = answered(approver, basic, "edit-price", at("2026-05-03"), "?item=1", **answers)
    assert "Invoice INV-000002, issued on 1 May 2026, bills Basic fee" in text_of(page)


def test_a_planned_change_of_plan_comes_first(clerk, basic):
    change(basic, flat_plan("pro", "90.00"), "2026-04-16", timing="next_billing_cycle")
    with clock.frozen_at(ON):
        assert said(clerk.do(basic, "edit-price"))[0].startswith("A change to Pro is planned")
        assert "do/edit-price" not in clerk.read(page_url(basic))


EDITS = ("add-item", "edit-price", "remove-item", "add-phase", "stretch-phase", "remove-phase", "take-back-edits")


def test_an_auditor_edits_nothing(auditor, basic):
    for verb in EDITS:
        assert auditor.post(verb_url(basic, verb), {"confirmed": "yes"}).status_code == 403, verb


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Billing admin"])
def test_those_who_work_with_subscriptions_edit_them(role, basic):
    desk = Desk(role)
    with clock.frozen_at(ON):
        assert [desk.get(verb_url(basic, verb)).status_code for verb in EDITS] == [200] * len(EDITS)


def test_an_edit_has_a_fixed_number_of_queries(clerk, basic):
    def count(url):
        with clock.frozen_at(ON), CaptureQueriesContext(connection) as captured:
            clerk.read(url)
        return len(captured)

    urls = [f"{verb_url(basic, verb)}?item=1" for verb in ("edit-price", "add-item")]
    before = [count(url) for url in urls]
    assert max(before) <= 18
    for number in range(4):
        subscribe(flat_plan(f"other{number}", "10.00"), "2026-04-02", customer=basic.customer)
        QuantityChange.objects.create(
            item=basic.items.get(), effective_at=at("2026-05-01"), quantity=Decimal(number + 2)
        )
    assert [count(url) for url in urls] == before
    assert Subscription.objects.count() == 5


@pytest.mark.parametrize(
    "query", ["?subscription=x", "?item=x&phase=x", "?card=x&copied=x&copy_of=x", "?tiers=x&as_of=x"]
)
def test_an_address_that_says_nonsense_asks_all_the_same(clerk, basic, query):
    for verb in EDITS:
        with clock.frozen_at(ON):
            assert clerk.get(verb_url(basic, verb) + query).status_code == 200, verb
            assert clerk.post(verb_url(basic, verb) + query, {"again": "yes"}).status_code == 200, verb
