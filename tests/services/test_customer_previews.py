"""What customers will be billed up to a time: every document and balance movement that follows, each at its time."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core import clock
from core.errors import InvalidInput
from entitlements.models import UsageEvent
from invoicing.closing.close_customers import close_customers
from invoicing.models import BalanceEntry, Invoice, ParkedCustomer
from invoicing.previews.preview_customers import preview_customer, preview_customers, preview_next_bill
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from subscriptions.lifecycle.record_cancelation import record_cancelation
from subscriptions.models import Subscription
from tests.scenarios.life_judge import digest
from tests.services.outlooks import Books, foreseen, live
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.invoices import money
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def seen(customer, now, until):
    """The outlook; nothing is written for it."""
    with clock.frozen_at(at(now)):
        before = digest()
        outlook = preview_customer(customer_id=customer.pk, until=at(until))
        assert digest() == before
    return outlook


def shown(outlook):
    return [(document.type, f"{document.at:%Y-%m-%d}", money(document.total)) for document in outlook.documents]


def moved(outlook):
    return [(move.kind, f"{move.at:%Y-%m-%d}", money(move.amount), money(move.balance)) for move in outlook.movements]


def on_the_balance(customer, amount):
    BalanceEntry.objects.create(
        customer=customer, currency="EUR", kind="overpayment", amount=Decimal(amount), at=at("2026-01-01")
    )


def test_each_close_up_to_then_is_a_document_of_its_own_and_the_balance_is_used_up_on_the_way():
    """30.00 a month with 19 % VAT are 35.70; of 50.00 on the balance, 35.70 pay February, 14.30 a part of March."""
    customer = subscribe(flat_plan("basic", "30.00"), "2026-01-01", customer=vat_customer()).customer
    on_the_balance(customer, "50.00")
    outlook = seen(customer, "2026-01-15", "2026-03-31")
    assert shown(outlook) == [("invoice", "2026-02-01", "35.70"), ("invoice", "2026-03-01", "35.70")]
    assert [(money(each.applied_from_balance), money(each.due)) for each in outlook.documents] == [
        ("35.70", "0.00"),
        ("14.30", "21.40"),
    ]
    assert moved(outlook) == [("applied", "2026-02-01", "-35.70", "14.30"), ("applied", "2026-03-01", "-14.30", "0.00")]
    assert [[money(move.amount) for move in each.movements] for each in outlook.documents] == [["-35.70"], ["-14.30"]]
    assert outlook.until == at("2026-03-31")


def test_a_draft_that_waits_is_shown_once_it_is_issued_by_then():
    make_default_profile(draft_period="P5D")
    customer = subscribe(flat_plan("basic", "30.00"), "2026-01-01").customer
    assert Invoice.objects.filter(issued_at=None, total=30).exists()
    assert shown(seen(customer, "2026-01-03", "2026-01-05")) == []
    assert shown(seen(customer, "2026-01-03", "2026-01-06")) == [("invoice", "2026-01-06", "30.00")]
    # Due now: the steps of drafts are taken, too.
    assert shown(seen(customer, "2026-01-07", "2026-01-07")) == [("invoice", "2026-01-07", "30.00")]
    # What is a draft then is shown as one, with when it is issued.
    [issued, draft] = seen(customer, "2026-01-03", "2026-02-01").documents
    assert (issued.is_draft, draft.is_draft, draft.at) == (False, True, at("2026-02-06"))


def test_what_the_next_close_takes_off_a_draft_is_shown_on_it():
    """The draft of April, 30.00 for 30 days, charges 20 of them once the subscription ends on 21 April."""
    make_default_profile(draft_period="P30D")
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-01")
    with clock.frozen_at(at("2026-04-11")):
        record_cancelation(subscription=subscription, at=at("2026-04-21"))
    Subscription.objects.update(next_billing_at=at("2026-04-21"))
    [draft] = seen(subscription.customer, "2026-04-15", "2026-04-21").documents
    assert (draft.is_draft, money(draft.total)) == (True, "20.00")
    assert [(line.kind, money(line.total)) for line in draft.lines] == [("flat", "20.00")]


def test_a_credit_note_shows_where_its_money_goes():
    """90.00 for the 90 days from January on are paid: from 31 January on, 60.00 come back to the balance."""
    cards = (flat_card(name="Basic fee", price=fee("90.00"), billing_cadence="P3M"),)
    subscription = subscribe(flat_plan("basic", None, cards=cards), "2026-01-01")
    with clock.frozen_at(at("2026-01-15")):
        cancel_subscription(subscription=subscription, timing=at("2026-01-31"))
    outlook = seen(subscription.customer, "2026-01-15", "2026-06-01")
    assert shown(outlook) == [("credit_note", "2026-01-31", "60.00")]
    assert outlook.documents[0].over == "INV-000001"
    assert moved(outlook) == [("credit_note", "2026-01-31", "60.00", "60.00")]


def test_a_close_of_now_comes_before_the_charge_that_is_due_now():
    """The invoice was not charged yet when the close gives 10 of 30 days back: they come off what is due on it."""
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-01", bill=False)
    with clock.frozen_at(at("2026-04-01")):
        close_customers([subscription.customer_id], as_of=at("2026-04-01"))
        cancel_subscription(subscription=subscription, timing=at("2026-04-21"))
    outlook = seen(subscription.customer, "2026-04-21", "2026-04-21")
    [note] = outlook.documents
    assert (money(note.reduced_due), money(note.moved_to_balance)) == ("10.00", "0.00")
    books = Books()
    live(at("2026-04-21"), at("2026-04-21"))
    assert foreseen(outlook) == books.made_since()


def test_a_close_to_come_also_comes_before_the_charge_of_the_same_moment():
    """A charge that is tried again on 21 April, when a close gives 10 of 30 days back: they come off what is due."""
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-01", bill=False)
    with clock.frozen_at(at("2026-04-01")):
        close_customers([subscription.customer_id], as_of=at("2026-04-01"))
        cancel_subscription(subscription=subscription, timing=at("2026-04-21"))
    Invoice.objects.update(next_collection_at=at("2026-04-21"))
    [note] = seen(subscription.customer, "2026-04-15", "2026-04-21").documents
    assert (money(note.reduced_due), money(note.moved_to_balance)) == ("10.00", "0.00")
    # One that is tried a day before is paid by then: all comes back to the balance.
    Invoice.objects.update(next_collection_at=at("2026-04-20"))
    [note] = seen(subscription.customer, "2026-04-15", "2026-04-21").documents
    assert (money(note.reduced_due), money(note.moved_to_balance)) == ("0.00", "10.00")


def test_of_a_time_in_the_past_what_a_close_up_to_then_would_make_now():
    customer = subscribe(flat_plan("basic", "30.00"), "2026-01-01", bill=False).customer
    assert shown(seen(customer, "2026-03-15", "2025-12-31")) == []
    assert [len(each.lines) for each in seen(customer, "2026-03-15", "2026-02-10").documents] == [2]
    assert [len(each.lines) for each in seen(customer, "2026-03-15", "2026-03-15").documents] == [3]


def test_a_parked_customer_says_why_and_their_drafts_are_issued_all_the_same():
    make_default_profile(draft_period="P5D")
    customer = subscribe(flat_plan("basic", "30.00"), "2026-01-01").customer
    ParkedCustomer.objects.create(customer=customer, parked_at=at("2026-01-02"), cause_code="x", cause="No price.")
    for now, until in (("2026-01-03", "2026-03-31"), ("2026-01-06", "2026-01-06")):
        outlook = seen(customer, now, until)
        assert outlook.cause == "Billing is parked until the customer is released: No price."
        assert shown(outlook) == [("invoice", "2026-01-06", "30.00")]


def test_where_billing_stops_what_comes_before_is_shown(settings):
    """In March, an item of 2,000,000.00 begins, beyond the safety limit."""
    settings.AMOUNT_LIMITS = {"EUR": Decimal(1_000_000)}
    customer = subscribe(flat_plan("basic", "30.00"), "2026-01-01").customer
    with clock.frozen_at(at("2026-01-02")):
        subscribe(flat_plan("giant", "2000000.00"), "2026-03-10", customer=customer, bill=False)
    outlook = seen(customer, "2026-01-15", "2026-06-01")
    assert shown(outlook) == [("invoice", "2026-02-01", "30.00"), ("invoice", "2026-03-01", "30.00")]
    assert (outlook.stopped_at, outlook.until) == (at("2026-03-10"), at("2026-03-10"))
    assert "beyond the safety" in (outlook.cause or "")


def test_a_draft_that_can_not_be_collected_says_why_and_the_closes_go_on():
    make_default_profile(collection_interval="P1D")
    meter = make_meter()
    card = usage_card(key="calls", feature=make_feature(key="calls", meter=meter))
    customer = subscribe(make_plan(cards=(card,)), "2026-01-01").customer
    UsageEvent.objects.create(
        source="app", external_id="1", type="usage", subject="acme", time=at("2026-01-20"), data={"amount": 60}
    )
    live(at("2026-01-01"), at("2026-02-01"))
    subscribe(flat_plan("basic", "30.00"), "2026-02-01", customer=customer)
    UsageEvent.objects.create(
        source="app", external_id="2", type="usage", subject="acme", time=at("2026-01-21"), data={"amount": 10**30}
    )
    outlook = seen(customer, "2026-02-01", "2026-02-03")
    assert [bool(each.problem) for each in outlook.documents if each.is_draft] == [True]
    assert outlook.problem is None


def test_more_bills_than_are_made_one_by_one_say_that_they_are_gathered():
    """A day at 1.00: 36 bills one by one, then one for the 64 days that are left of 100."""
    card = flat_card(name="Day", price=fee("1.00"), billing_cadence="P1D")
    customer = subscribe(flat_plan("daily", None, cards=(card,)), "2026-01-01").customer
    outlook = seen(customer, "2026-01-01", "2026-04-11")
    assert [money(each.total) for each in outlook.documents] == ["1.00"] * 36 + ["64.00"]
    assert outlook.gathered_from == at("2026-02-07")
    assert [each.gathered_from for each in outlook.documents] == [None] * 36 + [at("2026-02-07")]


def test_a_last_close_at_the_very_end_is_no_gathering():
    """36 days are billed one by one before 7 February, and that day's own bill stands for nothing but itself."""
    cards = (flat_card(name="Day", price=fee("1.00"), billing_cadence="P1D"),)
    customer = subscribe(flat_plan("daily", None, cards=cards), "2026-01-01").customer
    outlook = seen(customer, "2026-01-01", "2026-02-07")
    assert (len(outlook.documents), outlook.gathered_from) == (37, None)
    outlook = seen(customer, "2026-01-01", "2026-02-08")
    assert (len(outlook.documents), outlook.gathered_from) == (37, at("2026-02-07"))
    assert money(outlook.documents[-1].total) == "2.00"


