"""The life of a profile migration, step by step."""

from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection

from core import clock
from core.approvals.errors import SecondPersonNeeded
from core.audit.actors import Actor, acting_as
from core.audit.models import AuditEntry
from core.errors import InvalidInput
from core.ids import to_text
from customers.errors import ProfileArchived
from customers.models import CustomerAppData, CustomerOverride, Supplier
from customers.services.archive_profile import archive_profile
from invoicing.errors import MoveBlocked, WrongMigrationState
from invoicing.models import BalanceEntry, Invoice, MigrationItem, MigrationShard
from invoicing.profile_moves import work_migration_shard as module
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pause_migration import cancel_migration, pause_migration
from invoicing.profile_moves.pin_customer import pin_customer
from invoicing.profile_moves.pin_unpinned import pin_unpinned
from invoicing.profile_moves.preview_move import preview_move
from invoicing.profile_moves.progress import causes_in, progress_of, steps_of
from invoicing.profile_moves.retry_move import retry_failed, retry_move
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.work_migration_shard import unfinished_shards, work_off_migration
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.pause_subscription import pause_subscription
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import fee, flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.moves import (
    ADA,
    BOB,
    MOVE,
    START,
    approved,
    billed_by,
    make_card_profile,
    make_customers,
    outcomes,
    work_off,
)

pytestmark = pytest.mark.django_db


def causes(migration, customer):
    item = MigrationItem.objects.get(migration=migration, customer=customer)
    return item.verdict, [cause["code"] for cause in item.causes]


def check(old, new, **criteria):
    with clock.frozen_at(MOVE), acting_as(ADA):
        migration = draft_migration(from_profile=old, to_profile=new, criteria=criteria)
        return work_off_migration(check_migration(migration=migration))


class TestDrafting:
    def test_a_move_to_the_same_profile_is_refused(self, old):
        with pytest.raises(InvalidInput, match="must lead to another profile"):
            draft_migration(from_profile=old, to_profile=old, criteria={})

    def test_a_move_to_an_archived_profile_is_refused(self, old, new):
        archive_profile(profile=new, reason="Old")
        new.refresh_from_db()
        with pytest.raises(ProfileArchived, match="is archived, so nobody can move there"):
            draft_migration(from_profile=old, to_profile=new, criteria={})

    def test_where_nobody_fits_there_is_nobody_to_check(self, old, new):
        migration = draft_migration(from_profile=old, to_profile=new, criteria={})
        with pytest.raises(InvalidInput, match="nobody to move"):
            check_migration(migration=migration)


