"""How often periods are closed changes nothing: each service period comes to the same money."""

import pytest
from django.db import transaction
from django.db.models import Sum

from invoicing.models import InvoiceLine, ParkedCustomer
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.company import every_day, mixed_company

pytestmark = pytest.mark.django_db


def money_by_period(closes, now):
    """What each item of each customer was billed for each of its periods, after the mixed company's months."""
    with transaction.atomic():
        mixed_company().live(closes)
        assert not ParkedCustomer.objects.exists()
        code, said = run_check(now=now)
        assert code == 0, said
        rows = (
            InvoiceLine.objects.filter(invoice__issued_at__isnull=False, deleted_at__isnull=True)
            .order_by()
            .values_list("subscription__customer__key", "item__key", "period_end")
            .annotate(Sum("total"))
        )
        # A change in mid-period is a line of its own when it comes after the close: its end is that of the period.
        found = {row[:3]: str(row[3]) for row in rows}
        transaction.set_rollback(True)
    return found


def test_months_come_to_the_same_money_closed_day_by_day_at_their_ends_or_all_at_once():
    month_ends = [at(day) for day in ("2026-02-01", "2026-03-01", "2026-04-01", "2026-04-10", "2026-04-12")]
    daily = money_by_period(every_day("2026-01-01", "2026-04-12"), "2026-04-12T00:05")
    assert daily == money_by_period(month_ends, "2026-04-12T00:05")
    assert daily == money_by_period([at("2026-04-10"), at("2026-04-12")], "2026-04-12T00:05")
    # Seats of February, 5 at 9.99, 3 more from the 16th (13 of 28 days), 1 more from the 20th (9 of 28):
    # 49.95 + 13.91 + 3.21.
    assert daily[("acme", "seats", at("2026-03-01"))] == "67.07"
