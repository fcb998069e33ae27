"""One customer who can't be billed is parked with the cause; everyone else in the batch is billed."""

import pytest
from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.range import TimestamptzRange

from core import clock
from entitlements.models import Meter, UsageEvent
from invoicing.models import BilledWindow, Invoice, ParkedCustomer, RunCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.runs.run_due import close_now
from subscriptions.models import ItemRevision, SubscriptionItem
from tests.support.books import run_check
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.crowd import CLOSE, assert_gapless, make_crowd

pytestmark = pytest.mark.django_db


def close():
    with clock.frozen_at(CLOSE):
        run = close_now(as_of=CLOSE, trigger="schedule")
    return {
        row.customer.key: (row.outcome, row.cause)
        for row in RunCustomer.objects.filter(run=run).select_related("customer")
    }


def assert_the_others_are_billed(outcomes, bad):
    assert {key for key, (outcome, _) in outcomes.items() if outcome == "invoiced"} == outcomes.keys() - {bad}
    assert outcomes[bad][0] == "parked"
    assert Invoice.objects.filter(issued_at__isnull=False).count() == len(outcomes) - 1
    assert_gapless()
    code, said = run_check(now="2026-04-01T01:00")
    assert code == 0, said


def test_a_deleted_meter_parks_its_customer_and_says_how_to_mend_it():
    customers = make_crowd(12)
    with clock.frozen_at(at("2026-02-01")):
        other = make_feature(key="other", meter=make_meter(key="other"))
    ItemRevision.objects.filter(item__subscription__customer=customers[5], item__key="calls").update(feature=other)
    Meter.objects.filter(key="other").update(deleted_at=timezone.now())
    outcomes = close()
    assert_the_others_are_billed(outcomes, "c5")
    assert outcomes["c5"][1] == (
        "Item 2 (Calls) is measured by the meter other, which was deleted. "
        "Edit the subscription with effect from 2026-03-01 00:00 UTC, to a feature whose meter was not deleted, then "
        "release the customer."
    )


def test_a_guard_of_the_database_parks_only_who_hit_it():
    customers = make_crowd(12)
    item = SubscriptionItem.objects.get(subscription__customer=customers[7], key="base")
    span = TimestamptzRange(at("2026-03-05"), at("2026-03-06"), "[)")
    blocking = BilledWindow.objects.create(item=item, span=span, kind="waiver")
    with clock.frozen_at(CLOSE):
        run = close_now(as_of=CLOSE, trigger="schedule")
    rows = {row.customer.key: row for row in RunCustomer.objects.filter(run=run).select_related("customer")}
    assert {key for key, row in rows.items() if row.outcome == "invoiced"} == rows.keys() - {"c7"}
    assert rows["c7"].cause_code == "internal_error"
    assert rows["c7"].cause.replace(str(item.pk), "ITEM") == (
        "Something unexpected went wrong while billing (ExclusionViolation: The time "
        '["2026-03-01 00:00:00+00","2026-04-01 00:00:00+00") of item ITEM overlaps '
        '["2026-03-05 00:00:00+00","2026-03-06 00:00:00+00"), which is settled.). '
        "Nothing was billed; the log holds the details."
    )
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 11
    assert_gapless()

    blocking.delete()
    with clock.frozen_at(CLOSE):
        release_customer(parked=ParkedCustomer.objects.get(), reason="the window was a slip")
    assert close() == {"c7": ("invoiced", "")}
    code, said = run_check(now="2026-04-01T00:05")
    assert code == 0, said


def test_terms_that_cant_be_read_park_only_their_customer():
    customers = make_crowd(12)
    ItemRevision.objects.filter(item__subscription__customer=customers[2], item__key="base").update(
        price={"type": "mystery"}
    )
    outcomes = close()
    assert_the_others_are_billed(outcomes, "c2")


def test_an_event_without_a_number_parks_only_its_customer():
    make_crowd(12)
    with transaction.atomic(), connection.cursor() as cursor:
        # As one that came before its meter, which would be refused since.
        cursor.execute("SET LOCAL session_replication_role = replica")
        UsageEvent.objects.filter(subject="c3").update(data={"amount": "many"})
    outcomes = close()
    assert_the_others_are_billed(outcomes, "c3")
    assert "1 usage events of Calls from 1 March 2026 to 1 April 2026 hold no readable value" in outcomes["c3"][1]