def test_the_next_bill_is_followed_until_it_is_issued_and_no_further():
    make_default_profile(draft_period="P5D")
    customer = subscribe(flat_plan("basic", "30.00"), "2026-01-01").customer
    with clock.frozen_at(at("2026-01-03")):
        assert shown(preview_next_bill(customer_id=customer.pk)) == [
            ("invoice", "2026-01-06", "30.00"),
            ("invoice", "2026-02-06", "30.00"),
        ]


def test_a_preview_reaches_only_so_far():
    customer = make_customer()
    with clock.frozen_at(at("2026-01-01")), pytest.raises(InvalidInput, match="400 days ahead"):
        preview_customer(customer_id=customer.pk, until=at("2027-02-06"))


def test_what_is_due_now_asks_as_much_for_many_customers_as_for_two():
    make_default_profile(draft_period="P5D")
    plan = flat_plan("basic", "30.00")
    ids = []
    for number in range(12):
        customer = make_customer(key=f"c{number}", name=f"C{number}")
        on_the_balance(customer, "50.00")
        ids.append(subscribe(plan, "2026-01-01", customer=customer, bill=False).customer_id)
    live(at("2026-01-01"), at("2026-01-05"))
    counts = []
    for some in (ids[:2], ids):
        with clock.frozen_at(at("2026-02-01")), CaptureQueriesContext(connection) as captured:
            outlooks = preview_customers(customer_ids=some, until=at("2026-02-01"))
        counts.append(len(captured))
        assert [shown(outlooks[each]) for each in some] == [
            [("invoice", "2026-02-01", "30.00"), ("invoice", "2026-02-06", "30.00")]
        ] * len(some)
        assert [moved(outlooks[each]) for each in some] == [[("applied", "2026-02-01", "-30.00", "20.00")]] * len(some)
    assert counts[0] == counts[1]


