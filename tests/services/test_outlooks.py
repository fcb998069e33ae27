"""A preview shows every document and balance movement that follows, for whatever date and by whatever change."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core import clock
from core.errors import BillingError
from invoicing.models import NumberSeries, ParkedCustomer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.migrate_subscription import migrate_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.preview_start import preview_start
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.start_subscription import start_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem, RemoveItem
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import Coupon, Plan, SubscriptionAddOn
from tests.scenarios.life_judge import digest
from tests.services.outlooks import Books, foreseen, live
from tests.services.test_addons import offered
from tests.services.test_every_change_previews import fresh
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.customers import make_default_profile, vat_customer
from tests.support.invoices import money, notes
from tests.support.payments import pays_by_bank
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

CHANGES: dict[str, Any] = {
    "cancel": cancel_subscription,
    "change": change_plan,
    "migrate": migrate_subscription,
    "pause": pause_subscription,
    "resume": resume_subscription,
    "edit": edit_subscription,
    "buy": add_addon,
    "addon": change_addon_quantity,
}


def quarter(amount="90.00"):
    """A plan of one fee, billed by the quarter in advance."""
    return flat_plan("basic", None, cards=(flat_card(name="Basic fee", price=fee(amount), billing_cadence="P3M"),))


@pytest.fixture
def paid_quarter(db):
    """90.00 for the 90 days from 1 January on, with 19 % VAT, billed and paid."""
    return subscribe(quarter(), "2026-01-01", customer=vat_customer())


def shown(outlook):
    return [(document.type, document.at, money(document.total)) for document in outlook.documents]


def moved(outlook):
    return [(move.kind, move.at, money(move.amount), money(move.balance)) for move in outlook.movements]


def previewed(service, on, **options):
    with clock.frozen_at(at(on)):
        before = digest()
        result = service(preview=True, **options)
        assert digest() == before
    return result


def test_an_end_in_two_weeks_shows_what_comes_back_then(paid_quarter):
    """30 of the quarter's 90 days are used: 60.00 come back on 31 January, with VAT 71.40, to the balance."""
    asked = {"subscription": paid_quarter, "timing": at("2026-01-31")}
    result = previewed(cancel_subscription, "2026-01-15", **asked)
    assert (money(result.credit_amount), money(result.credit_note_total)) == ("60.00", "71.40")
    assert (money(result.due_now), result.lines, result.credited) == ("0.00", (), ())
    [note] = result.outlook.documents
    assert (note.type, note.at, note.over) == ("credit_note", at("2026-01-31"), "INV-000001")
    assert {name: money(total) for name, total in note.totals.items()} == {
        "amount": "60.00",
        "taxes_total": "11.40",
        "total": "71.40",
    }
    [line] = note.lines
    assert (line.name, line.period_start, line.period_end) == (
        "Unused part: Basic fee",
        at("2026-01-31"),
        at("2026-04-01"),
    )
    assert moved(result.outlook) == [("credit_note", at("2026-01-31"), "71.40", "71.40")]
    with clock.frozen_at(at("2026-01-15")):
        made = cancel_subscription(**asked)
    assert (made.credit_amount, made.credit_note_total) == (result.credit_amount, result.credit_note_total)
    assert notes() == []
    live(at("2026-01-15"), at("2026-02-01"))
    assert [(net, total, to_balance) for _, net, total, _, to_balance in notes()] == [("60.00", "71.40", "71.40")]


def test_an_end_in_three_minutes_shows_what_comes_back_then(paid_quarter):
    """On 15 January at 12:00, 1,252,800 s of 7,776,000 s are used, with three minutes 1,252,980 s: 6,523,020 s come
    back, 90.00 x 6,523,020 / 7,776,000 = 75.4979..., so 75.50; VAT 14.345, so 14.35 (14.3450 rounds away from zero)."""
    result = previewed(
        cancel_subscription, "2026-01-15T12:00", subscription=paid_quarter, timing=at("2026-01-15T12:03")
    )
    assert (money(result.credit_amount), money(result.credit_note_total)) == ("75.50", "89.85")
    assert shown(result.outlook) == [("credit_note", at("2026-01-15T12:03"), "89.85")]


