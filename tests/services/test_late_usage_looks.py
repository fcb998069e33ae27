"""Who is looked at first of those of whom late usage was noted (billing rules 6)."""

from datetime import timedelta

import pytest

from core import clock
from core.ids import new_id
from invoicing.late_usage.settle_looks import settle_looks
from invoicing.models import LateUsageLook
from tests.support.clock import at
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db

NOW = at("2026-05-10")


@pytest.fixture(autouse=True)
def profile():
    make_default_profile()


def noted(count, not_before=None):
    ids = [new_id() for _ in range(count)]
    LateUsageLook.objects.bulk_create(
        LateUsageLook(customer_id=each, since=at("2026-04-01"), until=NOW, not_before=not_before) for each in ids
    )
    return set(ids)


def left():
    return set(LateUsageLook.objects.values_list("customer_id", flat=True))


def test_what_failed_is_tried_again_in_its_hour_however_much_is_new():
    """Fifty at a time, up to half of them such that failed: 60 and 30 are looked at in 25 + 25, then 5 + 35."""
    fresh, again = noted(60), noted(30, NOW)
    later = noted(3, NOW + timedelta(seconds=1))
    with clock.frozen_at(NOW):
        assert settle_looks(pieces=1) == 50
        assert (len(left() & fresh), len(left() & again)) == (35, 5)
        assert settle_looks() == 40
    assert left() == later


def test_where_nothing_is_new_all_whose_hour_has_come_are_looked_at():
    noted(50, NOW)
    with clock.frozen_at(NOW):
        assert settle_looks(pieces=1) == 50
    assert left() == set()
