"""What a migration may do that its own author approves (four eyes)."""

import pytest

from core import clock
from core.approvals.errors import ApprovalNeeded, SecondPersonNeeded
from core.approvals.limits import approved as second_person
from core.approvals.models import CountedAct
from core.audit.actors import Actor, acting_as
from core.audit.models import AuditEntry
from core.ids import to_text
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.services.profile_input import ProfileInput
from customers.services.supplier_input import SupplierInput
from customers.settings_layers import WORKFLOW_FIELDS
from invoicing.customer_guards.override_fields import override_fields
from invoicing.errors import TooManyMoves
from invoicing.models import TaxRate
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.limit_moves import why_not_move_all
from invoicing.profile_moves.pin_customer import pin_customer
from invoicing.profile_moves.save_profile import update_profile
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.work_migration_shard import work_off_migration
from tests.support.clock import at
from tests.support.moves import (
    ADA,
    BOB,
    MOVE,
    approved,
    billed_by,
    outcomes,
    work_off,
)

pytestmark = pytest.mark.django_db


def checked(old, new, customers):
    criteria = {"customerId": [to_text(customer.pk) for customer in customers]}
    with clock.frozen_at(MOVE), acting_as(ADA):
        migration = draft_migration(from_profile=old, to_profile=new, criteria=criteria)
        return work_off_migration(check_migration(migration=migration))


def changed(profile, **changes):
    workflow = {name: getattr(profile, name) for name in WORKFLOW_FIELDS} | changes
    supplier = SupplierInput(id=profile.supplier_id)
    replacement = ProfileInput(name=profile.name, supplier=supplier, default=profile.is_default, workflow=workflow)
    return update_profile(profile=profile, replacement=replacement)