# What the property draws from. Amounts with odd cents, and moments to the second, so that rounding shows.
CENTS = st.integers(1, 20_000).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
ITEMS = st.lists(st.tuples(CENTS, st.sampled_from(["P1W", "P1M", "P3M"]), st.booleans()), min_size=1, max_size=2)
PROFILES: dict[str, dict[str, Any]] = {
    "at once": {},
    "by bank": {"collection_method": "send_invoice"},
    "reviewed": {"draft_period": "P9D"},
    "collected": {"collection_interval": "P2D", "draft_period": "P1D"},
    "approved": {"auto_advance": False},
}


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(
    sold=st.lists(st.tuples(ITEMS, st.integers(0, 20 * 86_400)), min_size=1, max_size=3),
    today=st.integers(21 * 86_400, 70 * 86_400),
    ahead=st.one_of(st.just(0), st.integers(-9 * 86_400, 130 * 86_400)),
    behind=st.sampled_from([0, 0, 3_600, 8 * 86_400]),
    profile=st.sampled_from(sorted(PROFILES)),
    balance=st.one_of(st.none(), CENTS),
    used=st.lists(st.tuples(st.integers(0, 70 * 86_400), st.integers(1, 500)), max_size=4),
    ends=st.one_of(st.none(), st.integers(-40 * 86_400, 60 * 86_400)),
    pauses=st.booleans(),
)
def test_what_a_preview_shows_is_what_follows(sold, today, ahead, behind, profile, balance, used, ends, pauses):
    with transaction.atomic():
        _preview_and_live(sold, today, ahead, behind, profile, balance, used, ends, pauses)
        transaction.set_rollback(True)