class TestChecking:
    def test_each_is_ready_warned_or_blocked_with_the_cause(self, old, new, cards, customers):
        ready, no_id, no_card, down, bound, other = customers
        CustomerAppData.objects.filter(customer=no_id).delete()
        cards.cardless, cards.down, cards.currencies = {"cus_2"}, {"cus_3"}, {"cus_4": "usd"}
        old.collection_method = "send_invoice"
        old.save()
        with clock.frozen_at(START):
            run_due(as_of=START)
        CustomerOverride.objects.create(customer=other, billing_profile=new)
        migration = check(old, new)
        assert migration.status == "checked"
        assert migration.customer_count == 5  # the sixth is on the target already
        assert causes(migration, ready) == ("warning", ["unpaid_invoices"])
        assert causes(migration, no_id) == ("blocked", ["no_customer_id", "unpaid_invoices"])
        assert causes(migration, no_card) == ("blocked", ["no_payment_method", "unpaid_invoices"])
        assert causes(migration, down) == ("blocked", ["app_unreachable", "unpaid_invoices"])
        assert causes(migration, bound) == ("blocked", ["other_currency", "unpaid_invoices"])
        assert not CustomerOverride.objects.filter(customer__in=customers[:5]).exists()
        [cause] = MigrationItem.objects.get(customer=ready).causes
        invoice = Invoice.objects.get(customer=ready, issued_at__isnull=False)
        assert [link["label"] for link in cause["links"]] == [invoice.number]
        found = {cause.code: (cause.severity, cause.count) for cause in causes_in(migration)}
        assert found["unpaid_invoices"] == ("warning", 5)
        assert found["other_currency"] == ("blocked", 1)

    def test_open_drafts_are_a_warning(self, old, new, customers):
        old.auto_advance = False
        old.save()
        with clock.frozen_at(START):
            run_due(as_of=START)
        migration = check(old, new)
        assert causes(migration, customers[0]) == ("warning", ["open_drafts"])

    def test_what_the_target_s_own_supplier_billed_in_advance_is_no_block(self, old, new, customers):
        """Back at the supplier that billed the period, nothing of it is lost."""
        new.supplier = Supplier.objects.create(name="Other", invoice_prefix="OTH", credit_note_prefix="OTHCN")
        new.save()
        with clock.frozen_at(START):
            run_due(as_of=START)
        CustomerOverride.objects.create(customer=customers[0], billing_profile=new)
        migration = check(new, old)
        assert causes(migration, customers[0]) == ("ready", [])

    def test_across_suppliers_a_balance_and_unused_periods_block(self, old, new, customers):
        new.supplier = Supplier.objects.create(name="Other", invoice_prefix="OTH", credit_note_prefix="OTHCN")
        new.save()
        with clock.frozen_at(START):
            run_due(as_of=START)
        BalanceEntry.objects.create(customer=customers[0], currency="EUR", kind="overpayment", amount="12.00", at=START)
        migration = check(old, new)
        assert causes(migration, customers[0]) == ("blocked", ["balance", "unused_periods"])
        assert causes(migration, customers[1]) == ("blocked", ["unused_periods"])

    def test_within_a_supplier_they_do_not(self, old, new, customers):
        with clock.frozen_at(START):
            run_due(as_of=START)
        BalanceEntry.objects.create(customer=customers[0], currency="EUR", kind="overpayment", amount="12.00", at=START)
        assert causes(check(old, new), customers[0]) == ("ready", [])

    def test_whom_the_source_does_not_bill_shows_as_blocked_where_named(self, old, new, customers):
        CustomerOverride.objects.create(customer=customers[0], billing_profile=make_card_profile(name="Third"))
        migration = check(old, new, customerId=[to_text(customer.pk) for customer in customers[:2]])
        assert causes(migration, customers[0]) == ("blocked", ["not_on_source"])
        assert causes(migration, customers[1]) == ("ready", [])

    def test_the_number_of_queries_does_not_depend_on_the_number_of_customers(
        self, old, new, django_assert_max_num_queries
    ):
        make_customers(30, make_plan(), app=new.app)
        with clock.frozen_at(MOVE):
            migration = check_migration(migration=draft_migration(from_profile=old, to_profile=new, criteria={}))
            with django_assert_max_num_queries(40):
                work_off_migration(migration)


class TestApproving:
    def test_a_large_one_needs_a_second_person(self, old, new, customers, settings):
        settings.MIGRATION_TWO_PERSON_ABOVE = 5
        migration = check(old, new)
        with acting_as(ADA), pytest.raises(SecondPersonNeeded, match="somebody else must approve it"):
            approve_migration(migration=migration)
        with acting_as(BOB):
            assert approve_migration(migration=migration).status == "approved"
        assert AuditEntry.objects.get(verb="profilemigration.approved").sentence == (
            "Bob approved the move from “Default” to “Cards” for 6 of 6 customers."
        )

    def test_a_small_one_does_not(self, old, new, customers, settings):
        settings.MIGRATION_TWO_PERSON_ABOVE = 6
        with acting_as(ADA):
            assert approve_migration(migration=check(old, new)).status == "approved"

    def test_nobody_is_a_second_person_by_an_api_key_of_their_own(self, old, new, customers, settings):
        settings.MIGRATION_TWO_PERSON_ABOVE = 5
        migration = check(old, new)
        with (
            acting_as(Actor("api_key", "k1", "API key Ada's", made_by=ADA.id)),
            pytest.raises(SecondPersonNeeded, match="Ada drafted this migration of 6 customers"),
        ):
            approve_migration(migration=migration)
        with acting_as(Actor("api_key", "k2", "API key Bob's", made_by=BOB.id)):
            approved = approve_migration(migration=migration)
        assert (approved.author, approved.approver, approved.approver_name) == ("user:1", "user:2", "API key Bob's")

    def test_nor_by_two_keys_that_nobody_is_known_to_have_made(self, old, new, customers, settings):
        settings.MIGRATION_TWO_PERSON_ABOVE = 5
        with acting_as(Actor("api_key", "k1", "API key One")):
            migration = check_migration(migration=draft_migration(from_profile=old, to_profile=new, criteria={}))
        migration = work_off_migration(migration)
        with acting_as(Actor("api_key", "k2", "API key Two")), pytest.raises(SecondPersonNeeded):
            approve_migration(migration=migration)
        with acting_as(BOB):
            assert approve_migration(migration=migration).status == "approved"

    def test_only_a_checked_one_can_be_approved(self, old, new, customers):
        migration = draft_migration(from_profile=old, to_profile=new, criteria={})
        with pytest.raises(WrongMigrationState, match="Only a checked one"):
            approve_migration(migration=migration)

    def test_from_then_on_the_customers_are_listed_for_good(self, old, new, customers):
        migration = approved(old, new)
        make_customer(key="late", name="Late")
        with pytest.raises(WrongMigrationState, match="listed for good"):
            check_migration(migration=migration)
        work_off(migration)
        assert outcomes(migration) == {"moved": 6}
        assert CustomerOverride.objects.count() == 6

    def test_where_all_are_blocked_there_is_nothing_to_approve(self, old, new, cards, customers):
        cards.cardless = {f"cus_{index}" for index in range(6)}
        with pytest.raises(WrongMigrationState, match="Every customer is blocked"):
            approve_migration(migration=check(old, new))


