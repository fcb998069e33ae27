"""What one person does in two windows at once is counted one after the other, and never waits in a circle."""

from threading import Event

import pytest
from django.db import transaction

from core import clock
from core.approvals.errors import ApprovalNeeded
from core.approvals.models import CountedAct
from core.audit.actors import acting_as
from core.ids import to_text
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.services.customer_input import CustomerInput
from invoicing.customer_guards.override_fields import override_fields
from invoicing.customer_guards.update_customer import update_customer
from invoicing.models import TaxRate
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.pin_customer import pin_customer
from invoicing.profile_moves.work_migration_shard import work_off_migration
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.customers import enterprise, make_default_profile
from tests.support.moves import ADA, BOB, MOVE, make_customers
from tests.support.workers import wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pin_beside_the_approval_of_ones_own_migration(settings):
    """Both count moves and lost taxes of the same person."""
    settings.TAX_OFF_TWO_PERSON_ABOVE = 10
    old = make_default_profile()
    first, *others = make_customers(3, make_plan())
    CustomerOverride.objects.create(customer=first, billing_profile=old)
    new = enterprise()
    criteria = {"customerId": [to_text(customer.pk) for customer in others]}
    with clock.frozen_at(MOVE), acting_as(ADA):
        migration = draft_migration(from_profile=old, to_profile=new, criteria=criteria)
        migration = work_off_migration(check_migration(migration=migration))
    BillingProfile.objects.filter(pk=new.pk).update(tax_enabled=False)
    new.refresh_from_db()
    held, counts_moves = Event(), Event()

    @transaction.atomic
    def hold():
        """Keep the pin from being written until the approval is on its way, too."""
        CustomerOverride.objects.select_for_update().get(customer=first)
        held.set()
        wait_until_blocked("customers_customeroverride")
        counts_moves.set()
        wait_until_blocked("pg_advisory_xact_lock")

    def pin():
        assert held.wait(timeout=30)
        with acting_as(ADA):
            pin_customer(customer=first, profile=new, reason="Asked for it")

    def approve():
        assert counts_moves.wait(timeout=30)
        with acting_as(ADA):
            approve_migration(migration=migration, reason="Agreed")

    at_once(hold, pin, approve, now=MOVE)
    migration.refresh_from_db()
    assert migration.status == "approved"
    assert CustomerOverride.objects.get(customer=first).billing_profile == new
    counted = [CountedAct.objects.filter(rule=rule, person="user:1").count() for rule in ("move", "tax_off")]
    assert counted == [3, 3]


def test_two_who_each_take_two_and_a_half_points_off_a_customer_are_seen_together():
    """19 % in Germany; 16.5 % in Luxembourg, or by a code; 14 % by that code in Luxembourg."""
    make_default_profile()
    [customer] = make_customers(1, make_plan())
    Customer.objects.update(country="DE")
    for country, category, rate in (("DE", "", 19), ("LU", "", "16.5"), ("DE", "less", "16.5"), ("LU", "less", 14)):
        TaxRate.objects.create(country=country, category=category, rate=rate, name="VAT", valid_from=at("2020-01-01"))
    moved, refused = Event(), []

    @transaction.atomic
    def move():
        replacement = CustomerInput(key=customer.key, name=customer.name, address={"country": "LU"})
        with acting_as(ADA):
            update_customer(customer=customer, replacement=replacement)
        moved.set()
        wait_until_blocked("pg_advisory_xact_lock")

    def set_code():
        assert moved.wait(timeout=30)
        with acting_as(BOB):
            try:
                override_fields(customer=customer, workflow={"tax_code": "less"})
            except ApprovalNeeded as error:
                refused.append(error.effect)

    at_once(move, set_code, now=MOVE)
    customer.refresh_from_db()
    assert customer.country == "LU"
    [effect] = refused
    assert effect.endswith("would be taxed more than 3 percentage points lower than within the year before, in steps.")
    assert not CustomerOverride.objects.filter(tax_code="less").exists()
