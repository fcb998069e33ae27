"""The profile migrations of the demo company: one that is done, and one that waits for somebody to approve it."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from billing_site.demo.calendar import Calendar
from billing_site.demo.cast import Cast
from billing_site.demo.history import Step
from billing_site.demo.profiles import SUPPLIER_KEY
from customers.choices import AppType, CollectionMethod
from customers.models import BillingProfile
from customers.services.profile_input import ProfileInput, whole_workflow
from customers.services.supplier_input import SupplierInput
from invoicing.choices import MoveOutcome
from invoicing.models import ProfileMigration
from invoicing.payments.manage_app import install_app
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.save_profile import create_profile
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.work_migration_shard import work_off_migration

_EUROPE, _LONG_TERM = "SaaS Europe", "Enterprise, 45 days"
_CANARIES = 4


def moves(calendar: Calendar, cast: Cast) -> Iterator[Step]:
    """In the sixth month the customers in euro get an app of their own; today a longer term awaits its approval."""
    yield Step(calendar.day(6, 10, hour=8), cast.admin, _draft_europe)
    yield Step(calendar.day(6, 10, hour=10), cast.approver, _approve_europe)
    yield Step(calendar.day(6, 10, hour=11), cast.admin, partial(_move_to_europe, _CANARIES))
    yield Step(calendar.day(6, 11, hour=9), cast.admin, partial(_move_to_europe, None))
    yield Step(calendar.day(6, 11, hour=15), cast.clerk, _take_one_back)
    yield Step(calendar.end - timedelta(hours=3), cast.admin, _draft_long_term)


def _draft_europe() -> int:
    app = install_app(type=AppType.SANDBOX, name="Sandbox Europe")
    workflow = {"collection_method": CollectionMethod.CHARGE_AUTOMATICALLY.value, "due_after": "P7D"}
    target = _profile(_EUROPE, "Charged automatically through the European account.", app.pk, workflow)
    _draft("SaaS", target, {"currency": ["EUR"]}, "Cards in euro are charged by the European account from now on.")
    return 0


def _draft_long_term() -> int:
    source = BillingProfile.objects.get(name="Enterprise")
    workflow = {
        "auto_advance": False,
        "collection_method": CollectionMethod.SEND_INVOICE.value,
        "due_after": "P45D",
    }
    target = _profile(_LONG_TERM, "As Enterprise, with 45 days to pay.", source.app_id, workflow)
    _draft("Enterprise", target, {}, "Agreed with the account managers for the coming year.")
    return 0


def _profile(name: str, description: str, app_id: uuid.UUID, workflow: dict[str, Any]) -> BillingProfile:
    return create_profile(
        profile=ProfileInput(
            name=name,
            description=description,
            supplier=SupplierInput(key=SUPPLIER_KEY),
            default=False,
            workflow=whole_workflow({"collection_interval": "PT0S", "progressive_billing": False} | workflow),
            apps=(app_id, app_id, app_id),
        )
    )


def _draft(source: str, target: BillingProfile, criteria: dict[str, list[str]], reason: str) -> None:
    migration = draft_migration(
        from_profile=BillingProfile.objects.get(name=source), to_profile=target, criteria=criteria, reason=reason
    )
    work_off_migration(check_migration(migration=migration))


def _approve_europe() -> int:
    approve_migration(migration=_to_europe(), reason="Checked with treasury.")
    return 0


def _move_to_europe(limit: int | None) -> int:
    work_off_migration(run_migration(migration=_to_europe(), limit=limit))
    return 0


def _take_one_back() -> int:
    """The customer whose next invoice is farthest away: it must not exist yet."""
    migration = _to_europe()
    moved = migration.items.filter(outcome=MoveOutcome.MOVED).order_by(
        "-customer__subscriptions__next_billing_at", "id"
    )
    take_back(migration=migration, customer=moved[0].customer, reason="Pays from an account in dollars after all.")
    return 0


def _to_europe() -> ProfileMigration:
    return ProfileMigration.objects.get(to_profile__name=_EUROPE)