def test_the_end_of_a_year_confirmed_three_minutes_ahead_shows_the_credit_note_that_follows(db):
    """1,200.00 for the year 2026, 31,536,000 s. The end, on 12 January at 00:06, comes after 950,760 s: 30,585,240 s
    come back, 1,200.00 x 30,585,240 / 31,536,000 = 1,163.8219..., so 1,163.82; VAT 19 % of it 221.1258, so 221.13."""
    year = flat_card(name="Basic fee", price=fee("1200.00"), billing_cadence="P1Y")
    subscription = subscribe(flat_plan("basic", None, cards=(year,)), "2026-01-01", customer=vat_customer())
    asked = {"subscription": subscription, "timing": at("2026-01-12T00:06")}
    result = previewed(cancel_subscription, "2026-01-12T00:03", **asked)
    assert (money(result.credit_amount), money(result.credit_note_total)) == ("1163.82", "1384.95")
    assert shown(result.outlook) == [("credit_note", at("2026-01-12T00:06"), "1384.95")]
    assert moved(result.outlook) == [("credit_note", at("2026-01-12T00:06"), "1384.95", "1384.95")]
    with clock.frozen_at(at("2026-01-12T00:03")):
        cancel_subscription(**asked)
    assert notes() == []
    live(at("2026-01-12T00:03"), at("2026-01-12T00:06"))
    assert notes() == [("CN-000001", "1163.82", "1384.95", "0.00", "1384.95")]


def test_an_end_now_shows_the_balance_also_while_time_goes_on(db):
    """No clock stands still here: the change happens at a moment that is over before the look ahead begins."""
    start = clock.now() - timedelta(days=30)
    subscription = subscribe(quarter(), f"{start:%Y-%m-%dT%H:%M:%S}", customer=vat_customer())
    result = cancel_subscription(subscription=subscription, timing="immediate", preview=True)
    [note] = [document for document in result.outlook.documents if not document.is_invoice]
    [move] = result.outlook.movements
    assert move.kind == "credit_note"
    assert move.amount == move.balance == note.moved_to_balance > 0


def test_an_end_that_was_not_paid_lowers_what_is_due(db):
    pays_by_bank()
    subscription = subscribe(quarter(), "2026-01-01", customer=vat_customer())
    result = previewed(cancel_subscription, "2026-01-15", subscription=subscription, timing=at("2026-01-31"))
    [note] = result.outlook.documents
    assert (money(note.reduced_due), money(note.moved_to_balance)) == ("71.40", "0.00")
    assert result.outlook.movements == ()


def test_what_is_on_the_balance_is_followed_onto_the_invoice_that_uses_it(paid_quarter):
    """The pause has given back 71.40; the quarter from April on comes to 107.10: 35.70 are due."""
    with clock.frozen_at(at("2026-01-31")):
        pause_subscription(subscription=paid_quarter, timing="immediate")
    result = previewed(resume_subscription, "2026-02-01", subscription=fresh(paid_quarter), timing=at("2026-04-01"))
    invoice = result.outlook.documents[0]
    assert shown(result.outlook)[0] == ("invoice", at("2026-04-01"), "107.10")
    assert (money(invoice.applied_from_balance), money(invoice.due)) == ("71.40", "35.70")
    assert moved(result.outlook) == [("applied", at("2026-04-01"), "-71.40", "0.00")]


def test_an_upgrade_to_come_shows_its_invoice_before_the_next_one(paid_quarter):
    """From 31 January on: 60.00 of 90.00 come back, 60 of 90 days of 180.00 are 120.00; then 180.00 from April on."""
    pro = flat_plan("pro", None, cards=(flat_card(name="Pro fee", price=fee("180.00"), billing_cadence="P3M"),))
    result = previewed(change_plan, "2026-01-15", subscription=paid_quarter, timing=at("2026-01-31"), plan=pro)
    assert shown(result.outlook) == [
        ("invoice", at("2026-01-31"), "71.40"),
        ("invoice", at("2026-04-01"), "214.20"),
    ]
    assert [money(line.amount) for line in result.outlook.documents[0].lines] == ["120.00", "-60.00"]
    assert (money(result.credit_amount), money(result.credit_note_total)) == ("60.00", "0.00")


def test_a_draft_is_followed_until_it_is_issued(paid_quarter):
    make_default_profile(draft_period="P2D")
    result = previewed(
        add_addon,
        "2026-01-15",
        subscription=paid_quarter,
        addon=offered(paid_quarter),
        quantity=1,
        timing=at("2026-02-01"),
    )
    first = result.outlook.documents[0]
    assert (first.at, first.is_draft) == (at("2026-02-03"), False)


