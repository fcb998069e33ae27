"""Pinning everybody who follows the old default: by the workers, batch by batch, with its progress."""

from typing import Any

import pytest

from core import clock
from core.audit.actors import acting_as
from core.audit.models import AuditEntry
from core.errors import Conflict
from customers.models import CustomerOverride
from invoicing.choices import MigrationStatus
from invoicing.errors import WrongMigrationState
from invoicing.profile_moves import pin_unpinned as module
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pause_migration import cancel_migration
from invoicing.profile_moves.pin_unpinned import start_pinning
from invoicing.profile_moves.progress import progress_of, steps_of
from invoicing.profile_moves.work_migration_shard import unfinished_shards, work_migration_shard, work_off_migration
from tests.support.catalog import make_plan
from tests.support.customers import enterprise, make_default_profile
from tests.support.moves import ADA, MOVE, make_customers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 2)


@pytest.fixture
def migration(db):
    make_default_profile()
    make_customers(6, make_plan())
    return draft_migration(from_profile=make_default_profile(), to_profile=enterprise(), criteria={})


def pins():
    return CustomerOverride.objects.filter(billing_profile__isnull=False).count()


def step(migration):
    found = progress_of([migration])[migration.pk]
    pinning = found.pinning and (found.pinning.done, found.pinning.total)
    one = steps_of(migration, found)[1]
    return pinning, one.is_done, one.left


def test_asking_pins_nobody_yet_and_the_workers_pin_all(migration):
    with acting_as(ADA):
        shard = start_pinning(migration=migration, reason="Before the switch")
    assert (shard.total, pins(), step(migration)) == (6, 0, ((0, 6), False, 6))
    assert unfinished_shards() == [shard.pk]
    left: list[int] = []
    assert work_migration_shard(shard.pk, progress=left.append)
    assert (pins(), left) == (6, [4, 2, 0])
    assert (step(migration), unfinished_shards()) == ((None, True, 0), [])
    entries = AuditEntry.objects.filter(verb="customer.pinned")
    assert set(entries.values_list("actor_label", "reason")) == {("Ada", "Before the switch")}
    assert entries.count() == 6
    assert AuditEntry.objects.get(verb="profilemigration.pinning").sentence == (
        "Ada had 6 customers pinned to “Default” for the move from “Default” to “Enterprise”."
    )


def test_asking_twice_starts_it_once(migration):
    assert start_pinning(migration=migration) == start_pinning(migration=migration)
    work_off_migration(migration)
    assert start_pinning(migration=migration) is None


def test_where_a_worker_dies_another_goes_on_and_pins_nobody_twice(migration):
    shard = start_pinning(migration=migration)

    def dies(left):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        work_migration_shard(shard.pk, progress=dies)
    assert (pins(), step(migration)) == (2, ((2, 6), False, 4))
    assert work_migration_shard(shard.pk)
    assert (pins(), step(migration)) == (6, (None, True, 0))
    assert AuditEntry.objects.filter(verb="customer.pinned").count() == 6


def test_who_loses_a_pin_meanwhile_is_pinned_too(migration):
    shard = start_pinning(migration=migration)
    first = migration.from_profile.pinned_overrides
    lost: list[Any] = []

    def loses(left):
        if not lost:
            lost.append(first.order_by("customer_id").first().delete())

    assert work_migration_shard(shard.pk, progress=loses)
    assert pins() == 6


def test_cancelling_the_migration_stops_it_after_the_batch(migration):
    shard = start_pinning(migration=migration)

    def cancels(left):
        migration.refresh_from_db()
        if migration.status != MigrationStatus.CANCELLED:
            cancel_migration(migration=migration)

    assert not work_migration_shard(shard.pk, progress=cancels)
    assert pins() == 4
    assert unfinished_shards() == []
    with pytest.raises(WrongMigrationState, match="The migration is cancelled"):
        start_pinning(migration=migration)


def test_it_ends_where_another_profile_becomes_the_default(migration):
    shard = start_pinning(migration=migration)

    def switches(left):
        switch_default(profile=migration.to_profile, reason="Early")

    assert work_migration_shard(shard.pk, progress=switches)
    assert pins() == 2
    assert unfinished_shards() == []
    migration.refresh_from_db()
    with pytest.raises(Conflict, match="is not the default profile"):
        start_pinning(migration=migration)


def test_a_check_does_not_stop_it(migration):
    shard = start_pinning(migration=migration)
    with clock.frozen_at(MOVE):
        checked = check_migration(migration=migration)
        assert shard.pk in unfinished_shards(checked)
        assert work_off_migration(checked).status == "checked"
    assert pins() == 6
