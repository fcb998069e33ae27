"""What happens to customers, profiles and other migrations while a profile migration is under way."""

from collections import Counter

import pytest

from core import clock
from customers.errors import ProfileArchived
from customers.models import Customer, CustomerOverride
from customers.services.archive_profile import archive_profile, restore_profile
from invoicing.errors import WrongMigrationState
from invoicing.models import MigrationItem
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.move_batch import move_batch
from invoicing.profile_moves.pin_customer import pin_customer
from invoicing.profile_moves.retry_move import retry_failed
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.work_migration_shard import work_off_migration
from invoicing.runs.run_due import run_due
from subscriptions.models import Plan, Subscription
from tests.support.clock import at
from tests.support.moves import (
    MOVE,
    approved,
    billed_by,
    make_card_profile,
    make_customers,
    outcomes,
    work_off,
)

pytestmark = pytest.mark.django_db


def causes_of(migration):
    return Counter(cause["code"] for item in migration.items.all() for cause in item.causes)


def test_a_target_that_is_archived_between_batches_takes_nobody_else(old, new, customers):
    migration = work_off(approved(old, new), limit=2)
    migration = run_migration(migration=migration)
    archive_profile(profile=new, reason="Old")
    with clock.frozen_at(MOVE):
        migration = work_off_migration(migration)
    assert (migration.status, outcomes(migration)) == ("done", {"moved": 2, "failed": 4})
    assert causes_of(migration) == {"profile_archived": 4}
    assert billed_by(customers) == {"Cards": 2}
    with pytest.raises(ProfileArchived):
        retry_failed(migration=migration)
    restore_profile(profile=new, reason="Needed")
    assert retry_failed(migration=migration) == 4
    with clock.frozen_at(MOVE):
        assert outcomes(work_off_migration(migration)) == {"moved": 6}


def test_who_is_deleted_meanwhile_fails_alone(old, new, customers):
    migration = approved(old, new)
    Customer.objects.filter(pk=customers[0].pk).update(deleted_at=MOVE)
    migration = work_off(migration)
    assert (migration.status, outcomes(migration)) == ("done", {"moved": 5, "failed": 1})
    assert causes_of(migration) == {"customer_deleted": 1}


def test_who_comes_or_goes_after_approval_changes_no_list(old, new, customers):
    migration = approved(old, new)
    [late] = make_customers(1, Plan.objects.get(), app=None, first=6)
    new.name = "Cards of 2027"
    new.save()
    migration = work_off(migration)
    assert (migration.customer_count, outcomes(migration)) == (6, {"moved": 6})
    assert not CustomerOverride.objects.filter(customer=late).exists()
    assert MigrationItem.objects.count() == 6


def test_of_two_migrations_over_one_customer_the_second_finds_them_gone(old, new, customers):
    third = make_card_profile(name="Third", app=new.app)
    first, second = approved(old, new), approved(old, third)
    assert outcomes(work_off(first, limit=3)) == {"moved": 3, "pending": 3}
    assert outcomes(work_off(second)) == {"moved": 3, "failed": 3}
    assert outcomes(work_off(first)) == {"moved": 3, "failed": 3}
    assert billed_by(customers) == {"Cards": 3, "Third": 3}


def test_what_was_settled_is_never_moved_by_a_worker_that_comes_late(old, new, customers):
    migration = work_off(approved(old, new))
    with clock.frozen_at(MOVE):
        take_back(migration=migration, customer=customers[0])
        move_batch(migration=migration, customer_ids=[customers[0].pk], only_while_running=False)
    assert outcomes(migration) == {"moved": 5, "taken_back": 1}
    assert billed_by(customers[:1]) == {"None": 1}


def test_nobody_is_taken_back_who_was_billed_in_the_moment_of_the_move(old, new, customers):
    new.collection_method = "send_invoice"
    new.save()
    moment = at("2026-04-01")
    migration = run_migration(migration=approved(old, new, now=moment))
    with clock.frozen_at(moment):
        work_off_migration(migration)
        run_due(as_of=moment)
        with pytest.raises(WrongMigrationState, match="their next invoice exists"):
            take_back(migration=migration, customer=customers[0])


def test_a_switch_of_the_default_pins_who_has_cancelled_and_is_still_served(old, new, customers):
    Subscription.objects.filter(customer=customers[0]).update(active_to=at("2026-04-01"))
    Subscription.objects.filter(customer=customers[1]).update(active_to=at("2026-03-15"), next_billing_at=None)
    with clock.frozen_at(MOVE):
        assert switch_default(profile=new, reason="For new ones") == 5
    assert billed_by(customers) == {"Default": 5}
    assert not CustomerOverride.objects.filter(customer=customers[1]).exists()


def test_nobody_is_taken_back_once_somebody_has_changed_their_profile_since(old, new, customers):
    migration = work_off(approved(old, new))
    third = make_card_profile(name="Third", collection_method="send_invoice")
    with clock.frozen_at(MOVE):
        pin_customer(customer=customers[0], profile=third, reason="By hand")
        with pytest.raises(WrongMigrationState, match="was changed since"):
            take_back(migration=migration, customer=customers[0])
    assert billed_by(customers[:1]) == {"Third": 1}