def test_several_small_ones_and_pins_of_a_day_add_up(old, new, customers, settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 4
    first, second = checked(old, new, customers[:2]), checked(old, new, customers[2:4])
    with acting_as(ADA):
        approve_migration(migration=first)
        with clock.frozen_at(MOVE):
            pin_customer(customer=customers[5], profile=new, reason="x")
        with pytest.raises(SecondPersonNeeded, match="makes 5 customers moved by you within 24 hours"):
            approve_migration(migration=second)
    second.refresh_from_db()
    assert second.status == "checked"
    with acting_as(BOB):
        assert approve_migration(migration=second).status == "approved"
    assert set(CountedAct.objects.values_list("person", "rule")) == {("user:1", "move")}


def test_taking_back_what_two_approved_counts_as_moves_of_the_one_who_does_it(old, new, customers, settings):
    """Three of a day; who was moved by the same person today counts once."""
    settings.MIGRATION_TWO_PERSON_ABOVE = 6
    migration = work_off(approved(old, new))
    settings.MIGRATION_TWO_PERSON_ABOVE = 3
    with clock.frozen_at(MOVE), acting_as(BOB):
        for customer in customers[:3]:
            take_back(migration=migration, customer=customer, reason="Asked")
        refusal = "makes 4 customers moved by you within 24 hours, and one person moves 3 at most. Nothing was changed."
        with pytest.raises(TooManyMoves, match=f"{refusal} Use a profile migration to “Default”"):
            take_back(migration=migration, customer=customers[3], reason="Asked")
        pin_customer(customer=customers[0], profile=new, reason="After all")
        assert why_not_move_all(customers[3:4], old) and not why_not_move_all(customers[:3], old)
    assert outcomes(migration) == {"moved": 3, "taken_back": 3}
    assert billed_by(customers) == {"Cards": 4, "None": 2}
    with clock.frozen_at(MOVE), acting_as(ADA):
        take_back(migration=migration, customer=customers[3], reason="Asked")


def test_what_one_moved_alone_they_take_back_alone(old, new, customers, settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 4
    migration = checked(old, new, customers[:4])
    with acting_as(ADA):
        approve_migration(migration=migration)
        migration = work_off(migration)
        with clock.frozen_at(MOVE):
            for customer in customers[:4]:
                take_back(migration=migration, customer=customer, reason="Asked")
            with pytest.raises(TooManyMoves, match="makes 5 customers"):
                pin_customer(customer=customers[4], profile=new, reason="One more")
    assert outcomes(migration) == {"taken_back": 4}


def test_who_is_blocked_does_not_count(old, new, customers):
    CustomerOverride.objects.update_or_create(customer=customers[1], defaults={"billing_profile": new})
    migration = checked(old, new, customers[:2])
    with acting_as(ADA):
        approve_migration(migration=migration)
    assert CountedAct.objects.values_list("rule", "subject_id").get() == ("move", customers[0].pk)


def test_even_one_customer_is_left_without_tax_only_by_two(old, new, customers):
    BillingProfile.objects.filter(pk=new.pk).update(tax_enabled=False)
    CustomerOverride.objects.update_or_create(customer=customers[1], defaults={"tax_enabled": True})
    one = checked(old, new, customers[:1])
    with acting_as(ADA), pytest.raises(SecondPersonNeeded, match="invoices of 1 customer would be without tax"):
        approve_migration(migration=one)
    with acting_as(BOB):
        assert approve_migration(migration=one).status == "approved"
    # With a setting of their own, they keep their tax.
    other = checked(old, new, customers[1:2])
    with acting_as(ADA):
        assert approve_migration(migration=other).status == "approved"


def test_the_trail_counts_one_customer_as_one(old, new, customers):
    checked(old, new, customers[:1])
    said = AuditEntry.objects.filter(verb__startswith="profilemigration.check").values_list("sentence", flat=True)
    assert ["1 customer " in sentence for sentence in said] == [True, True]


def test_so_is_one_who_would_be_taxed_much_lower(old, new, customers):
    """7 % instead of 19 %."""
    Customer.objects.update(country="DE")
    TaxRate.objects.create(country="DE", rate=19, name="VAT", valid_from=at("2020-01-01"))
    TaxRate.objects.create(country="DE", category="food", rate=7, name="Food", valid_from=at("2020-01-01"))
    BillingProfile.objects.filter(pk=new.pk).update(tax_code="food")
    migration = checked(old, new, customers[:1])
    lower = "invoices of 1 customer would be taxed more than 3 percentage points lower. You drafted"
    with acting_as(ADA), pytest.raises(SecondPersonNeeded, match=lower):
        approve_migration(migration=migration)
    # Lowered once it was approved, it is the same.
    BillingProfile.objects.filter(pk=new.pk).update(tax_code="")
    with acting_as(ADA):
        approve_migration(migration=migration)
    BillingProfile.objects.filter(pk=new.pk).update(tax_code="food")
    migration.refresh_from_db()
    assert outcomes(work_off(migration)) == {"failed": 1}
    [cause] = migration.items.get().causes
    assert cause["message"].startswith("They would be taxed more than 3 percentage points lower by “")


@pytest.mark.parametrize(("most", "ends"), [(0, {"failed": 5, "moved": 1}), (5, {"moved": 6})])
def test_what_lost_its_tax_between_approval_and_move_stays_where_one_person_approved(
    old, new, customers, settings, most, ends
):
    """All have a setting of their own by which they keep their tax; five lose it while the old profile still bills
    them with tax, which needs nobody."""
    BillingProfile.objects.filter(pk=new.pk).update(tax_enabled=False)
    for customer in customers:
        CustomerOverride.objects.update_or_create(customer=customer, defaults={"tax_enabled": True})
    settings.TAX_OFF_TWO_PERSON_ABOVE = most
    migration = checked(old, new, customers)
    with acting_as(ADA):
        approve_migration(migration=migration)
        for customer in customers[:5]:
            override_fields(customer=customer, workflow={"tax_enabled": None})
    migration.refresh_from_db()
    assert outcomes(work_off(migration)) == ends
    causes = {cause["code"] for item in migration.items.filter(outcome="failed") for cause in item.causes}
    assert causes == ({"tax_off"} if most == 0 else set())
    assert billed_by(customers)["Cards"] == ends["moved"]
    counted = CountedAct.objects.filter(rule="tax_off").values_list("person", flat=True)
    assert list(counted) == ["user:1"] * most


def test_where_a_second_person_or_a_program_that_may_approved_it_they_move(old, new, customers):
    by_program = Actor("api_key", "k1", "Sync", made_by=ADA.id, may_act_alone=True)
    for approver, who in ((BOB, customers[:2]), (by_program, customers[2:4])):
        migration = checked(old, new, who)
        with acting_as(approver):
            approve_migration(migration=migration)
        BillingProfile.objects.filter(pk=new.pk).update(tax_enabled=False)
        migration.refresh_from_db()
        assert outcomes(work_off(migration)) == {"moved": 2}


def test_nobody_is_taken_back_to_where_no_tax_is_charged_by_one(old, new, customers):
    migration = work_off(approved(old, new))
    BillingProfile.objects.filter(pk=old.pk).update(tax_enabled=False)
    with clock.frozen_at(MOVE), acting_as(ADA):
        with pytest.raises(ApprovalNeeded, match="The next invoices of Customer 0000 would be without tax"):
            take_back(migration=migration, customer=customers[0], reason="Asked")
        assert (billed_by(customers), outcomes(migration)) == ({"Cards": 6}, {"moved": 6})
        with second_person():
            take_back(migration=migration, customer=customers[0], reason="Asked")
    assert outcomes(migration) == {"moved": 5, "taken_back": 1}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tax_enabled": False}, "The next invoices of 6 customers on"),
        ({"due_after": "P90D"}, "The due after of 6 customers"),
    ],
)
def test_where_customers_are_on_their_way_to_is_not_changed_by_one(old, new, customers, settings, changes, said):
    settings.PROFILE_TWO_PERSON_ABOVE = 5
    migration = checked(old, new, customers)
    with acting_as(ADA):
        # Nobody is sure to come yet.
        assert changed(new, **changes).tax_enabled == changes.get("tax_enabled", True)
        BillingProfile.objects.filter(pk=new.pk).update(tax_enabled=True, due_after="P30D")
    with acting_as(BOB):
        approve_migration(migration=migration)
    with acting_as(ADA), pytest.raises(ApprovalNeeded, match=said):
        changed(new, **changes)


def test_a_profile_that_was_without_tax_before_is_changed_alone(old, new, customers):
    BillingProfile.objects.filter(pk=new.pk).update(tax_enabled=False)
    new.refresh_from_db()
    for customer in customers:
        CustomerOverride.objects.update_or_create(customer=customer, defaults={"billing_profile": new})
    with acting_as(ADA):
        assert changed(new, due_after="P90D").due_after == "P90D"