class TestRunning:
    def test_everybody_moves_and_each_is_told_of(self, old, new, customers):
        migration = work_off(approved(old, new))
        assert (migration.status, outcomes(migration)) == ("done", {"moved": 6})
        assert billed_by(customers) == {"Cards": 6}
        entry = AuditEntry.objects.get(verb="customer.moved", customer_id=customers[0].pk)
        assert entry.sentence == "Countinghouse moved Customer 0000 from “Default” to “Cards”."
        assert entry.reason == "Profile migration approved by Bob"

    def test_a_small_first_batch_then_a_pause_then_the_rest(self, old, new, customers):
        migration = work_off(approved(old, new), limit=2)
        assert (migration.status, outcomes(migration)) == ("paused", {"moved": 2, "pending": 4})
        migration = work_off(migration, limit=1)
        assert (migration.status, outcomes(migration)) == ("paused", {"moved": 3, "pending": 3})
        migration = work_off(migration)
        assert (migration.status, outcomes(migration)) == ("done", {"moved": 6})

    def test_paused_nobody_moves_until_it_is_resumed(self, old, new, customers):
        migration = run_migration(migration=approved(old, new))
        migration = work_off_migration(pause_migration(migration=migration))
        assert (migration.status, outcomes(migration)) == ("paused", {"waiting": 6})
        assert unfinished_shards() == []
        assert work_off(migration).status == "done"

    def test_of_a_paused_batch_no_more_go_on_than_asked_for(self, old, new, customers):
        migration = pause_migration(migration=run_migration(migration=approved(old, new)))
        migration = work_off(migration, limit=2)
        assert (migration.status, outcomes(migration)) == ("paused", {"moved": 2, "pending": 4})
        assert work_off(migration).status == "done"
        assert billed_by(customers) == {"Cards": 6}

    def test_trying_the_failed_again_does_not_resume_a_batch_that_was_paused(self, old, new, cards, customers):
        migration = approved(old, new)
        cards.down = {f"cus_{index}" for index in range(6)}
        migration = work_off(migration, limit=1)
        migration = pause_migration(migration=run_migration(migration=migration))
        with pytest.raises(WrongMigrationState, match="5 customers of its batch still wait: they would move, too"):
            retry_failed(migration=migration)
        assert outcomes(migration) == {"failed": 1, "waiting": 5}
        assert not CustomerOverride.objects.exists()

    def test_a_worker_that_fails_gives_its_shard_back_at_once(self, old, new, customers, monkeypatch):
        migration = run_migration(migration=approved(old, new))
        [shard] = unfinished_shards()
        away = OperationalError("the server closed the connection")
        monkeypatch.setattr(module, "move_batch", Mock(side_effect=away))
        with pytest.raises(OperationalError):
            module.work_migration_shard(shard)
        assert unfinished_shards() == [shard]
        assert outcomes(migration) == {"waiting": 6}

    def test_cancelled_nobody_moves_any_more_and_who_moved_stays(self, old, new, customers):
        migration = work_off(approved(old, new), limit=2)
        migration = cancel_migration(migration=migration, reason="Wrong cards")
        assert (migration.status, outcomes(migration)) == ("cancelled", {"moved": 2, "cancelled": 4})
        with pytest.raises(WrongMigrationState, match="can't run"):
            run_migration(migration=migration)
        assert billed_by(customers) == {"Cards": 2}

    def test_one_that_is_not_approved_does_not_run(self, old, new, customers):
        with pytest.raises(WrongMigrationState, match="Only an approved or a paused one"):
            run_migration(migration=check(old, new))

    def test_who_is_blocked_since_fails_alone_and_is_tried_again(self, old, new, cards, customers):
        migration = approved(old, new)
        cards.down = {"cus_1", "cus_4"}
        migration = work_off(migration)
        assert (migration.status, outcomes(migration)) == ("done", {"moved": 4, "failed": 2})
        item = MigrationItem.objects.get(customer=customers[1])
        assert item.causes[0]["message"] == "Cards gave no answer (TimeoutError)."
        cards.down = {"cus_4"}
        with clock.frozen_at(MOVE):
            assert retry_move(migration=migration, customer=customers[1]).outcome == "moved"
            assert retry_move(migration=migration, customer=customers[4]).outcome == "failed"
            with pytest.raises(WrongMigrationState, match="nothing to try again"):
                retry_move(migration=migration, customer=customers[0])
        cards.down = set()
        assert retry_failed(migration=migration) == 1
        with clock.frozen_at(MOVE):
            migration = work_off_migration(migration)
        assert (migration.status, outcomes(migration)) == ("done", {"moved": 6})
        assert not MigrationShard.objects.exclude(status="done").exists()

    def test_who_was_blocked_moves_once_the_cause_is_gone(self, old, new, cards, customers):
        cards.cardless = {"cus_0"}
        migration = work_off(approved(old, new))
        assert outcomes(migration) == {"moved": 5, "blocked": 1}
        cards.cardless = set()
        with clock.frozen_at(MOVE):
            assert retry_move(migration=migration, customer=customers[0]).outcome == "moved"

    def test_whom_somebody_else_moved_meanwhile_is_left_alone(self, old, new, customers):
        migration = approved(old, new)
        third = make_card_profile(name="Third", collection_method="send_invoice")
        with clock.frozen_at(MOVE):
            pin_customer(customer=customers[0], profile=third, reason="By hand")
        migration = work_off(migration)
        assert outcomes(migration) == {"moved": 5, "failed": 1}
        assert causes(migration, customers[0]) == ("blocked", ["not_on_source"])
        assert billed_by(customers) == {"Cards": 5, "Third": 1}

    def test_one_that_the_database_refuses_stops_nobody_else(self, old, new, customers):
        migration = approved(old, new)
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE customers_customeroverride ADD CONSTRAINT not_him CHECK (customer_id <> %s)",
                [customers[2].pk],
            )
        migration = work_off(migration)
        assert (migration.status, outcomes(migration)) == ("done", {"moved": 5, "failed": 1})
        assert (
            "Something unexpected went wrong (IntegrityError: new row"
            in MigrationItem.objects.get(customer=customers[2]).causes[0]["message"]
        )

    def test_an_archived_target_takes_nobody(self, old, new, customers):
        migration = approved(old, new)
        archive_profile(profile=new, reason="Old")
        with pytest.raises(ProfileArchived, match="Nobody was moved"):
            run_migration(migration=migration)


