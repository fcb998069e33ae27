"""Two apps outside, profiles on them, customers between them: what the tests of migrations share."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from core import clock
from core.audit.actors import Actor, acting_as
from customers.models import BillingApp, BillingProfile, Customer, CustomerAppData, CustomerOverride, UsageSubject
from invoicing.gateways import Check, CheckProblem, KnownAs, PaymentMethodCheck
from invoicing.models import ProfileMigration
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.progress import progress_of
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.work_migration_shard import work_off_migration
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Plan
from tests.support.clock import at
from tests.support.customers import make_default_profile

ADA = Actor("user", "1", "Ada")
BOB = Actor("user", "2", "Bob")
START = at("2026-03-01")
MOVE = at("2026-03-20")


class CardApp:
    """Stands for a payment provider: it answers for the customer ids that it knows, and fails for `down` ones."""

    is_local = False

    def __init__(self) -> None:
        self.cardless: set[str] = set()
        self.down: set[str] = set()
        self.currencies: dict[str, str] = {}
        self.asked: Counter[str] = Counter()

    @contextmanager
    def checking(self, app: BillingApp) -> Iterator[Check]:
        yield self.check

    def check(self, known: KnownAs) -> PaymentMethodCheck:
        external_id = known.external_id
        if external_id is None:
            return PaymentMethodCheck(CheckProblem.NO_CUSTOMER_ID)
        self.asked[external_id] += 1
        if external_id in self.down:
            raise TimeoutError
        problem = CheckProblem.NO_PAYMENT_METHOD if external_id in self.cardless else None
        return PaymentMethodCheck(problem, currency=self.currencies.get(external_id))


def make_card_profile(**overrides: Any) -> BillingProfile:
    """A profile on an app outside, of the default's supplier: invoices are sent out for 20 days."""
    default = make_default_profile()
    values = {
        "name": "Cards",
        "supplier": default.supplier,
        "app": BillingApp.objects.create(type="stripe", name="Cards"),
        "due_after": "P20D",
    }
    return BillingProfile.objects.create(**(values | overrides))


def make_customers(number: int, plan: Plan, *, app: BillingApp | None = None, first: int = 0) -> list[Customer]:
    """Customers on `plan` since 1 March 2026, known at `app` as cus_0, cus_1, ..."""
    made = []
    with clock.frozen_at(START):
        for index in range(first, first + number):
            customer = Customer.objects.create(
                key=f"c{index}", name=f"Customer {index:04}", currency="EUR", primary_email=f"c{index}@example.com"
            )
            UsageSubject.objects.create(customer=customer, key=f"c{index}")
            record_subscription(customer=customer, plan=plan, active_from=START)
            if app is not None:
                CustomerAppData.objects.create(customer=customer, app=app, external_id=f"cus_{index}")
            made.append(customer)
    return made


def approved(
    source: BillingProfile, target: BillingProfile, *, now: datetime = MOVE, **criteria: Any
) -> ProfileMigration:
    """A migration that Ada drafted and had checked, and Bob approved."""
    with clock.frozen_at(now):
        with acting_as(ADA):
            migration = draft_migration(from_profile=source, to_profile=target, criteria=criteria)
            migration = work_off_migration(check_migration(migration=migration))
        with acting_as(BOB):
            return approve_migration(migration=migration, reason="Agreed")


def billed_by(customers: list[Customer]) -> Counter[str]:
    """How many of these customers are pinned to which profile."""
    rows = CustomerOverride.objects.filter(customer__in=customers).values_list("billing_profile__name", flat=True)
    return Counter(str(name) for name in rows)


def work_off(migration: ProfileMigration, **options: Any) -> ProfileMigration:
    """The approved migration, run to its end on the day of the move."""
    with clock.frozen_at(MOVE):
        return work_off_migration(run_migration(migration=migration, **options))


def outcomes(migration: ProfileMigration) -> dict[str, int]:
    """How many of its customers came to which end."""
    return dict(progress_of([migration])[migration.pk].outcomes)