def _preview_and_live(sold, today, ahead, behind, profile, balance, used, ends, pauses):
    make_default_profile(**PROFILES[profile])
    start = at("2026-01-01")
    now, until = start + timedelta(seconds=today), start + timedelta(seconds=today + ahead)
    customer = _customer_with(sold, start, balance, used)
    # What fell due meanwhile may not be done yet.
    live(start, now - timedelta(seconds=behind))
    first, *_, last = [*Subscription.objects.order_by("active_from", "id"), *Subscription.objects.order_by("-id")[:1]]
    with clock.frozen_at(now):
        if ends is not None:
            cancel_subscription(subscription=first, timing=now + timedelta(seconds=abs(ends)))
        if pauses and last.pk != first.pk:
            pause_subscription(subscription=last, timing="immediate")
        before = digest()
        outlook = preview_customer(customer_id=customer.pk, until=until)
        assert digest() == before
    assert (outlook.cause, outlook.gathered_from) == (None, None)
    event(f"{profile}: {min(len(outlook.documents), 5)} documents, {min(len(outlook.movements), 3)} movements")
    books = Books()
    if until >= now:
        live(now, until)
        assert foreseen(outlook) == books.made_since()


def _customer_with(sold, start, balance, used):
    customer = vat_customer()
    meter = make_meter()
    for number, (items, offset) in enumerate(sold):
        cards = [
            flat_card(
                key=f"fee{place}",
                name=f"Fee {number}.{place}",
                billing_cadence=cadence,
                price=fee(amount, "in_advance" if paid_ahead else "in_arrears"),
            )
            for place, (amount, cadence, paid_ahead) in enumerate(items)
        ]
        if not number:
            cards.append(usage_card(key="calls", name="Calls", feature=make_feature(key="calls", meter=meter)))
        begins = start + timedelta(seconds=offset)
        plan = flat_plan(f"plan{number}", None, cards=tuple(cards))
        subscribe(plan, f"{begins:%Y-%m-%dT%H:%M:%S}", customer=customer, bill=False)
    if balance is not None:
        on_the_balance(customer, balance)
    for number, (second, amount) in enumerate(used):
        moment = start + timedelta(seconds=second)
        UsageEvent.objects.create(
            source="app",
            external_id=f"{number}",
            type="usage",
            subject="acme",
            time=moment,
            ingested_at=moment,
            data={"amount": amount},
        )
    return customer