class TestTakingBack:
    def test_until_the_next_invoice_exists(self, old, new, customers):
        first, second = customers[:2]
        CustomerOverride.objects.create(customer=second, due_after="P60D", billing_profile=old)
        migration = work_off(approved(old, new))
        with clock.frozen_at(at("2026-03-21")):
            for customer in (first, second):
                assert take_back(migration=migration, customer=customer, reason="Asked").outcome == "taken_back"
            with pytest.raises(WrongMigrationState, match="is taken back in this migration"):
                take_back(migration=migration, customer=first, reason="Asked")
        assert outcomes(migration) == {"moved": 4, "taken_back": 2}
        # The first followed the default before, the second was pinned.
        assert CustomerOverride.objects.get(customer=first).billing_profile is None
        kept = CustomerOverride.objects.get(customer=second)
        assert (kept.billing_profile, kept.due_after) == (old, "P60D")

        new.collection_method = "send_invoice"
        new.save()
        with clock.frozen_at(at("2026-04-01")):
            run_due(as_of=at("2026-04-01"))
            with pytest.raises(WrongMigrationState, match="their next invoice exists"):
                take_back(migration=migration, customer=customers[2])
        assert billed_by(customers) == {"Cards": 4, "Default": 1, "None": 1}

    def test_to_the_profile_that_they_left_though_the_default_changed(self, old, new, customers):
        migration = work_off(approved(old, new))
        switch_default(profile=new, reason="For all new ones")
        with clock.frozen_at(MOVE):
            take_back(migration=migration, customer=customers[0])
        assert CustomerOverride.objects.get(customer=customers[0]).billing_profile == old

    def test_is_a_move_with_the_same_checks(self, old, new, cards, customers):
        there = make_card_profile(name="There", app=new.app)
        with clock.frozen_at(MOVE):
            for customer in customers:
                pin_customer(customer=customer, profile=there, reason="To begin with")
        migration = work_off(approved(there, old))
        cards.cardless = {"cus_0"}
        with clock.frozen_at(MOVE):
            with pytest.raises(MoveBlocked, match="stays on “Default” and was not taken back to “There”"):
                take_back(migration=migration, customer=customers[0])
            assert take_back(migration=migration, customer=customers[1]).outcome == "taken_back"
            archive_profile(profile=there, reason="Old")
            with pytest.raises(ProfileArchived, match="stays on “Default”: take it into use again first"):
                take_back(migration=migration, customer=customers[2])
        assert billed_by(customers) == {"Default": 5, "There": 1}

    def test_who_was_not_moved_is_refused(self, old, new, customers):
        migration = approved(old, new)
        with pytest.raises(WrongMigrationState, match="nothing to take back"):
            take_back(migration=migration, customer=customers[0])


