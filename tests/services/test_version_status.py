"""The status of a version of a plan or an add-on: one in Python and in SQL, for each order of its two moments."""

from typing import Any

import pytest

from core import clock
from subscriptions.catalog.plan_selectors import plans_on_sale
from subscriptions.catalog.publish_plan import archive_plan
from subscriptions.catalog.version_status import version_status, with_version_status
from subscriptions.choices import PlanStatus
from subscriptions.models import AddOn, Plan
from tests.support.catalog import make_plan
from tests.support.clock import at

pytestmark = pytest.mark.django_db

NOW = at("2026-04-16")


@pytest.mark.parametrize(
    ("begins", "ends", "status"),
    [
        (None, None, "draft"),
        (None, "2026-04-01", "draft"),
        (None, "2026-05-01", "draft"),
        ("2026-04-17", None, "scheduled"),
        ("2026-04-17", "2026-05-17", "scheduled"),
        ("2026-04-17", "2026-04-16", "archived"),  # taken off sale before it begins
        ("2026-04-16", None, "active"),  # from the moment at which it begins
        ("2026-04-01", "2026-04-17", "active"),
        ("2026-04-01", "2026-04-16", "archived"),  # to the moment at which it ends, and not at it
        ("2026-04-16", "2026-04-16", "archived"),
        ("2026-03-01", "2026-04-01", "archived"),
    ],
)
def test_the_status_is_one_in_python_and_in_sql(begins, ends, status):
    moments: dict[str, Any] = {"effective_from": begins and at(begins), "effective_to": ends and at(ends)}
    plan = make_plan(**moments)
    addon = AddOn.objects.create(key="extra", name="Extra", currency="EUR", **moments)

    for version, every in ((plan, Plan.objects.all()), (addon, AddOn.objects.all())):
        assert version_status(version, NOW) == status
        assert [one for one in PlanStatus.values if with_version_status(every, [one], NOW).exists()] == [status]
        assert with_version_status(every, PlanStatus.values, NOW).count() == 1
        assert not with_version_status(every, [], NOW).exists()
    assert plans_on_sale(NOW).exists() == (status == "active")


def test_a_scheduled_plan_that_is_archived_is_listed_as_archived_alone():
    plan = make_plan(effective_from=at("2026-05-01"))
    with clock.frozen_at(NOW):
        archive_plan(plan=plan)

    every = Plan.objects.all()
    assert not with_version_status(every, ["scheduled"], NOW).exists()
    assert with_version_status(every, ["archived"], NOW).get() == plan
