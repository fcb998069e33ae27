"""A rhythm of collection that changes while customers are closed counts for all of them."""

from functools import partial
from threading import Event

import pytest
from django.db import transaction

from core.locks import lock_customers
from customers.models import BillingProfile
from invoicing.closing.close import compute, select_due, store
from invoicing.closing.close_customers import close_customers
from invoicing.models import BillingDue
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.runs.run_due import close_now
from tests.support.clock import at
from tests.support.crowd import CLOSE, assert_each_billed_once, at_once, make_crowd
from tests.support.customers import enterprise
from tests.support.workers import wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)

RHYTHM = {"collection_alignment": "anchored", "collection_cadence": "P1M", "collection_anchor": at("2026-01-15")}


def due_times():
    return set(BillingDue.objects.values_list("due_at", flat=True))


def test_a_close_that_has_begun_by_the_old_rhythm_leaves_nobody_to_it():
    customers = make_crowd(4)
    BillingProfile.objects.update(**RHYTHM)
    as_due = enterprise()
    ids, begun = [customer.pk for customer in customers], Event()

    @transaction.atomic
    def close():
        lock_customers(ids)
        computed = compute(ids, as_of=CLOSE, select=select_due(CLOSE))
        begun.set()
        wait_until_blocked("pg_advisory_xact_lock")
        store(computed, as_of=CLOSE, run_id=None)

    def change():
        assert begun.wait(timeout=30)
        switch_default(profile=as_due)

    at_once(close, change)
    # The close went by the old rhythm, and set the 15th; the change came after it.
    assert due_times() == {CLOSE}
    close_now(as_of=CLOSE, trigger="schedule")
    assert_each_billed_once(customers)


def test_closes_and_changes_of_the_rhythm_wait_in_no_circle():
    customers = make_crowd(40)
    BillingProfile.objects.update(**RHYTHM)
    as_due = enterprise()
    ids = [customer.pk for customer in customers]
    at_once(
        partial(close_customers, ids[:20], as_of=CLOSE),
        partial(switch_default, profile=as_due),
        partial(close_customers, ids[20:], as_of=CLOSE),
        # By hand, past the services: rows are changed in the order in which a close changes them.
        partial(BillingProfile.objects.filter(name="Default").update, collection_anchor=at("2026-01-20")),
    )
    assert due_times() <= {CLOSE, at("2026-05-01")}
    close_now(as_of=CLOSE, trigger="schedule")
    assert_each_billed_once(customers)
