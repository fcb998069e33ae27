"""The process of `benchmarks.move`: drafts a migration, works it off as a worker does, and measures itself."""

import argparse
import cProfile
import json
import os
import pstats
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.db import connection  # noqa: E402 - Django first

from benchmarks.customers import START  # noqa: E402
from core import clock  # noqa: E402
from core.audit.actors import Actor, acting_as  # noqa: E402
from customers.models import BillingApp, BillingProfile, Customer, CustomerAppData, CustomerOverride  # noqa: E402
from invoicing.gateways import GATEWAYS, Check, PaymentMethodCheck  # noqa: E402
from invoicing.models import MigrationItem, ProfileMigration  # noqa: E402
from invoicing.profile_moves.approve_migration import approve_migration  # noqa: E402
from invoicing.profile_moves.check_migration import check_migration  # noqa: E402
from invoicing.profile_moves.draft_migration import draft_migration  # noqa: E402
from invoicing.profile_moves.run_migration import run_migration  # noqa: E402
from invoicing.profile_moves.work_migration_shard import work_off_migration  # noqa: E402


class InstantApp:
    """Stands for a provider that answers within no time: everybody could be charged."""

    is_local = False

    @contextmanager
    def checking(self, app: BillingApp) -> Iterator[Check]:
        yield lambda known: PaymentMethodCheck(payment_method="pm")


def prepare() -> ProfileMigration:
    """A migration of everybody to another profile of the same supplier, on an app that knows them all."""
    GATEWAYS["stripe"] = InstantApp()
    source = BillingProfile.objects.get(is_default=True)
    app = BillingApp.objects.create(type="stripe", name="Instant")
    target = BillingProfile.objects.create(name="Target", supplier=source.supplier, app=app)
    ids = list(Customer.objects.values_list("pk", flat=True))
    CustomerAppData.objects.bulk_create(
        (CustomerAppData(customer_id=pk, app=app, external_id=f"cus_{number}") for number, pk in enumerate(ids)),
        batch_size=1000,
    )
    with acting_as(Actor("user", "1", "Author")):
        return draft_migration(from_profile=source, to_profile=target, criteria={})


def measure(profiler: cProfile.Profile | None) -> dict[str, Any]:
    """What the check and the moves took."""
    migration = prepare()
    queries = 0

    def count(execute: Callable[..., Any], *statement: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*statement)

    cpu = time.process_time()
    if profiler:
        profiler.enable()
    with connection.execute_wrapper(count):
        begun = time.perf_counter()
        work_off_migration(check_migration(migration=migration))
        checked = time.perf_counter()
        with acting_as(Actor("user", "2", "Approver")):
            approve_migration(migration=migration)
        approved = time.perf_counter()
        work_off_migration(run_migration(migration=migration))
        ended = time.perf_counter()
    if profiler:
        profiler.disable()
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(40)
    return {
        "check": checked - begun,
        "move": ended - approved,
        "cpu": time.process_time() - cpu,
        "queries": queries,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "moved": MigrationItem.objects.filter(outcome="moved", tries=1).count(),
        "pinned": CustomerOverride.objects.filter(billing_profile=migration.to_profile).count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    with clock.frozen_at(START.replace(day=20)):
        print(json.dumps(measure(cProfile.Profile() if given.profile else None)))


if __name__ == "__main__":
    main()
