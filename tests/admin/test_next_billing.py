"""When a subscription is billed next, as the desk says it: what waits for its collection is not due now (billing rules
5)."""

import pytest

from core import clock
from customers.models import BillingProfile
from subscriptions.models import Subscription
from tests.admin.pages import text_of
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.customers import make_default_profile
from tests.support.desk import list_url, page_url
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting():
    """30.00 a month in advance from 3 April on, collected on the first of each month."""
    profile = make_default_profile()
    BillingProfile.objects.filter(pk=profile.pk).update(
        collection_alignment="anchored", collection_cadence="P1M", collection_anchor=at("2026-01-01")
    )
    return subscribe(flat_plan("basic", "30.00"), "2026-04-03")


@pytest.mark.parametrize(
    ("day", "says"),
    [
        ("2026-04-20", "collected on 1 May 2026 00:00 UTC fell due on 3 Apr 2026 00:00 UTC"),
        ("2026-04-02", "collected on 1 May 2026 00:00 UTC falls due on 3 Apr 2026 00:00 UTC"),
        ("2026-05-01", "due now"),
    ],
)
def test_it_says_when_what_waits_is_collected(clerk, waiting, day, says):
    with clock.frozen_at(at(day)):
        for url in (page_url(waiting), page_url(waiting.customer), list_url(Subscription)):
            assert says in text_of(clerk.read(url)), url


def test_what_is_collected_as_it_falls_due_reads_as_before(clerk, waiting):
    BillingProfile.objects.update(collection_alignment="subscription")
    with clock.frozen_at(at("2026-04-20")):
        page = text_of(clerk.read(page_url(waiting)))
    assert "due now" in page and "collected on" not in page


def test_the_list_of_what_is_due_now_leaves_out_what_waits(clerk, waiting):
    url = f"{list_url(Subscription)}?closes=due"
    for day, rows in (("2026-04-20", 0), ("2026-05-01", 1)):
        with clock.frozen_at(at(day)):
            assert clerk.get(url).context["cl"].result_count == rows
