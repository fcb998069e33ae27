"""A month of events goes once it is old and all in it is billed; what was billed stays as it is (billing rules 6)."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from customers.models import UsageSubject
from customers.selectors import attributions_of
from entitlements.errors import BadEvent
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.store.build import build_rollups
from entitlements.metering.store.partitions import kept_since, make_months, month_of
from entitlements.metering.store.prove import days_of, differences, sample
from entitlements.metering.update_meter import update_meter
from entitlements.metering.usage import UsageRequest, reading_of, usage_of
from entitlements.metering.usage_query import UsageQuery, query_usage
from entitlements.models import BalanceSnapshot, DroppedUsage, Entitlement, MeterRollup, UsageEvent, UsageEventKey
from invoicing.errors import WrongInvoiceState
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import Invoice, ParkedCustomer
from invoicing.usage_retention.drop_billed_months import drop_billed_months
from invoicing.usage_retention.needed import _by_balances
from tests.services.test_event_months import first_missing
from tests.support.books import run_check
from tests.support.catalog import make_feature
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.entitlements import entitle, figures, give
from tests.support.subscriptions import subscribe
from tests.support.usage import billed, metered

pytestmark = pytest.mark.django_db


class House:
    """Acme uses calls in two months, from the first one on that has a partition of its own."""

    def __init__(self):
        self.first = first_missing()
        make_months(month_of(self.first, 3))
        meter = create_meter(key="usage", event_type="usage", aggregation="SUM", value_property="$.amount")
        self.feature = make_feature(key="calls", name="Calls", meter=meter)
        self.subscription = subscribe(metered(self.feature), f"{self.first:%Y-%m-%d}")
        self.use(self.first.replace(day=10, hour=8, minute=30), 5)
        self.use(month_of(self.first, 1).replace(day=10, hour=8, minute=30), 7)

    def use(self, time, amount, now=None):
        event = {"id": f"{time}", "source": "s", "type": "usage", "subject": "acme", "time": time.isoformat()}
        with clock.frozen_at(now or time):
            return ingest_events(events=[event | {"data": {"amount": amount}}])

    def month(self, number):
        return month_of(self.first, number)

    def bill(self, number):
        run(f"{self.month(number):%Y-%m-%d}")
        run(f"{self.month(number):%Y-%m-%d}T02:00")

    def drop(self, number, **how):
        with clock.frozen_at(self.month(number)):
            return drop_billed_months(now=self.month(number), **how)

    def quantity(self):
        subjects = attributions_of([self.subscription.customer_id])[self.subscription.customer_id]
        span = (self.first, self.month(1))
        return usage_of([UsageRequest(1, reading_of(self.feature), subjects, (span,))])[1].quantity


@pytest.fixture
def house(settings):
    settings.USAGE_RETENTION_MONTHS = 1
    return House()


def kept():
    return sorted(int(event.data["amount"]) for event in UsageEvent.objects.all())


def test_nothing_goes_where_no_time_is_set(house, settings):
    settings.USAGE_RETENTION_MONTHS = 0
    house.bill(1)
    assert house.drop(3) == ([], None)
    assert kept() == [5, 7]


def test_a_month_with_a_window_that_is_not_billed_stays_and_one_that_is_billed_goes(house):
    first = house.drop(3)
    assert first.held_by.since == house.first
    assert first.held_by.why.endswith("UTC is not billed.")
    assert kept() == [5, 7]
    house.bill(1)
    done = house.drop(3)
    assert f"entitlements_usageevent_y{house.first:%Ym%m}" in done.months
    assert done.held_by.since == house.month(1)
    assert kept() == [7]
    assert [key.event_id for key in UsageEventKey.objects.all()] == [
        f"{house.month(1).replace(day=10, hour=8, minute=30)}"
    ]
    entry = AuditEntry.objects.filter(verb="usage_events.dropped").latest("id")
    assert (
        f"dropped the usage events from before {house.month(1):%Y-%m-%d} 00:00 UTC, all of them billed."
        in entry.sentence
    )
    assert house.drop(3).months == []


def test_what_was_billed_stays_and_the_books_are_right(house):
    house.bill(1)
    house.bill(2)
    before = billed()
    assert house.drop(4).held_by.since == house.month(2)
    assert kept() == []
    assert billed() == before
    assert kept_since() == house.month(2)
    assert house.quantity() == 5  # off the rollups
    assert list(days_of()) == []
    assert sample(10) == {}
    code, said = run_check("--only", "8", now=f"{house.month(2):%Y-%m-%d}T03:00")
    assert code == 0, said


def test_what_is_kept_no_more_is_not_voided_to_be_billed_again(house):
    make_default_profile(collection_method="send_invoice")
    house.bill(1)
    invoice = Invoice.objects.get(issued_at__isnull=False, lines__kind="usage")
    house.drop(3)
    with clock.frozen_at(house.month(3)):
        with pytest.raises(WrongInvoiceState, match="whose events are kept no more"):
            void_invoice(invoice=invoice, rebill=True, reason="x")
        assert void_invoice(invoice=invoice, rebill=False, reason="x").invoice.status == "voided"


@pytest.mark.parametrize("events_are_left", [True, False])
def test_a_dimension_that_comes_after_leaves_what_was_used_before_as_it_was(house, events_are_left):
    house.bill(1)
    house.bill(2)
    if events_are_left:
        house.use(house.month(2).replace(day=10, hour=8, minute=30), 11)
    house.drop(4)
    for dimensions in ({"model": "$.model"}, {"region": "$.region"}):
        meter = update_meter(meter=house.feature.meter, group_by=dimensions)
        assert house.quantity() == 5
        build_rollups()
        (rollup,) = MeterRollup.objects.filter(dropped_at=None)
        assert (rollup.paths, rollup.whole_at is None) == (list(dimensions.values()), False)
        # 5 in the first month, 7 in the second, which are dropped, and 11 in the third.
        assert house.quantity() == 5
        by_month = query_usage(meter, UsageQuery(window="MONTH", group_by=tuple(dimensions)))
        figures = [5, 7, 11] if events_are_left else [5, 7]
        assert [(row.value, row.groups) for row in by_month] == [(figure, (None,)) for figure in figures]
    assert list(differences(house.month(2).replace(day=10))) == []


def test_months_stay_while_a_rollup_is_being_built_from_them(house):
    house.bill(1)
    update_meter(meter=house.feature.meter, group_by={"model": "$.model"})
    held = house.drop(3)
    assert held.months == []
    assert held.held_by.why.startswith("The rollups of the meter usage are still being built from the events.")
    assert kept() == [5, 7]
    assert not DroppedUsage.objects.exists()
    build_rollups()
    assert house.drop(3).months
    assert kept() == [7]
    assert house.quantity() == 5


def test_events_of_a_time_that_is_not_kept_are_refused_with_the_reason(house):
    house.bill(1)
    house.drop(3)
    with pytest.raises(BadEvent) as refused:
        house.use(house.first.replace(day=11), 1, now=house.month(3))
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("0.time", "too_old")
    assert problem.message.endswith("events of that time are no longer kept.")


@pytest.mark.parametrize("months", [0, 24])
def test_what_was_dropped_is_not_taken_again_however_long_events_are_kept_now(house, settings, months):
    house.bill(1)
    assert house.drop(3).months
    settings.USAGE_RETENTION_MONTHS = months
    with pytest.raises(BadEvent, match="no longer kept"):
        house.use(house.first.replace(day=10, hour=8, minute=30), 5, now=house.month(3))  # the very event, once more
    with pytest.raises(BadEvent, match="no longer kept"):
        ingest_events(
            events=[{"id": "1", "source": "s", "type": "read_by_none", "subject": "a", "time": "2001-01-01T00:00:00Z"}]
        )
    assert house.quantity() == 5
    assert house.use(house.month(1), 1, now=house.month(3)) == 1
    refuses_change(DroppedUsage.objects.all())


def test_a_database_from_before_that_was_remembered_tells_it_by_the_months_it_has(house):
    house.bill(1)
    house.drop(3)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE entitlements_droppedusage")
        cursor.execute(import_module("entitlements.migrations.0013_dropped_usage").KNOWN)
    assert list(DroppedUsage.objects.values_list("before", flat=True)) == [house.month(1)]


def test_where_nothing_was_dropped_nothing_is_remembered(house):
    with connection.cursor() as cursor:
        cursor.execute(import_module("entitlements.migrations.0013_dropped_usage").KNOWN)
    assert not DroppedUsage.objects.exists()


def refuses_change(rows):
    for change in (lambda: rows.update(dropped_at=clock.now()), rows.delete):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()


def test_late_usage_that_is_to_be_decided_holds_its_month_until_it_is_left_for_a_reason(house):
    house.bill(1)
    house.use(house.first.replace(day=12), 2, now=house.month(1).replace(day=20))
    held = house.drop(3).held_by
    assert (held.since, held.late) == (house.first, True)
    assert "late usage of 2 from" in held.why
    assert kept() == [2, 5, 7]
    assert house.drop(3, leave_late_usage="Two units").months
    assert kept() == [7]
    assert AuditEntry.objects.filter(verb="usage_events.dropped").latest("id").reason == "Two units"


def test_a_parked_customer_holds_what_is_not_billed(house):
    ParkedCustomer.objects.create(customer=house.subscription.customer, cause_code="test", cause="Terms are unclear.")
    run(f"{house.month(1):%Y-%m-%d}")
    assert house.drop(3).held_by.since == house.first
    assert kept() == [5, 7]


class TestBalances:
    """Ten are used of a hundred in the first month, five of them in the hour in which the entitlement begins."""

    @pytest.fixture
    def entitled(self, house):
        house.use(house.first.replace(day=12, hour=0, minute=10), 5)
        house.bill(1)
        house.bill(2)

        def make(at="10T08:10", amount="100", rollover=0, **terms):
            begins = f"{house.first:%Y-%m}-{at}"
            entitlement = entitle(house.subscription.customer, on=begins, issue=None, **terms)
            give(entitlement, amount, begins, max_rollover=Decimal(rollover))
            return entitlement

        return make

    def left(self, house, entitlement):
        return figures(entitlement, f"{house.month(3):%Y-%m-%d}")[3]

    @pytest.mark.parametrize(
        ("terms", "left"),
        [
            # The running usage period began within an hour.
            ({"at": "10T08:20", "usage_period": ("P1Y", None)}, "83"),
            # What is left is kept over resets since then.
            ({"at": "10T08:20", "rollover": 100}, "83"),
            ({"at": "10T08:20", "amount": "6", "preserve_overage": True}, "0"),
        ],
    )
    def test_what_comes_from_a_part_of_an_hour_keeps_its_events(self, house, entitled, terms, left):
        entitlement = entitled(**terms)
        assert self.left(house, entitlement) == left
        held = house.drop(3)
        assert held.held_by.since == house.first.replace(day=10, hour=8)
        assert held.held_by.why == (
            f"What Acme has left of calls comes from usage since {house.first:%Y-%m}-10 08:00 UTC, a part of an "
            "hour among it."
        )
        assert kept() == [5, 5, 7]
        BalanceSnapshot.objects.all().delete()
        assert self.left(house, entitlement) == left

    @pytest.mark.parametrize(
        ("terms", "left"),
        [
            ({"at": "10T08:00", "usage_period": ("P1Y", None)}, "83"),
            ({"at": "10T08:00", "rollover": 100}, "83"),
            # A reset leaves nothing of what was used before.
            ({"at": "10T08:20"}, "0"),
        ],
    )
    def test_what_whole_hours_say_or_a_reset_has_ended_lets_them_go(self, house, entitled, terms, left):
        entitlement = entitled(**terms)
        assert self.left(house, entitlement) == left
        assert f"entitlements_usageevent_y{house.first:%Ym%m}" in house.drop(3).months
        assert kept() == []
        assert self.left(house, entitlement) == left
        BalanceSnapshot.objects.all().delete()
        assert self.left(house, entitlement) == left

    def test_a_subject_that_came_within_an_hour_keeps_them_as_well(self, house, entitled):
        entitled(at="10T08:00", usage_period=("P1Y", None))
        UsageSubject.objects.update(active_from=house.first.replace(day=10, hour=8, minute=15))
        assert house.drop(3).held_by.since == house.first.replace(day=10, hour=8)

    def test_thirty_entitlements_take_as_many_queries_as_three(self, house, entitled):
        def asked(number):
            for n in range(Entitlement.objects.count(), number):
                make_feature(key=f"f{n}", name="F", meter=house.feature.meter)
                entitled(at="10T08:00", usage_period=("P1Y", None), feature_key=f"f{n}")
            with CaptureQueriesContext(connection) as queries:
                assert list(_by_balances(house.month(3))) == []
            return len(queries)

        assert asked(3) == asked(30)