def test_an_end_behind_more_bills_than_are_shown_one_by_one_still_shows_what_comes_back(db):
    """Two items: one daily, the year in advance for 365.00. On day 200 the rest of the year, 165 days, comes back."""
    cards = (
        flat_card(key="year", name="Year", price=fee("365.00"), billing_cadence="P1Y"),
        flat_card(key="day", name="Day", price=fee("1.00"), billing_cadence="P1D"),
    )
    subscription = subscribe(flat_plan("basic", None, cards=cards), "2026-01-01")
    result = previewed(cancel_subscription, "2026-01-01", subscription=subscription, timing=at("2026-07-20"))
    assert money(result.credit_amount) == "165.00"
    assert result.outlook.gathered_from is not None
    charged = sum(d.total for d in result.outlook.documents if d.is_invoice)
    credited = sum(d.total for d in result.outlook.documents if not d.is_invoice)
    # 199 more days at 1.00, less the 165.00: as lines, as far as a bill takes them, the rest by credit note.
    assert charged - credited == Decimal(199 - 165)


def test_behind_a_change_no_more_than_twelve_bills_are_shown(db):
    """Beside a fee for a year, a weekly one, changed on 8 January: of 52 bills, that one and twelve behind it."""
    cards = (
        flat_card(key="year", name="Year", price=fee("365.00"), billing_cadence="P1Y"),
        flat_card(key="week", name="Week", price=fee("10.00"), billing_cadence="P1W"),
    )
    subscription = subscribe(flat_plan("mixed", None, cards=cards), "2026-01-01")
    update = ItemUpdate(product_id="week", quantity=Decimal(2), preview_only=True)
    with clock.frozen_at(at("2026-01-02")):
        outlook = update_item(subscription_id=subscription.pk, running_number=2, update=update).outlook
    assert [money(document.total) for document in outlook.documents] == ["20.00"] * 13
    assert (outlook.documents[0].at, outlook.documents[-1].at) == (at("2026-01-08"), at("2026-04-02"))


def test_a_preview_leaves_the_counters_of_numbers_alone(paid_quarter):
    with clock.frozen_at(at("2026-01-15")), CaptureQueriesContext(connection) as captured:
        cancel_subscription(subscription=paid_quarter, timing="immediate", preview=True)
    counting = [query["sql"] for query in captured if NumberSeries._meta.db_table in query["sql"]]
    assert counting
    assert not [sql for sql in counting if "FOR UPDATE" in sql or sql.startswith("UPDATE")]


@pytest.mark.parametrize("fees", [3, 30])
def test_a_preview_asks_a_fixed_number_of_questions(db, django_assert_max_num_queries, fees):
    cards = [flat_card(key=f"fee{n}", name=f"Fee {n}", price=fee("90.00"), billing_cadence="P3M") for n in range(fees)]
    subscription = subscribe(flat_plan("basic", None, cards=tuple(cards)), "2026-01-01", customer=vat_customer())
    with clock.frozen_at(at("2026-01-15")), django_assert_max_num_queries(108):
        result = cancel_subscription(subscription=subscription, timing=at("2026-01-31"), preview=True)
    assert money(result.credit_amount) == money(Decimal(60 * fees))


def test_a_parked_customer_is_said_to_wait(paid_quarter):
    ParkedCustomer.objects.create(
        customer=paid_quarter.customer, parked_at=at("2026-01-10"), cause_code="x", cause="No rate card."
    )
    result = previewed(cancel_subscription, "2026-01-15", subscription=paid_quarter, timing=at("2026-01-31"))
    assert result.outlook.documents == ()
    assert result.outlook.cause == "Billing is parked until the customer is released: No rate card."


# What the property draws from. Amounts with odd cents, and moments to the second, so that rounding shows.
CENTS = st.integers(1, 20_000).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
WHENS = st.one_of(
    st.sampled_from(["immediate", "next_billing_cycle"]),
    st.integers(1, 600),
    st.integers(3_600, 21 * 86_400),
    st.integers(21 * 86_400, 100 * 86_400),
    st.integers(-86_400, -1),
)
PROFILES: dict[str, dict[str, Any]] = {
    "at once": {},
    "by bank": {"collection_method": "send_invoice"},
    "reviewed": {"draft_period": "P1D"},
    "approved": {"auto_advance": False},
}


