"""The status of a subscription at a time, in Python and in SQL; and in which status each verb is allowed."""

import re
from pathlib import Path

import pytest

from core import clock
from invoicing.admin.subscription_changes.subscription_verbs import planned_otherwise
from invoicing.subscription_changes.delete_subscription import delete_subscription
from subscriptions.choices import SubscriptionStatus
from subscriptions.errors import NotChangeable, NotScheduled
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.record_cancelation import record_cancelation
from subscriptions.lifecycle.record_pause import record_pause
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.lifecycle.states import MOVES, Verb, not_ended, status_at, with_status
from subscriptions.models import Subscription
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
NOW = at("2026-04-16")


@pytest.fixture
def subscription(db):
    with clock.frozen_at(at("2026-04-01")):
        return record_subscription(customer=make_customer(), plan=make_plan(), active_from=at("2026-04-01"))


@pytest.mark.parametrize(
    ("begins", "ends", "status"),
    [
        ("2026-04-17", None, "scheduled"),
        ("2026-04-17", "2026-05-17", "scheduled"),
        ("2026-04-17", "2026-04-17", "scheduled"),
        ("2026-04-16", None, "active"),  # from the moment at which it begins
        ("2026-04-01", None, "active"),
        ("2026-04-01", "2026-04-17", "canceled"),
        ("2026-04-16", "2026-04-17", "canceled"),
        ("2026-04-01", "2026-04-16", "inactive"),  # to the moment at which it ends, and not at it
        ("2026-04-16", "2026-04-16", "inactive"),
        ("2026-03-01", "2026-04-01", "inactive"),
    ],
)
def test_the_status_is_one_in_python_and_in_sql(subscription, begins, ends, status):
    end = at(ends) if ends else None
    Subscription.objects.update(active_from=at(begins), active_to=end)
    subscription.refresh_from_db()
    assert status_at(subscription, NOW) == status
    every = Subscription.objects.all()
    assert [one for one in SubscriptionStatus.values if with_status(every, [one], NOW).exists()] == [status]
    assert with_status(every, SubscriptionStatus.values, NOW).count() == 1
    assert not with_status(every, [], NOW).exists()
    assert every.filter(not_ended(NOW)).exists() == (status != "inactive")


# By hand: which verb is allowed on one that has not begun, runs, is paused, is canceled, has ended.
ALLOWED = {
    "change_plan": "runs",
    "edit": "scheduled runs",
    "change_addon": "runs canceled",
    "pause": "runs",
    "resume": "runs paused canceled",
    "cancel": "scheduled runs paused canceled",
    "unschedule_cancelation": "scheduled runs paused canceled",
    "delete": "scheduled",
}
SITUATIONS = ("scheduled", "runs", "paused", "canceled", "ended")


def put_into(subscription, situation):
    with clock.frozen_at(at("2026-04-02")):
        if situation == "scheduled":
            Subscription.objects.update(active_from=at("2026-05-01"), billing_anchor=at("2026-05-01"))
        elif situation == "paused":
            record_pause(subscription=subscription, at=at("2026-04-10"))
        elif situation in ("canceled", "ended"):
            record_cancelation(
                subscription=subscription, at=at("2026-05-01" if situation == "canceled" else "2026-04-10")
            )
    subscription.refresh_from_db()


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("verb", sorted(set(Verb) - {Verb.DELETE}))
def test_a_verb_is_allowed_in_the_statuses_of_the_table_alone(subscription, verb, situation):
    put_into(subscription, situation)
    with clock.frozen_at(NOW):
        if situation in ALLOWED[verb].split():
            assert lock_subscription(subscription, at=max(NOW, subscription.active_from), verb=verb) == subscription
            return
        with pytest.raises(NotChangeable, match="nothing was changed"):
            lock_subscription(subscription, at=max(NOW, subscription.active_from), verb=verb)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_only_what_has_not_begun_is_deleted(subscription, situation):
    put_into(subscription, situation)
    with clock.frozen_at(NOW):
        if situation in ALLOWED["delete"].split():
            delete_subscription(subscription=subscription)
        else:
            with pytest.raises(NotScheduled):
                delete_subscription(subscription=subscription)
    assert Subscription.objects.exists() == (situation != "scheduled")


def test_one_that_has_not_begun_and_has_a_planned_end_is_edited_no_more_than_a_canceled_one(subscription):
    Subscription.objects.update(active_from=at("2026-05-01"), active_to=at("2026-06-01"))
    with clock.frozen_at(NOW), pytest.raises(NotChangeable, match="is canceled and ends on"):
        lock_subscription(subscription, at=at("2026-05-01"), verb=Verb.EDIT)


@pytest.mark.parametrize("situation", ["runs", "paused", "canceled"])
@pytest.mark.parametrize("verb", sorted(set(Verb) - {Verb.DELETE}))
def test_staff_are_told_the_same_beforehand(subscription, verb, situation):
    put_into(subscription, situation)
    with clock.frozen_at(NOW):
        assert (planned_otherwise(subscription, verb) == "") == (situation in ALLOWED[verb].split())


def test_every_verb_has_its_row_and_each_service_asks_for_its_own():
    assert set(MOVES) == set(Verb) == set(ALLOWED)
    asked = {
        path.stem: re.findall(r"Verb\.([A-Z_]+)", path.read_text())
        for path in (ROOT / "subscriptions/lifecycle").glob("record_*.py")
        if "lock_subscription(" in path.read_text()
    }
    assert asked == {
        "record_addon": ["CHANGE_ADDON"],
        "record_addon_quantity": ["CHANGE_ADDON"],
        "record_cancelation": ["CANCEL"],
        "record_continuation": ["UNSCHEDULE_CANCELATION"],
        "record_edit": ["EDIT"],
        "record_pause": ["PAUSE"],
        "record_plan_change": ["CHANGE_PLAN"],
        "record_resumption": ["RESUME"],
    }
