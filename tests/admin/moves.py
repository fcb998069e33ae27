"""Profile migrations at the finance desk: two profiles, customers between them, and what the pages say."""

from typing import Any

from core import clock
from customers.models import BillingProfile
from invoicing.models import ProfileMigration
from invoicing.profile_moves.work_migration_shard import work_off_migration
from tests.support.catalog import make_plan
from tests.support.customers import enterprise, make_default_profile
from tests.support.desk import Desk
from tests.support.moves import MOVE, make_customers

ADD = "/admin/invoicing/profilemigration/add/"


def two_profiles(number: int) -> tuple[BillingProfile, BillingProfile]:
    """The default and “Enterprise”, and so many customers who follow the default."""
    make_default_profile()
    make_customers(number, make_plan())
    return make_default_profile(), enterprise()


def draft(desk: Desk, source: BillingProfile, target: BillingProfile, **filters: Any) -> ProfileMigration:
    """A migration that `desk` drafted on the page and that was checked with it."""
    answers = {"from_profile": source.pk, "to_profile": target.pk, "reason": "New contracts", "confirmed": "yes"}
    with clock.frozen_at(MOVE):
        desk.post(ADD, answers | filters, follow=True)
    return ProfileMigration.objects.latest("created_at")


def do(desk: Desk, obj: Any, verb: str, **answers: Any) -> Any:
    """A verb on the day of the move."""
    with clock.frozen_at(MOVE):
        return desk.do(obj, verb, **({"reason": "Agreed"} | answers))


def work(migration: ProfileMigration) -> ProfileMigration:
    """What the workers do."""
    with clock.frozen_at(MOVE):
        return work_off_migration(migration)