@settings(max_examples=7, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(
    verb=st.sampled_from([*CHANGES, "unschedule", "coupon", "seats", "aligned", "extended", "start"]),
    when=WHENS,
    today=st.integers(0, 100 * 86_400),
    cards=st.lists(st.tuples(CENTS, st.sampled_from(["P1W", "P1M", "P3M"]), st.booleans()), min_size=1, max_size=3),
    new=CENTS,
    profile=st.sampled_from(sorted(PROFILES)),
    beside=st.booleans(),
    canceled=st.booleans(),
)
def test_what_a_preview_shows_is_what_follows(db, verb, when, today, cards, new, profile, beside, canceled):
    with transaction.atomic():
        _preview_and_live(verb, when, today, cards, new, profile, beside, canceled)
        transaction.set_rollback(True)


def _preview_and_live(verb, when, today, cards, new, profile, beside, canceled):
    make_default_profile(**PROFILES[profile])
    start, now = at("2026-01-01"), at("2026-01-01") + timedelta(seconds=today)
    rows = tuple(
        flat_card(
            key=f"fee{number}",
            name=f"Fee {number}",
            billing_cadence=cadence,
            price=fee(amount, "in_advance" if ahead else "in_arrears"),
        )
        for number, (amount, cadence, ahead) in enumerate(cards)
    )
    customer = vat_customer()
    subscription = subscribe(flat_plan("basic", None, cards=rows), "2026-01-01", customer=customer)
    if beside:
        subscribe(flat_plan("other", "7.77"), "2026-01-01", customer=customer)
    live(start, now)
    timing = when if isinstance(when, str) else now + timedelta(seconds=when)
    do = _act(verb, subscription, timing, new, now, canceled)
    with clock.frozen_at(now):
        before = digest()
        try:
            result = do(True)
        except BillingError as error:
            event(f"{verb}: refused")
            with pytest.raises(type(error)):
                do(False)
            return
        assert digest() == before
        books = Books()
        do(False)
    outlook = result.outlook
    event(f"{verb}: {len(outlook.documents)} documents")
    assert (outlook.cause, outlook.gathered_from) == (None, None)
    live(now, outlook.until)
    assert foreseen(outlook) == books.made_since()


def _act(verb, subscription, timing, new, now, canceled):
    """The verb, as a function that previews it or does it."""
    options = {"timing": timing}
    if verb == "change":
        options["plan"] = flat_plan("pro", new)
    elif verb == "migrate":
        Plan.objects.update(effective_to=now)
        flat_plan("basic", new, version=2, effective_from=now)
    elif verb == "resume":
        with clock.frozen_at(now):
            pause_subscription(subscription=subscription, timing="immediate")
    elif verb == "edit":
        card = RateCardTerms(key="care", name="Care", type="flat_fee", billing_cadence="P1M", price=fee(new))
        options["edits"] = [RemoveItem("phase_1", "fee0"), AddItem("phase_1", card)]
    elif verb in ("buy", "addon"):
        addon = offered(subscription, flat_card(key="support", name="Support", price=fee(new)))
        options |= {"addon": addon, "quantity": 2}
        if verb == "addon":
            with clock.frozen_at(now):
                add_addon(subscription=subscription, **options | {"timing": "immediate"})
            purchase = SubscriptionAddOn.objects.select_related("subscription__plan", "addon").get()
            return lambda preview: change_addon_quantity(
                purchase=purchase, quantity=0 if canceled else 3, timing=timing, preview=preview
            )
    elif verb == "unschedule":
        with clock.frozen_at(now):
            cancel_subscription(subscription=subscription, timing=now + timedelta(days=40))
        return lambda preview: unschedule_cancelation(subscription=fresh(subscription), preview=preview)
    elif verb == "coupon":
        Coupon.objects.create(code="HALF", percentage=Decimal(50), periods=1)
        return lambda preview: redeem_coupon(
            subscription=fresh(subscription), running_number=1, code="HALF", preview=preview
        )
    elif verb in ("seats", "aligned", "extended"):
        values = {"product_id": "fee0", "quantity": Decimal(3), "align": verb != "seats", "extend": verb == "extended"}
        return lambda preview: update_item(
            subscription_id=subscription.pk, running_number=1, update=ItemUpdate(**values, preview_only=preview)
        )
    elif verb == "start":
        begins = now if isinstance(timing, str) else timing
        terms = {"customer": subscription.customer, "plan": flat_plan("more", new), "active_from": begins}
        return lambda preview: preview_start(**terms) if preview else start_subscription(**terms)
    if canceled and verb == "cancel":
        with clock.frozen_at(now):
            cancel_subscription(subscription=subscription, timing=now + timedelta(days=40))
    return lambda preview: CHANGES[verb](subscription=fresh(subscription), preview=preview, **options)
