"""Usage that is reported, and not metered: for which window, in time or late (billing rules 4 and 6)."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput
from invoicing.drafts.delete_draft import delete_draft
from invoicing.models import BilledWindow, Invoice, InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import QuantityReport
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money
from tests.support.subscriptions import do, subscribe
from tests.support.usage import UNIT

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription():
    """Storage at 1.00 for each GB, monthly from 1 April, reported."""
    return subscribe(flat_plan("storage", None, cards=(usage_card(feature=make_feature(), price=UNIT),)))


def report(subscription, on, quantity, *, of=None):
    with clock.frozen_at(at(on)):
        return update_item(
            subscription_id=subscription.pk,
            running_number=1,
            update=ItemUpdate(
                product_id="storage", quantity=Decimal(quantity), usage_period_start=None if of is None else at(of)
            ),
        )


def billed():
    """The window and the net of each usage line on an invoice that stands."""
    rows = InvoiceLine.objects.filter(kind="usage", invoice__issued_at__isnull=False, deleted_at=None)
    return [
        (f"{line.period_start:%m-%d}", f"{line.period_end:%m-%d}", money(line.total))
        for line in rows.order_by("period_start")
    ]


def test_what_is_reported_after_a_pause_is_for_the_time_after_it(subscription):
    """5 for the time until the pause on the 10th, 7 for that from the 20th on."""
    report(subscription, "2026-04-08", 5)
    do(pause_subscription, subscription, "2026-04-10")
    run("2026-04-10")
    do(resume_subscription, subscription, "2026-04-20")
    assert not report(subscription, "2026-04-25", 7).late
    run("2026-05-01")
    assert billed() == [("04-01", "04-10", "5.00"), ("04-20", "05-01", "7.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_nothing_is_reported_for_a_pause(subscription):
    do(pause_subscription, subscription, "2026-04-10")
    with pytest.raises(InvalidInput, match="not active at 2026-04-15 00:00 UTC"):
        report(subscription, "2026-04-15", 7)
    assert not QuantityReport.objects.exists()


def test_the_last_period_of_what_has_ended_can_still_be_reported(subscription):
    """It ended on 1 May, and its quantities are fixed on the 6th."""
    make_default_profile(collection_interval="P5D")
    with clock.frozen_at(at("2026-04-11")):
        cancel_subscription(subscription=subscription, timing=at("2026-05-01"))
    run("2026-05-01")
    assert not report(subscription, "2026-05-03", 7, of="2026-04-01").late
    run("2026-05-06")
    assert billed() == [("04-01", "05-01", "7.00")]
    assert_books_are_clean("2026-05-06T00:30")


@pytest.fixture
def nothing_reported():
    """Storage beside a fee of 10.00 in arrears: the draft of April is collected on 6 May, and may be looked at until
    the 16th. Nothing was reported by then; 7 are on the 8th."""
    fee_card = flat_card(key="base", name="Base", price=fee("10.00", "in_arrears"))
    make_default_profile(collection_interval="P5D", draft_period="P10D")
    cards = (usage_card(feature=make_feature(), price=UNIT), fee_card)
    subscription = subscribe(flat_plan("storage", None, cards=cards))
    run("2026-05-01")
    run("2026-05-06")
    assert BilledWindow.objects.get(kind="unreported").invoice is None
    assert report(subscription, "2026-05-08", 7, of="2026-04-01").late
    return Invoice.objects.get(status__startswith="draft")


def test_what_was_reported_late_is_billed_with_a_draft_that_is_billed_again(nothing_reported):
    with clock.frozen_at(at("2026-05-09")):
        delete_draft(invoice=nothing_reported, rebill=True, reason="Wrong fee")
    assert not QuantityReport.objects.get().late
    run("2026-05-09")
    run("2026-05-20")
    assert billed() == [("04-01", "05-01", "7.00")]
    assert not BilledWindow.objects.filter(kind="unreported").exists()
    assert_books_are_clean("2026-05-20T00:30")


def test_what_was_reported_late_stays_late_where_the_draft_is_waived(nothing_reported):
    with clock.frozen_at(at("2026-05-09")):
        delete_draft(invoice=nothing_reported, rebill=False, reason="Courtesy")
    assert QuantityReport.objects.get().late
    assert sorted(BilledWindow.objects.values_list("kind", flat=True)) == ["unreported", "waiver"]
    code, said = run_check(now="2026-05-09T00:30")
    assert (code, "late usage of 7 from 2026-04-01 00:00 to 2026-05-01 00:00 UTC" in said) == (2, True), said