def test_the_four_steps_of_a_safe_move(old, new, customers):
    migration = draft_migration(from_profile=old, to_profile=new, criteria={})

    def steps():
        migration.refresh_from_db()
        return [(step.is_done, step.left) for step in steps_of(migration, progress_of([migration])[migration.pk])]

    assert steps() == [(True, 0), (False, 6), (False, 1), (False, 0)]
    assert pin_unpinned(profile=old, reason="Before the switch") == 6
    assert pin_unpinned(profile=old) == 0
    assert billed_by(customers) == {"Default": 6}
    assert steps() == [(True, 0), (True, 0), (False, 1), (False, 0)]
    assert switch_default(profile=new, reason="New ones") == 0
    assert steps()[2] == (True, 0)
    with clock.frozen_at(MOVE):
        migration = work_off_migration(check_migration(migration=migration))
        with acting_as(BOB):
            approve_migration(migration=migration)
        work_off_migration(run_migration(migration=migration))
    assert steps() == [(True, 0), (True, 0), (True, 0), (True, 0)]
    assert billed_by(customers) == {"Cards": 6}


def test_the_next_invoice_is_shown_under_both_terms(old, new, customers):
    with clock.frozen_at(START):
        run_due(as_of=START)
    migration = draft_migration(from_profile=old, to_profile=new, criteria={})
    before = Invoice.objects.count()
    with clock.frozen_at(MOVE):
        [impact] = preview_move(migration=migration, customer_ids=[customers[0].pk])
    assert (impact.currency, str(impact.before.total), str(impact.after.total)) == ("EUR", "50.00", "50.00")
    assert impact.difference == 0
    assert (impact.before.app, impact.before.due_at) == ("Sandbox", at("2026-05-01"))
    assert (impact.after.app, impact.after.due_at) == ("Cards", at("2026-04-21"))
    assert Invoice.objects.count() == before


def test_the_next_invoice_is_shown_behind_what_comes_back_before_it(old, new, customers):
    """A quarter of 92.00 (92 days from March on) is paused on 25 March: 68 days come back then, 68.00, by credit note.
    The next invoice is that of 1 April over 50.00: nothing of what came back is on it."""
    cards = (flat_card(name="Quarter", price=fee("92.00"), billing_cadence="P3M"),)
    with clock.frozen_at(START):
        quarter = record_subscription(
            customer=customers[0], plan=make_plan(key="quarter", name="Quarter", cards=cards), active_from=START
        )
        run_due(as_of=START)
    migration = draft_migration(from_profile=old, to_profile=new, criteria={})
    with clock.frozen_at(MOVE):
        pause_subscription(subscription=quarter, timing=at("2026-03-25"))
        [impact] = preview_move(migration=migration, customer_ids=[customers[0].pk])
    assert (str(impact.before.total), str(impact.after.total)) == ("50.00", "50.00")
    assert impact.before.issue_at == at("2026-04-01")
