"""Every change has a preview, by the same service: the same figures, and nothing written."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.outbox.models import OutboxMessage
from invoicing.models import BalanceEntry, BilledWindow, CreditNote, Invoice, InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.preview_start import preview_start
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.start_subscription import start_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem, RemoveItem
from subscriptions.models import (
    AddOnQuantity,
    Coupon,
    CouponRedemption,
    ItemRevision,
    Subscription,
    SubscriptionAddOn,
    SubscriptionItem,
)
from tests.services.test_addons import offered
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.invoices import invoices, money, notes
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db

MODELS = (
    Invoice,
    InvoiceLine,
    BilledWindow,
    CreditNote,
    BalanceEntry,
    Subscription,
    SubscriptionItem,
    ItemRevision,
    SubscriptionAddOn,
    AddOnQuantity,
    CouponRedemption,
    AuditEntry,
    OutboxMessage,
)


def stored():
    return [list(model.objects.order_by("pk").values()) for model in MODELS]


def previewed_and_made(service, on, **options):
    """The result of the change, after its preview was seen to show the same and to write nothing."""
    with clock.frozen_at(at(on)):
        before = stored()
        preview = service(preview=True, **options)
        assert stored() == before
        made = service(**options)
    assert figures(preview) == figures(made)
    return made


def figures(result):
    lines = [replace(line, subscription_id=None) for line in result.lines]
    names = ("credit_amount", "charge_amount", "due_now", "due_before", "credit_note_total", "next_amount")
    return [money(getattr(result, name)) for name in names], result.next_billing_at, lines


def amounts(result):
    """Credit, charge, due now, credit note."""
    shown = (result.credit_amount, result.charge_amount, result.due_now, result.credit_note_total)
    return tuple(money(amount) for amount in shown)


def fresh(subscription):
    return Subscription.objects.get(pk=subscription.pk)


@pytest.fixture
def basic(db):
    """30.00 a month from 1 April on, with 19 % VAT, billed."""
    return subscribe(flat_plan("basic", "30.00"), customer=vat_customer())


def test_a_cancelation_at_once(basic):
    """15.00 net come back, with VAT 17.85."""
    made = previewed_and_made(cancel_subscription, "2026-04-16", subscription=basic, timing="immediate")
    assert amounts(made) == ("15.00", "0.00", "0.00", "17.85")
    assert [total for _, _, total, _, _ in notes()] == ["17.85"]


def test_a_cancelation_of_what_has_not_begun(db):
    with clock.frozen_at(at("2026-03-01")):
        subscription = subscribe(flat_plan("basic", "30.00"), bill=False)
    made = previewed_and_made(cancel_subscription, "2026-03-02", subscription=subscription, timing="immediate")
    assert amounts(made) == ("0.00", "0.00", "0.00", "0.00")
    assert not Subscription.objects.exists()


def test_a_cancelation_that_is_taken_back(basic):
    """Nothing is billed; May is, with VAT, 35.70."""
    with clock.frozen_at(at("2026-04-10")):
        cancel_subscription(subscription=basic, timing="next_billing_cycle")
    made = previewed_and_made(unschedule_cancelation, "2026-04-16", subscription=fresh(basic))
    assert amounts(made) == ("0.00", "0.00", "0.00", "0.00")
    assert (money(made.next_amount), made.next_billing_at) == ("35.70", at("2026-05-01"))


def test_a_change_that_is_taken_back(basic):
    change(basic, flat_plan("pro", "90.00"), "2026-04-10", timing="next_billing_cycle")
    made = previewed_and_made(unschedule_cancelation, "2026-04-16", subscription=fresh(basic))
    assert (money(made.next_amount), Subscription.objects.count()) == ("35.70", 1)


def test_an_edit(basic):
    """The fee leaves: 15.00 come back; 60.00 a month for half of April are 30.00: 15.00 net, 17.85 with VAT."""
    edits = [RemoveItem("phase_1", "base"), AddItem("phase_1", card("care", "60.00"))]
    made = previewed_and_made(edit_subscription, "2026-04-16", subscription=basic, timing="immediate", edits=edits)
    assert amounts(made) == ("15.00", "30.00", "17.85", "0.00")
    assert money(made.next_amount) == "71.40"


def card(key, amount):
    return RateCardTerms(key=key, name=key.title(), type="flat_fee", billing_cadence="P1M", price=fee(amount))


def test_a_pause_and_its_end(basic):
    made = previewed_and_made(pause_subscription, "2026-04-16", subscription=basic, timing="immediate")
    assert amounts(made) == ("15.00", "0.00", "0.00", "17.85")
    resumed = previewed_and_made(resume_subscription, "2026-04-21", subscription=fresh(basic), timing="immediate")
    # 10 of 30 days are 10.00, with VAT 11.90, which the balance pays.
    assert amounts(resumed) == ("0.00", "10.00", "0.00", "0.00")
    assert_books_are_clean("2026-04-21T00:30")


def test_an_addon_that_is_bought_increased_and_ended(basic):
    """Support at 30.00: two for half of April are 30.00; one more for 10 of 30 days is 10.00; then 5 days of three."""
    addon = offered(basic)
    made = previewed_and_made(add_addon, "2026-04-16", subscription=basic, addon=addon, quantity=2, timing="immediate")
    assert amounts(made) == ("0.00", "30.00", "35.70", "0.00")
    # 30.00 and 60.00 with VAT.
    assert money(made.next_amount) == "107.10"
    purchase = SubscriptionAddOn.objects.select_related("subscription__plan", "addon").get()
    more = previewed_and_made(change_addon_quantity, "2026-04-21", purchase=purchase, quantity=3, timing="immediate")
    assert amounts(more) == ("0.00", "10.00", "11.90", "0.00")
    none = previewed_and_made(change_addon_quantity, "2026-04-26", purchase=purchase, quantity=0, timing="immediate")
    assert amounts(none) == ("15.00", "0.00", "0.00", "17.85")
    assert_books_are_clean("2026-04-26T00:30")


def test_an_addon_from_the_next_cycle_on(basic):
    addon = offered(basic)
    made = previewed_and_made(
        add_addon, "2026-04-16", subscription=basic, addon=addon, quantity=1, timing="next_billing_cycle"
    )
    assert amounts(made) == ("0.00", "0.00", "0.00", "0.00")
    assert money(made.next_amount) == "71.40"


def test_a_coupon(basic):
    """April is charged already, so May is the first with half off: 15.00, with VAT 17.85."""
    Coupon.objects.create(code="HALF", percentage=Decimal(50), periods=1)
    made = previewed_and_made(redeem_coupon, "2026-04-16", subscription=basic, running_number=1, code="HALF")
    assert amounts(made) == ("0.00", "0.00", "0.00", "0.00")
    assert money(made.next_amount) == "17.85"
    run("2026-05-01")
    assert invoices()[-1][1] == "17.85"


def test_a_new_subscription(db):
    """From 16 April to 1 May, 15 of 30 days: 15.00, with VAT 17.85; then 35.70."""
    make_default_profile()
    terms = {
        "customer": vat_customer(),
        "plan": flat_plan("basic", "30.00"),
        "active_from": at("2026-04-16"),
        "billing_anchor": at("2026-04-01"),
    }
    with clock.frozen_at(at("2026-04-16")):
        before = stored()
        preview = preview_start(**terms)
        assert stored() == before
        start_subscription(**terms)
    assert amounts(preview) == ("0.00", "15.00", "17.85", "0.00")
    assert (money(preview.next_amount), preview.next_billing_at) == ("35.70", at("2026-05-01"))
    run("2026-04-16")
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["17.85", "35.70"]


def test_a_new_subscription_that_begins_later_bills_nothing_now(db):
    make_default_profile()
    with clock.frozen_at(at("2026-04-16")):
        preview = preview_start(
            customer=make_customer(), plan=flat_plan("basic", "30.00"), active_from=at("2026-05-01")
        )
    assert amounts(preview) == ("0.00", "0.00", "0.00", "0.00")
    assert (money(preview.next_amount), preview.next_billing_at) == ("30.00", at("2026-05-01"))


def test_what_was_due_before_a_change_is_shown_apart(basic):
    """May, 35.70, was not closed yet when the subscription is canceled on the 16th: 16 of 31 days come back off it."""
    made = previewed_and_made(cancel_subscription, "2026-05-16", subscription=basic, timing="immediate")
    # 30.00 x 16 / 31 = 15.48; VAT 2.94.
    assert amounts(made) == ("15.48", "0.00", "0.00", "18.42")
    assert (money(made.due_before), made.lines) == ("17.28", ())
