"""What beat calls again and again ends with the batch in which its time is over, and leaves the rest to the next."""

from functools import partial

import pytest

from core import clock
from invoicing.models import Invoice
from invoicing.payments import collect, end_dunning, mark_overdue
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import make_subscriber, run_close
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db


def test_collection_overdue_and_the_end_of_dunning_end_with_the_batch_in_which_their_time_is_over(monkeypatch):
    """Declined on 17 March, overdue on the 18th, tried for the last time on the 19th, and given up then."""
    for module in (collect, mark_overdue, end_dunning):
        monkeypatch.setattr(module, "BATCH_SIZE", 1)
    profile = make_default_profile(due_after="P1D", dunning_days=[2], uncollectible_after_dunning=True)
    plan = make_excess_plan()
    for name in ("a", "b"):
        customer = make_subscriber(plan, key=name, name=name)
        customer.app_data.create(app=profile.app, data={"outcome": "decline"})
    run_close()
    for day, act in (
        ("2026-03-18", mark_overdue.mark_overdue),
        ("2026-03-19", collect.collect_due),
        ("2026-03-19", end_dunning.end_dunning),
    ):
        call = partial(act, as_of=at(day), seconds=0)
        with clock.frozen_at(at(day)):
            assert [call() for _ in range(3)] == [1, 1, 0], act
    assert {*Invoice.objects.filter(issued_at__isnull=False).values_list("status", flat=True)} == {"uncollectible"}
