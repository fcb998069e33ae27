"""Five hundred customers move between two apps: every count as expected, every next invoice right, none doubled."""

from collections import Counter

import pytest

from core import clock
from customers.models import BillingApp, BillingProfile, CustomerAppData, CustomerOverride
from invoicing.gateways import GATEWAYS
from invoicing.models import Invoice
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pin_unpinned import pin_unpinned
from invoicing.profile_moves.progress import causes_in, progress_of
from invoicing.profile_moves.retry_move import retry_failed
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.work_migration_shard import work_off_migration
from invoicing.runs.run_due import run_due
from tests.support.books import run_check
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import make_default_profile
from tests.support.moves import MOVE, CardApp, approved, make_card_profile, make_customers

pytestmark = pytest.mark.django_db


def test_five_hundred_customers_move_between_two_apps(monkeypatch):
    cards = CardApp()
    monkeypatch.setitem(GATEWAYS, "stripe", cards)
    make_default_profile()
    old = make_card_profile(
        name="Old cards",
        app=BillingApp.objects.create(type="sandbox", name="Old"),
        due_after="P3D",
        collection_method="send_invoice",
    )
    new = make_card_profile(name="New cards", due_after="P20D")
    switch_default(profile=old, reason="To begin with")
    plan = make_plan(cards=(flat_card(price={"type": "flat", "amount": "29.90", "paymentTerm": "in_arrears"}),))
    customers = make_customers(500, plan, app=new.app)

    # 20 of each: without an id at the app, without a card, bound to another currency there.
    CustomerAppData.objects.filter(customer__in=customers[:20]).delete()
    cards.cardless = {f"cus_{index}" for index in range(20, 40)}
    cards.currencies = {f"cus_{index}": "USD" for index in range(40, 60)}

    with clock.frozen_at(at("2026-03-18")):
        assert pin_unpinned(profile=old, reason="Before the switch") == 500
        assert switch_default(profile=new, reason="New customers start there") == 0
    migration = approved(old, new)
    progress = progress_of([migration])[migration.pk]
    assert (migration.customer_count, dict(progress.verdicts)) == (500, {"ready": 440, "blocked": 60})
    assert {cause.code: cause.count for cause in causes_in(migration)} == {
        "no_customer_id": 20,
        "no_payment_method": 20,
        "other_currency": 20,
    }

    cards.down = {f"cus_{index}" for index in range(100, 105)}
    with clock.frozen_at(MOVE):
        migration = work_off_migration(run_migration(migration=migration, limit=10))
        assert (migration.status, progress_of([migration])[migration.pk].outcomes["pending"]) == ("paused", 430)
        migration = work_off_migration(run_migration(migration=migration))
        assert progress_of([migration])[migration.pk].outcomes == {"moved": 435, "failed": 5, "blocked": 60}
        cards.down = set()
        assert retry_failed(migration=migration) == 5
        migration = work_off_migration(migration)
        for customer in customers[200:203]:
            take_back(migration=migration, customer=customer, reason="Asked to stay")
    assert migration.status == "done"
    assert progress_of([migration])[migration.pk].outcomes == {"moved": 437, "taken_back": 3, "blocked": 60}
    pins = Counter(CustomerOverride.objects.values_list("billing_profile__name", flat=True))
    assert pins == {"New cards": 437, "Old cards": 63}

    # The app that stands for the provider takes no charges.
    BillingProfile.objects.filter(pk=new.pk).update(collection_method="send_invoice")
    with clock.frozen_at(at("2026-04-01")):
        run_due(as_of=at("2026-04-01"))
        run_due(as_of=at("2026-04-01"))
    issued = Invoice.objects.filter(issued_at__isnull=False)
    billed = Counter(
        (name, app, str(total), due.date().isoformat())
        for name, app, total, due in issued.values_list("profile__name", "app__name", "total", "due_at")
    )
    assert billed == {
        ("New cards", "Cards", "29.90", "2026-04-21"): 437,
        ("Old cards", "Old", "29.90", "2026-04-04"): 63,
    }
    assert issued.values("customer").distinct().count() == 500
    still_old = set(issued.filter(profile=old).values_list("customer_id", flat=True))
    assert still_old == {customer.pk for customer in (*customers[:60], *customers[200:203])}
    # One supplier, one series: it goes on across the move.
    assert sorted(issued.values_list("sequence", flat=True)) == list(range(1, 501))
    code, said = run_check(now="2026-04-01T00:05")
    assert code == 0, said
