"""The database's own look at features: each bound of the four spans counts, and what makes one longer is looked at."""

import pytest
from django.db import IntegrityError, connection, transaction

from core.ids import new_id
from subscriptions.models import ItemRevision, Subscription, SubscriptionItem
from tests.services.test_one_subscription_per_feature import calls_plan, second_from
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

APRIL, MID_APRIL, MAY, MID_MAY, JUNE = (at(f"2026-{day}") for day in ("04-01", "04-16", "05-01", "05-16", "06-01"))
KINDS = {"subscription": Subscription, "item": SubscriptionItem, "revision": ItemRevision}


class Rows:
    """The rows of a subscription with `calls`, as SQL changes them: each keyword is `kind__column`."""

    def __init__(self, subscription):
        item = subscription.items.get()
        self.ids = {"subscription": subscription.pk, "item": item.pk, "revision": item.revisions.get().pk}

    def set(self, **columns):
        for kind, model in KINDS.items():
            mine = {name.partition("__")[2]: value for name, value in columns.items() if name.startswith(f"{kind}__")}
            if mine:
                with transaction.atomic():
                    model._default_manager.filter(pk=self.ids[kind]).update(**mine)

    def refuses(self, other, **columns):
        with pytest.raises(IntegrityError, match=f"Feature calls is that of subscription {other.ids['subscription']}"):
            self.set(**columns)


@pytest.fixture
def first(db):
    """Has `calls` from 1 April to 1 May 2026; its item has no end of its own."""
    rows = Rows(subscribe(calls_plan("first"), "2026-04-01", bill=False))
    rows.set(subscription__active_to=MAY)
    return rows


@pytest.fixture
def second(first):
    """Has `calls` from 1 May 2026 on."""
    return Rows(second_from("2026-05-01"))


@pytest.fixture
def stranger(second):
    """Somebody else's subscription that has `calls` from 1 April 2026 on."""
    subscription = Subscription.objects.get(pk=second.ids["subscription"])
    return Rows(subscribe(subscription.plan, "2026-04-01", customer=make_customer(key="other"), bill=False))


def test_a_subscription_does_not_last_into_the_other_one(first, second):
    first.refuses(second, subscription__active_to=JUNE)
    first.refuses(second, subscription__active_to=None)


def test_an_item_that_begins_where_the_other_subscription_ends_may_stay(first, second):
    first.set(revision__active_from=JUNE)
    second.set(subscription__active_to=JUNE)
    first.set(subscription__active_to=None)
    first.refuses(second, revision__active_from=MID_MAY)


def test_a_subscription_that_begins_where_the_other_one_ends_may_stay(first, second):
    second.set(subscription__active_to=JUNE)
    first.set(subscription__active_from=JUNE, subscription__active_to=None)
    first.refuses(second, subscription__active_from=MID_MAY)


def test_a_subscription_may_last_until_the_other_ones_item_begins(first, second):
    second.set(revision__active_from=JUNE)
    first.set(subscription__active_to=JUNE)
    second.refuses(first, revision__active_from=MID_MAY)


def test_an_item_has_its_feature_within_its_subscription_only(first, second):
    second.set(revision__active_from=APRIL)
    first.set(subscription__active_from=at("2026-03-01"))
    second.refuses(first, subscription__active_from=MID_APRIL)


def test_a_subscription_may_go_on_without_the_item(first, second):
    first.set(revision__active_to=MAY)
    first.set(subscription__active_to=None)
    first.refuses(second, revision__active_to=JUNE)
    first.refuses(second, revision__active_to=None)


def test_a_subscription_goes_on_once_the_other_ones_item_has_ended(first, second):
    second.set(revision__active_to=JUNE)
    first.set(revision__active_from=JUNE)
    first.set(subscription__active_to=None)
    second.refuses(first, revision__active_to=None)


def test_an_item_that_comes_to_have_the_feature_is_looked_at(first, second):
    first.set(revision__feature_key=None)
    first.set(subscription__active_to=None)
    first.refuses(second, revision__feature_key="calls")
    first.set(revision__feature_key="mails")
    first.refuses(second, revision__feature_key="calls")


def test_somebody_elses_subscription_stands_in_nobodys_way_until_it_is_theirs(second, stranger):
    mine = Subscription.objects.get(pk=second.ids["subscription"]).customer_id
    stranger.set(subscription__active_to=MAY)
    stranger.set(subscription__active_from=MAY, subscription__active_to=None)
    stranger.refuses(second, subscription__customer_id=mine)


def test_an_item_that_is_moved_to_another_subscription_is_looked_at(first, second, stranger):
    first.set(revision__active_to=MAY)
    first.set(subscription__active_to=None)
    home = first.ids["subscription"]
    stranger.refuses(second, item__subscription_id=home, item__running_number=9, item__key="other")


def test_a_revision_that_is_moved_to_another_item_is_looked_at(first, second, stranger):
    first.set(revision__active_to=MAY)
    first.set(subscription__active_to=None)
    stranger.set(revision__active_from=MAY)
    stranger.refuses(second, revision__item_id=first.ids["item"])


def test_a_new_revision_is_looked_at(first, second):
    first.set(revision__active_to=MAY)
    first.set(subscription__active_to=None)
    copy = ItemRevision.objects.get(pk=first.ids["revision"])
    copy.pk, copy.active_from, copy.active_to = new_id(), MAY, MID_MAY
    with pytest.raises(IntegrityError, match="Feature calls is that of"), transaction.atomic():
        copy.save(force_insert=True)
    copy.feature_key = None
    copy.save(force_insert=True)


def test_revisions_are_looked_at_at_the_end_of_the_transaction_where_that_is_asked_for(first, second):
    first.set(revision__active_to=MAY)
    first.set(subscription__active_to=None)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        first.set(revision__active_to=JUNE)
        second.set(revision__active_from=JUNE)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    first.refuses(second, revision__active_to=None)
