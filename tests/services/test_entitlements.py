"""What a customer may use, at any time: grants, resets, voids, overage and late usage (billing rules 9)."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from core.ids import new_id
from customers.models import UsageSubject
from entitlements.access.balances import burndowns_of, standings_at
from entitlements.access.delete_entitlement import delete_entitlement
from entitlements.access.entitlement_input import EntitlementInput, Manager
from entitlements.access.grant_input import GrantInput
from entitlements.access.override_entitlement import override_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.access.selectors import entitlements_with_facts, find_entitlement
from entitlements.access.values import values_at
from entitlements.access.void_grant import void_grant
from entitlements.errors import (
    BadEntitlement,
    BadGrant,
    BadReset,
    EntitlementEnded,
    EntitlementManaged,
    EntitlementTaken,
    NotMetered,
    ResetTaken,
)
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import BalanceSnapshot, Entitlement, EntitlementReset, Grant, Meter
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, figures, give, make_metered_feature, value
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer():
    return make_customer()


@pytest.fixture
def calls(customer):
    return make_metered_feature()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-04-01", (True, "100", "0", "100", "0")),
        ("2026-04-05", (True, "100", "30", "70", "0")),
        ("2026-04-11", (True, "150", "30", "120", "0")),
        ("2026-04-13", (True, "150", "140", "10", "0")),
        ("2026-04-25", (False, "150", "160", "0", "10")),
        ("2026-05-01", (True, "100", "0", "100", "0")),
        ("2026-05-03", (True, "100", "7", "93", "0")),
    ],
)
def test_the_value_at_any_time(customer, calls, moment, expected):
    entitlement = entitle(customer)
    give(entitlement, "50", "2026-04-11")
    for day, amount in [("04-03", 30), ("04-12", 110), ("04-20", 20), ("05-02", 7)]:
        use(f"2026-{day}", amount)
    assert figures(entitlement, moment) == expected


def test_the_worked_figures_of_a_plan_of_50000(customer, calls):
    entitlement = entitle(customer, issue="50000")
    use("2026-04-03", 3)
    assert figures(entitlement, "2026-04-04") == (True, "50000", "3", "49997", "0")


def test_a_larger_plan_in_mid_period_keeps_the_period_and_its_usage(customer, calls):
    """What follows an immediate change: usage is measured from the start of the running period, in the same anchor."""
    free = entitle(customer, issue="50000")
    use("2026-04-03", 3)
    with clock.frozen_at(at("2026-04-16")):
        larger = EntitlementInput(
            type="metered",
            feature_key="calls",
            usage_period=("P1M", at("2026-04-01")),
            measure_usage_from="CURRENT_PERIOD_START",
            issue=(Decimal(550_000), 1),
        )
        starter = override_entitlement(entitlement=free, replacement=larger)
    assert figures(starter, "2026-04-16") == (True, "550000", "3", "549997", "0")
    assert not value(free, "2026-04-16").has_access
    assert figures(free, "2026-04-15") == (True, "50000", "3", "49997", "0")
    assert figures(starter, "2026-05-01") == (True, "550000", "0", "550000", "0")


def test_a_downgrade_below_the_usage_shows_no_balance_and_the_overage(customer, calls):
    large = entitle(customer, issue="550000")
    use("2026-04-03", 60_000)
    with clock.frozen_at(at("2026-04-16")):
        small = override_entitlement(
            entitlement=large,
            replacement=EntitlementInput(
                type="metered",
                feature_key="calls",
                usage_period=("MONTH", at("2026-04-01")),
                measure_usage_from=at("2026-04-01"),
                issue=(Decimal(50_000), 1),
            ),
        )
    assert figures(small, "2026-04-16") == (False, "50000", "60000", "0", "10000")


def test_a_soft_limit_lets_usage_go_on(customer, calls):
    entitlement = entitle(customer, soft_limit=True)
    use("2026-04-03", 130)
    assert figures(entitlement, "2026-04-04") == (True, "100", "130", "0", "30")


def test_overage_is_kept_where_the_entitlement_says_so(customer, calls):
    entitlement = entitle(customer, preserve_overage=True)
    use("2026-04-03", 130)
    assert figures(entitlement, "2026-05-01") == (True, "100", "0", "70", "0")


def test_an_allowance_is_released_monthly_on_a_year(customer, calls):
    entitlement = entitle(customer, on="2026-01-01", issue=None, usage_period=("P1Y", None))
    give(entitlement, "100", "2026-01-01", recurrence=("MONTH", None))
    use("2026-01-10", 30)
    use("2026-02-10", 90)
    assert figures(entitlement, "2026-01-31") == (True, "100", "30", "70", "0")
    assert figures(entitlement, "2026-02-01") == (True, "130", "30", "100", "0")
    assert figures(entitlement, "2026-03-01") == (True, "220", "120", "100", "0")


def test_usage_periods_keep_the_wall_time_of_the_customers_zone(calls):
    berlin = make_customer(key="bolt", name="Bolt", time_zone="Europe/Berlin")
    entitlement = entitle(berlin, on="2026-02-28T23:00")  # midnight in Berlin; in April clocks are an hour ahead
    use("2026-03-31T21:30", 10, subject="bolt")
    use("2026-03-31T22:30", 4, subject="bolt")
    assert figures(entitlement, "2026-03-31T21:59") == (True, "100", "10", "90", "0")
    assert figures(entitlement, "2026-03-31T23:00") == (True, "100", "4", "96", "0")


@pytest.mark.parametrize(
    ("aggregation", "uses", "expected"),
    [
        ("COUNT", [("04-03", 5), ("04-04", 5), ("05-02", 9)], ["2", "2", "1"]),
        ("UNIQUE_COUNT", [("04-03", 5), ("04-12", 5), ("04-13", 6), ("05-02", 5)], ["1", "2", "1"]),
        ("MAX", [("04-03", 5), ("04-12", 3), ("04-13", 8), ("05-02", 2)], ["5", "8", "2"]),
        ("LATEST", [("04-03", 5), ("04-12", 8), ("04-13", 3), ("05-02", 2)], ["5", "3", "2"]),
    ],
)
def test_other_meters_use_up_the_figure_of_the_period(customer, aggregation, uses, expected):
    make_metered_feature(aggregation=aggregation, value_property=None if aggregation == "COUNT" else "$.amount")
    entitlement = entitle(customer, issue="10")
    give(entitlement, "5", "2026-04-11")  # a change in the middle of the period
    for day, amount in uses:
        use(f"2026-{day}", amount)
    found = [value(entitlement, moment) for moment in ("2026-04-10", "2026-04-30", "2026-05-03")]
    assert [f"{each.usage:f}" for each in found] == expected
    offered = [10, 15, 10]
    assert [each.balance for each in found] == [n - Decimal(u) for n, u in zip(offered, expected, strict=True)]


MOMENTS_AROUND_AN_END = ("2026-04-02", "2026-04-19T23:59:59", "2026-04-20", "2026-05-01")


class TestSnapshots:
    def test_one_is_kept_at_a_reset_and_what_changes_before_it_is_seen(self, customer, calls):
        entitlement = entitle(customer, preserve_overage=True)
        use("2026-04-03", 130)
        assert figures(entitlement, "2026-06-10") == (True, "100", "0", "100", "0")
        assert [snapshot.at for snapshot in BalanceSnapshot.objects.all()] == [at("2026-06-01")]
        use("2026-05-20", 250)  # late: 30 are owed from April, so that 180 go over into June
        assert figures(entitlement, "2026-06-10") == (False, "100", "0", "0", "80")
        give(entitlement, "60", "2026-05-15")
        assert figures(entitlement, "2026-06-10") == (False, "100", "0", "0", "20")
        grant = Grant.objects.get(amount=60)
        with clock.frozen_at(at("2026-06-10")):
            void_grant(grant=grant)
        assert figures(entitlement, "2026-06-10") == (False, "100", "0", "0", "20")
        UsageSubject.objects.update(active_from=at("2026-05-01"))  # what was used in April was another's
        assert figures(entitlement, "2026-06-10") == (True, "100", "0", "10", "0")

    def test_an_event_that_another_takes_the_place_of_is_seen(self, customer, calls):
        """As many events as before, of the same amount in all; in April it was within the grant, in May it is not."""
        entitlement = entitle(customer, preserve_overage=True)
        wrong = {"specversion": "1.0", "id": "e1", "source": "test", "type": "usage", "subject": "acme"}
        ingest_events(events=[wrong | {"time": "2026-04-10T00:00:00Z", "data": {"amount": 60}}])
        use("2026-05-10", 100)
        assert figures(entitlement, "2026-06-10") == (True, "100", "0", "100", "0")
        reverse_event(source="test", event_id="e1", reason="Of another month")
        use("2026-05-20", 60)
        assert figures(entitlement, "2026-06-10") == (True, "100", "0", "40", "0")

    def test_values_are_the_same_with_and_without(self, customer, calls):
        entitlement = entitle(customer)
        give(entitlement, "40", "2026-04-20", max_rollover=Decimal(25))
        for day, amount in [("04-21", 110), ("05-03", 102), ("06-02", 1), ("06-20", 5)]:
            use(f"2026-{day}", amount)
        moments = ["2026-05-20", "2026-06-01", "2026-06-10", "2026-07-01", "2026-05-02", "2026-06-21"]
        kept = [figures(entitlement, moment) for moment in moments]
        assert BalanceSnapshot.objects.count() == 3
        fresh = []
        for moment in moments:
            BalanceSnapshot.objects.all().delete()
            fresh.append(figures(entitlement, moment))
        assert kept == fresh
        assert kept[2] == (True, "123", "1", "122", "0")  # 25 rolled over; 2 of them used in May

    def test_one_is_kept_at_the_first_whole_hour_after_a_change_so_that_no_later_reading_cuts_an_hour(
        self, customer, calls
    ):
        entitlement = entitle(customer, on="2026-04-01T10:20")
        # Of what is taken as one figure between two changes, 130 and -50 are 80, wherever a snapshot lies between.
        use("2026-04-01T10:40", 130)
        use("2026-04-01T11:30", -50)
        use("2026-05-01T10:30", 7)
        for moment, found, kept in (
            ("2026-04-01T10:50", (False, "100", "130", "0", "30"), None),
            ("2026-04-01T11:10", (False, "100", "130", "0", "30"), "2026-04-01T11:00"),
            ("2026-04-20", (True, "100", "80", "20", "0"), "2026-04-01T11:00"),
            ("2026-05-01T10:50", (True, "100", "7", "93", "0"), "2026-05-01T10:20"),
            ("2026-05-01T11:00", (True, "100", "7", "93", "0"), "2026-05-01T11:00"),
            ("2026-05-20", (True, "100", "7", "93", "0"), "2026-05-01T11:00"),
        ):
            for _ in range(2):
                assert figures(entitlement, moment) == found
            last = BalanceSnapshot.objects.order_by("at").last()
            assert (last and last.at) == (kept and at(kept))
        use("2026-05-01T10:45", 5)  # late, of the hour of the reset
        assert figures(entitlement, "2026-05-20") == (True, "100", "12", "88", "0")

    def test_a_grant_that_is_entered_for_the_very_moment_of_one_counts(self, customer, calls):
        entitlement = entitle(customer, on="2026-04-01T10:20")
        use("2026-04-02", 30)
        assert figures(entitlement, "2026-04-20") == (True, "100", "30", "70", "0")
        assert BalanceSnapshot.objects.get().at == at("2026-04-01T11:00")
        give(entitlement, "5", "2026-04-01T11:00", priority=0)
        assert figures(entitlement, "2026-04-20") == (True, "105", "30", "75", "0")

    def test_a_subject_in_the_place_of_another_is_seen_though_it_has_as_many_events(self, customer, calls):
        entitlement = entitle(customer, on="2026-04-01")
        UsageSubject.objects.update(active_from=at("2026-04-02"))
        use("2026-04-03", 10)
        use("2026-04-03", 20, subject="other")
        assert figures(entitlement, "2026-05-20") == (True, "100", "0", "100", "0")
        give(entitlement, "100", "2026-04-01", max_rollover=Decimal(100))
        assert figures(entitlement, "2026-05-20") == (True, "200", "0", "200", "0")
        use("2026-04-05", 95)
        use("2026-04-05", 150, subject="other")
        assert figures(entitlement, "2026-05-20") == (True, "195", "0", "195", "0")
        UsageSubject.objects.update(key="other")
        assert figures(entitlement, "2026-05-20") == (True, "130", "0", "130", "0")

    def test_what_ends_later_leaves_one_from_before_as_good_as_it_was(self, customer, calls):
        entitlement = entitle(customer, on="2026-04-01")
        grant = give(entitlement, "5", "2026-04-02")
        [before] = burndowns_of([entitlements_with_facts().get(pk=entitlement.pk)])
        with clock.frozen_at(at("2026-04-20")):
            void_grant(grant=grant)
        UsageSubject.objects.update(deleted_at=at("2026-04-21"))
        [after] = burndowns_of([entitlements_with_facts().get(pk=entitlement.pk)])
        same = [before.facts_at(moment) == after.facts_at(moment) for moment in map(at, MOMENTS_AROUND_AN_END)]
        assert same == [True, True, False, False]

    @pytest.mark.parametrize("aggregation", ["MAX", "LATEST"])
    def test_a_figure_below_nothing_uses_nothing(self, customer, calls, aggregation):
        Meter.objects.update(aggregation=aggregation)
        entitlement = entitle(customer)
        use("2026-04-03", -5)
        assert figures(entitlement, "2026-04-04") == (True, "100", "0", "100", "0")
        give(entitlement, "1", "2026-04-10", priority=0)
        use("2026-04-12", 4)
        assert figures(entitlement, "2026-04-13") == (True, "101", "4", "97", "0")

    @pytest.mark.parametrize("aggregation", ["MAX", "LATEST", "UNIQUE_COUNT"])
    def test_what_does_not_add_up_is_kept_at_a_reset(self, customer, calls, aggregation):
        Meter.objects.update(aggregation=aggregation)
        entitlement = entitle(customer, on="2026-04-01T10:20")
        use("2026-05-01T10:30", 7)
        use("2026-05-02", 9)
        expected = "2" if aggregation == "UNIQUE_COUNT" else "9"
        for _ in range(2):
            assert figures(entitlement, "2026-05-20")[2] == expected
        assert [row.at for row in BalanceSnapshot.objects.all()] == [at("2026-05-01T10:20")]

    def test_after_the_first_time_a_balance_reads_one_usage_period_however_old_it_is(self, customer, calls):
        entitlement = entitle(customer, on="2020-04-01")
        use("2020-04-03", 130)
        asked = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                assert figures(entitlement, "2026-05-20") == (True, "100", "0", "100", "0")
            [usage] = [query["sql"] for query in queries if "AS asked" in query["sql"] or "asked AS" in query["sql"]]
            asked.append([len(keys.split(",")) for keys in re.findall(r"'\{([\d,]+)\}'", usage)])
        # 74 months and the span before this one, whose events are counted; then this month, and that span.
        assert asked == [[74, 1], [1, 1]]

    def test_a_balance_costs_the_same_number_of_queries_for_many(self, customer, calls):
        first = entitle(customer)
        counts = []
        for number in range(2, 12):
            other = make_customer(key=f"c{number}", name=f"C{number}")
            entitle(other)
            use("2026-04-03", number, subject=other.key)
            if number in (3, 11):
                burndowns = burndowns_of(entitlements_with_facts())
                for _ in range(2):
                    with CaptureQueriesContext(
                        connection,
                    ) as queries:
                        standings = standings_at(burndowns, at("2026-05-20"))
                    counts.append(len(queries))
        assert counts == [4, 3, 4, 3]
        assert standings[first.pk].balance == 100


class TestCreate:
    def test_two_at_a_time_are_refused(self, customer, calls):
        entitle(customer)
        with pytest.raises(EntitlementTaken, match="already; nothing was created"):
            entitle(customer, on="2026-04-10")
        assert Entitlement.objects.count() == 1

    def test_one_follows_another(self, customer, calls):
        entitle(customer, active_to=at("2026-05-01"))
        entitle(customer, on="2026-05-01")
        with clock.frozen_at(at("2026-04-10")), pytest.raises(EntitlementTaken):
            entitle(customer, on="2026-04-30")

    def test_a_static_one_shows_its_configuration(self, customer, calls):
        entitlement = entitle(customer, type="static", config='{"seats": 5}')
        assert value(entitlement, "2026-04-02").config == '{"seats": 5}'
        assert value(entitlement, "2026-03-31").config is None

    @pytest.mark.parametrize(
        ("terms", "fields"),
        [
            ({"feature_key": "nothing"}, ["featureKey"]),
            ({"feature_key": None}, ["featureKey"]),
            ({"feature_id": new_id()}, ["featureKey"]),
            ({"feature_key": "seats"}, ["featureKey"]),
            ({"feature_key": "speed"}, ["featureKey"]),
            ({"usage_period": None}, ["usagePeriod"]),
            ({"usage_period": ("PT1H", None)}, ["usagePeriod.interval"]),
            ({"usage_period": ("P1M1D", None)}, ["usagePeriod.interval"]),
            ({"usage_period": ("P0D", None)}, ["usagePeriod.interval"]),
            ({"usage_period": ("FORTNIGHT", None)}, ["usagePeriod.interval"]),
            ({"issue": (Decimal(-1), 1)}, ["issueAfterReset"]),
            ({"issue": (Decimal("1e15"), 1)}, ["issueAfterReset"]),
            ({"issue": (Decimal("1e-13"), 256)}, ["issueAfterReset", "issueAfterResetPriority"]),
            ({"measure_usage_from": at("2026-04-02")}, ["measureUsageFrom"]),
            ({"measure_usage_from": at("1990-04-02")}, ["measureUsageFrom"]),
            ({"measure_usage_from": "YESTERDAY"}, ["measureUsageFrom"]),
            ({"config": "{}"}, ["config"]),
            ({"type": "static"}, ["config"]),
            ({"type": "static", "config": "[]"}, ["config"]),
            ({"type": "static", "config": "{"}, ["config"]),
            ({"type": "static", "config": '{"a": NaN}'}, ["config"]),
            ({"type": "static", "config": "[" * 60_000}, ["config"]),
            ({"type": "boolean", "config": "{}"}, ["config"]),
            ({"type": "boolean", "issue": (Decimal(1), 1)}, ["issueAfterReset"]),
            (
                {"type": "boolean", "soft_limit": True, "usage_period": ("X", None)},
                ["isSoftLimit", "usagePeriod.interval"],
            ),
            (
                {"grants": (GrantInput(amount=Decimal(0), effective_at=at("2026-04-01"), expiration=("CENTURY", 1)),)},
                ["grants.0.amount", "grants.0.expiration.duration"],
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, customer, calls, terms, fields):
        make_feature(key="seats", name="Seats")
        make_feature(key="speed", name="Speed", meter=make_meter(key="speed", aggregation="AVG"))
        with pytest.raises(BadEntitlement) as refused:
            entitle(customer, **terms)
        assert [problem.field for problem in refused.value.problems] == fields
        assert not Entitlement.objects.exists()


class TestDelete:
    def test_it_ends_and_its_past_stays(self, customer, calls):
        entitlement = entitle(customer)
        with clock.frozen_at(at("2026-04-10")):
            delete_entitlement(entitlement=entitlement)
            deleted = delete_entitlement(entitlement=entitlement)
        assert (deleted.active_to, deleted.deleted_at) == (at("2026-04-10"), at("2026-04-10"))
        assert value(entitlement, "2026-04-09").has_access
        assert not value(entitlement, "2026-04-10").has_access
        assert AuditEntry.objects.filter(verb="entitlement.deleted").count() == 1
        again = entitle(customer, on="2026-04-10")
        theirs = entitlements_with_facts()
        assert find_entitlement(theirs, customer, "calls", at("2026-04-09")) == entitlement
        assert find_entitlement(theirs, customer, "calls", at("2026-04-10")) == again

    def test_what_a_subscription_manages_is_not_deleted_or_overridden_by_hand(self, customer, calls):
        subscription_id = new_id()
        managed = entitle(customer, manager=Manager(subscription_id=subscription_id, item_id=new_id()))
        with clock.frozen_at(at("2026-04-10")):
            with pytest.raises(EntitlementManaged, match=r"Use change .* or edit"):
                delete_entitlement(entitlement=managed)
            with pytest.raises(EntitlementManaged, match=r"Use change .* or edit"):
                override_entitlement(
                    entitlement=managed, replacement=EntitlementInput(type="boolean", feature_key="calls")
                )
            with pytest.raises(EntitlementManaged):
                void_grant(grant=managed.grants.get())
        give(managed, "20", "2026-04-10")  # one-time grants on top are welcome
        assert figures(managed, "2026-04-10") == (True, "120", "0", "120", "0")


class TestOverride:
    def test_an_override_stays_with_its_feature(self, customer, calls):
        entitlement = entitle(customer)
        make_feature(key="seats", name="Seats")
        replacement = EntitlementInput(type="boolean", feature_key="seats")
        with clock.frozen_at(at("2026-04-10")), pytest.raises(BadEntitlement, match="stays with its feature"):
            override_entitlement(entitlement=entitlement, replacement=replacement)

    def test_what_has_ended_is_not_overridden(self, customer, calls):
        entitlement = entitle(customer, active_to=at("2026-04-05"))
        replacement = EntitlementInput(type="boolean", feature_key="calls")
        with clock.frozen_at(at("2026-04-10")), pytest.raises(EntitlementEnded):
            override_entitlement(entitlement=entitlement, replacement=replacement)


class TestReset:
    @pytest.mark.parametrize(
        ("retain_anchor", "moment", "expected"),
        [
            (False, "2026-04-10", (True, "100", "0", "100", "0")),
            (False, "2026-05-01", (True, "100", "5", "95", "0")),
            (False, "2026-05-10", (True, "100", "0", "100", "0")),
            (True, "2026-05-01", (True, "100", "0", "100", "0")),
        ],
    )
    def test_it_begins_a_usage_period(self, customer, calls, retain_anchor, moment, expected):
        entitlement = entitle(customer)
        use("2026-04-03", 30)
        use("2026-04-20", 5)
        with clock.frozen_at(at("2026-04-12")):
            reset_usage(entitlement=entitlement, effective_at=at("2026-04-10"), retain_anchor=retain_anchor)
        assert figures(entitlement, moment) == expected
        assert figures(entitlement, "2026-04-09") == (True, "100", "30", "70", "0")

    @pytest.mark.parametrize(("preserve", "balance"), [(None, "100"), (True, "60"), (False, "100")])
    def test_it_says_what_becomes_of_the_overage(self, customer, calls, preserve, balance):
        entitlement = entitle(customer)
        use("2026-04-03", 140)
        with clock.frozen_at(at("2026-04-12")):
            reset_usage(entitlement=entitlement, preserve_overage=preserve)
        assert figures(entitlement, "2026-04-12")[3] == balance

    @pytest.mark.parametrize(
        ("moment", "error"),
        [
            ("2026-05-12T00:01", BadReset),
            ("2026-04-30", BadReset),
            ("2026-05-10", ResetTaken),
            ("2026-05-09", BadReset),
        ],
    )
    def test_a_reset_lies_in_the_current_period(self, customer, calls, moment, error):
        entitlement = entitle(customer)
        with clock.frozen_at(at("2026-05-12")):
            reset_usage(entitlement=entitlement, effective_at=at("2026-05-10"))
            with pytest.raises(error, match="othing was reset"):
                reset_usage(entitlement=entitlement, effective_at=at(moment))
        assert EntitlementReset.objects.count() == 1

    def test_only_what_is_metered_and_active_is_reset(self, customer, calls):
        with clock.frozen_at(at("2026-05-12")):
            with pytest.raises(NotMetered):
                reset_usage(entitlement=entitle(customer, type="boolean", active_to=at("2026-05-01")))
            with pytest.raises(EntitlementEnded):
                reset_usage(entitlement=entitle(customer, on="2026-05-01", active_to=at("2026-05-10")))


class TestGrants:
    def test_one_that_expires_counts_up_to_its_expiry(self, customer, calls):
        entitlement = entitle(customer)
        grant = give(entitlement, "10", "2026-04-10", expiration=("DAY", 5))
        assert grant.expires_at == at("2026-04-15")
        assert value(entitlement, "2026-04-14T23:59").balance == 110
        assert value(entitlement, "2026-04-15").balance == 100

    def test_grants_by_default_keep_all_at_a_reset(self, customer, calls):
        entitlement = entitle(customer, issue=None)
        give(entitlement, "10", max_rollover=None)
        use("2026-04-03", 4)
        assert figures(entitlement, "2026-05-02") == (True, "6", "0", "6", "0")

    @pytest.mark.parametrize(
        ("terms", "fields"),
        [
            ({"amount": Decimal(-5)}, ["amount"]),
            ({"priority": -1}, ["priority"]),
            ({"priority": 256}, ["priority"]),
            ({"min_rollover": Decimal(-1), "max_rollover": Decimal(-1)}, ["maxRolloverAmount", "minRolloverAmount"]),
            ({"recurrence": ("PT5M", None)}, ["recurrence.interval"]),
            ({"expiration": ("DAY", 0)}, ["expiration.count"]),
            ({"expiration": ("YEAR", 9999)}, ["expiration.count"]),
            ({"expiration": ("HOUR", 10**9)}, ["expiration.count"]),
        ],
    )
    def test_what_is_wrong_is_named(self, customer, calls, terms, fields):
        entitlement = entitle(customer)
        with pytest.raises(BadGrant, match="Nothing was granted") as refused:
            give(entitlement, terms.pop("amount", "10"), **terms)
        assert [problem.field for problem in refused.value.problems] == fields

    def test_only_active_metered_entitlements_take_grants(self, customer, calls):
        with pytest.raises(NotMetered):
            give(entitle(customer, type="boolean", active_to=at("2026-04-05")), "10")
        with pytest.raises(EntitlementEnded):
            give(entitle(customer, on="2026-04-05", active_to=at("2026-04-10")), "10", "2026-04-10")

    def test_voiding_keeps_what_was_used_and_is_done_once(self, customer, calls):
        entitlement = entitle(customer, issue=None)
        grant = give(entitlement, "100")
        use("2026-04-03", 60)
        with clock.frozen_at(at("2026-04-10")):
            void_grant(grant=grant, reason="Mistake")
        with clock.frozen_at(at("2026-04-11")):
            assert void_grant(grant=grant).voided_at == at("2026-04-10")
        assert figures(entitlement, "2026-04-09") == (True, "100", "60", "40", "0")
        assert figures(entitlement, "2026-04-10") == (False, "60", "60", "0", "0")
        assert [entry.reason for entry in AuditEntry.objects.filter(verb="grant.voided")] == ["Mistake"]

    @pytest.mark.parametrize("moment", ["2026-05-10T00:01", "2026-04-30"])
    def test_a_void_lies_in_the_current_period(self, customer, calls, moment):
        grant = give(entitle(customer), "10")
        with clock.frozen_at(at("2026-05-10")), pytest.raises(BadGrant, match="Nothing was voided"):
            void_grant(grant=grant, at=at(moment))


def test_a_list_of_all_kinds_takes_a_few_queries(customer, calls):
    entitle(customer)
    for key in ("seats", "support"):
        make_feature(key=key, name=key)
    entitle(customer, type="boolean", feature_key="seats")
    entitle(customer, type="static", feature_key="support", config="{}", active_to=at("2026-04-10"))
    values = values_at(list(entitlements_with_facts().order_by("id")), at("2026-04-12"))
    assert [each.has_access for each in values.values()] == [True, True, False]
