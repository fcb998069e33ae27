"""Changes of an item's facts, as services record them: no invoice in sight."""

from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import Conflict, InvalidInput
from core.periods import Period
from subscriptions.lifecycle.record_extension import record_extension
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_report import record_report
from subscriptions.lifecycle.selectors import quantity_at
from subscriptions.models import QuantityChange, QuantityReport, Subscription
from tests.support.catalog import flat_card, make_excess_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.subscriptions import billed_items

pytestmark = pytest.mark.django_db


def marks():
    return Subscription.objects.values_list("reconcile_from", "next_billing_at").get()


class TestQuantity:
    def test_a_change_counts_from_its_time_on_and_sets_the_close_back_to_its_period(self):
        items = billed_items(make_plan(), quantities={"base": Decimal(5)})
        with clock.frozen_at(at("2026-04-16")):
            record_quantity(item=items["base"], quantity=Decimal(8), effective_at=at("2026-04-16"), action="upgrade")
        assert quantity_at(items["base"], at("2026-04-15T23:59")) == 5
        assert quantity_at(items["base"], at("2026-04-16")) == 8
        assert marks() == (at("2026-04-01"), at("2026-04-16"))

    def test_a_change_for_the_next_period_is_due_only_then(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            record_quantity(item=items["base"], quantity=Decimal(8), effective_at=at("2026-05-01"))
        assert marks() == (at("2026-05-01"), at("2026-05-01"))

    def test_a_change_replaces_what_was_planned_for_later(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            record_quantity(item=items["base"], quantity=Decimal(8), effective_at=at("2026-05-01"))
            record_quantity(item=items["base"], quantity=Decimal(3), effective_at=at("2026-04-16"))
        assert quantity_at(items["base"], at("2026-06-01")) == 3

    def test_a_backdated_change_leaves_the_later_ones_as_they_are(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            record_quantity(item=items["base"], quantity=Decimal(8), effective_at=at("2026-04-16"))
            record_quantity(item=items["base"], quantity=Decimal(6), effective_at=at("2026-04-10"))
        assert [quantity_at(items["base"], at(day)) for day in ("2026-04-09", "2026-04-10", "2026-04-16")] == [1, 6, 8]

    def test_of_two_changes_at_one_time_the_later_one_counts(self):
        items = billed_items(make_plan())
        for moment, quantity in (("2026-04-16T10:00", 8), ("2026-04-16T11:00", 7)):
            with clock.frozen_at(at(moment)):
                record_quantity(item=items["base"], quantity=Decimal(quantity), effective_at=at("2026-04-16"))
        assert quantity_at(items["base"], at("2026-04-16")) == 7

    def test_repeating_a_change_records_nothing_twice(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            for _ in range(2):
                record_quantity(item=items["base"], quantity=Decimal(8), effective_at=at("2026-04-16"))
        assert QuantityChange.objects.count() == 1
        assert AuditEntry.objects.filter(verb="subscription.quantity_changed").count() == 1

    @pytest.mark.parametrize(
        ("key", "quantity", "effective_at", "field"),
        [
            ("storage", "8", "2026-04-16", "quantity"),
            ("base", "-1", "2026-04-16", "quantity"),
            ("base", "8", "2026-03-31", "effectiveAt"),
        ],
    )
    def test_a_usage_item_a_negative_quantity_and_a_time_before_the_start_are_refused(
        self, key, quantity, effective_at, field
    ):
        items = billed_items(make_excess_plan())
        with clock.frozen_at(at("2026-04-16")), pytest.raises(InvalidInput) as refusal:
            record_quantity(item=items[key], quantity=Decimal(quantity), effective_at=at(effective_at))
        assert refusal.value.problems[0].field == field
        assert not QuantityChange.objects.exists()

    def test_a_fee_charged_once_keeps_its_quantity_after_its_charge(self):
        items = billed_items(make_plan(cards=(flat_card(billing_cadence=None),)))
        with clock.frozen_at(at("2026-04-16")), pytest.raises(InvalidInput, match="is charged once, on 2026-04-01"):
            record_quantity(item=items["base"], quantity=Decimal(2), effective_at=at("2026-04-16"))


class TestReport:
    def test_a_report_is_for_the_current_period_and_due_at_its_end(self):
        items = billed_items(make_excess_plan(), "2026-03-17")
        with clock.frozen_at(at("2026-04-16T23:00")):
            report = record_report(item=items["storage"], quantity=Decimal(200))
        assert (report.period_start, report.quantity, report.late) == (at("2026-03-17"), 200, False)
        assert marks() == (at("2026-03-17"), at("2026-04-17"))

    def test_a_report_can_name_a_past_period_by_any_time_in_it(self):
        items = billed_items(make_excess_plan(), "2026-03-17")
        with clock.frozen_at(at("2026-04-20")):
            report = record_report(item=items["storage"], quantity=Decimal(200), usage_period_start=at("2026-03-20"))
        assert report.period_start == at("2026-03-17")
        assert marks() == (at("2026-03-17"), at("2026-04-20"))

    def test_a_late_report_is_kept_and_bills_nothing(self):
        items = billed_items(make_excess_plan(), "2026-03-17")
        with clock.frozen_at(at("2026-04-20")):
            record_report(item=items["storage"], quantity=Decimal(200), usage_period_start=at("2026-03-17"), late=True)
        assert QuantityReport.objects.get().late
        assert marks() == (at("2026-05-01"), at("2026-05-01"))

    def test_repeating_the_last_report_adds_none_but_going_back_does(self):
        items = billed_items(make_excess_plan())
        with clock.frozen_at(at("2026-04-16")):
            for quantity in (200, 200, 100, 200):
                record_report(item=items["storage"], quantity=Decimal(quantity))
        assert [report.quantity for report in QuantityReport.objects.order_by("reported_at", "id")] == [200, 100, 200]

    @pytest.mark.parametrize("moment", ["2026-03-31", "2026-05-01"])
    def test_a_time_before_the_item_began_and_a_period_to_come_are_refused(self, moment):
        items = billed_items(make_excess_plan())
        with clock.frozen_at(at("2026-04-16")), pytest.raises(InvalidInput) as refusal:
            record_report(item=items["storage"], quantity=Decimal(1), usage_period_start=at(moment))
        assert refusal.value.problems[0].field == "usagePeriodStart"

    def test_flat_and_metered_items_take_no_reports(self):
        metered = usage_card(key="tokens", feature=make_feature(key="tokens", meter=make_meter()))
        items = billed_items(make_plan(cards=(flat_card(), metered)))
        with clock.frozen_at(at("2026-04-16")):
            with pytest.raises(InvalidInput, match=r"metered by usage; nothing was recorded\. Send usage events"):
                record_report(item=items["tokens"], quantity=Decimal(1))
            with pytest.raises(InvalidInput, match="is not billed by usage"):
                record_report(item=items["base"], quantity=Decimal(1))
        assert not QuantityReport.objects.exists()


class TestExtension:
    def test_the_current_period_lasts_a_full_cadence_from_the_change_on(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            period = record_extension(item=items["base"], at=at("2026-04-16"))
        assert period == Period(at("2026-04-01"), at("2026-05-16"))
        assert Subscription.objects.get().anchor_shifts == [
            {
                "cadence": "P1M",
                "from": "2026-05-01T00:00:00+00:00",
                "anchor": "2026-05-16T00:00:00+00:00",
                "at": "2026-04-16T00:00:00+00:00",
            }
        ]
        assert marks() == (at("2026-04-01"), at("2026-04-16"))

    def test_a_repeated_extension_changes_nothing(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            for _ in range(2):
                record_extension(item=items["base"], at=at("2026-04-16"))
        assert len(Subscription.objects.get().anchor_shifts) == 1
        assert AuditEntry.objects.filter(verb="subscription.period_extended").count() == 1

    def test_a_period_is_extended_once(self):
        items = billed_items(make_plan())
        with clock.frozen_at(at("2026-04-16")):
            record_extension(item=items["base"], at=at("2026-04-16"))
        with clock.frozen_at(at("2026-04-18")), pytest.raises(Conflict, match="was extended before, to 2026-05-16"):
            record_extension(item=items["base"], at=at("2026-04-18"))

    def test_a_one_time_item_has_no_period_to_extend(self):
        items = billed_items(make_plan(cards=(flat_card(billing_cadence=None),)))
        with pytest.raises(InvalidInput, match="has no billing period"):
            record_extension(item=items["base"], at=at("2026-04-16"))
