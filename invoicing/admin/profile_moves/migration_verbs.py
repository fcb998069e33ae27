"""What staff can do to a profile migration, one permission a verb."""

from django import forms
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core.admin.verbs import Answers, OptionalReasonForm, Review, Verb, Warned
from core.admin.words import counted
from core.audit.actors import current_actor
from invoicing.admin.profile_moves.default_review import default_review
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict, ShardKind
from invoicing.models import ProfileMigration
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration, checked_at_once
from invoicing.profile_moves.limit_migrations import why_not_own_migration
from invoicing.profile_moves.make_default_profile import make_default_profile
from invoicing.profile_moves.pause_migration import cancel_migration, pause_migration
from invoicing.profile_moves.pin_unpinned import AT_ONCE, start_pinning
from invoicing.profile_moves.progress import MigrationProgress, Step, progress_of, steps_of
from invoicing.profile_moves.retry_move import retry_failed
from invoicing.profile_moves.run_migration import resume_migration, run_migration
from invoicing.profile_moves.states import may_follow
from invoicing.profile_moves.tasks import work_migrations
from invoicing.profile_moves.work_migration_shard import pinned_at_once, work_off_migration

STATUS = MigrationStatus
_LISTED_FOR_GOOD = "Its customers are listed for good: they are not checked again."


def progress(migration: ProfileMigration) -> MigrationProgress:
    """The migration's progress, read once a request."""
    kept: MigrationProgress | None = migration.__dict__.get("_progress")
    if kept is None:
        kept = migration.__dict__["_progress"] = progress_of([migration])[migration.pk]
    return kept


def steps(migration: ProfileMigration, *, unpinned: int | None = None) -> dict[str, Step]:
    """The four steps by name, read once a request; `unpinned` spares the count of who follows the default."""
    kept: dict[str, Step] | None = migration.__dict__.get("_steps")
    if kept is None:
        found = steps_of(migration, progress(migration), unpinned=unpinned)
        kept = migration.__dict__["_steps"] = {step.name: step for step in found}
    return kept


class BatchForm(OptionalReasonForm):
    limit = forms.IntegerField(
        label="How many customers first",
        required=False,
        min_value=1,
        max_value=10_000_000,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
        help_text="A small first batch shows how it goes; the migration then pauses. Empty: everybody who is left.",
    )
    field_order = ("limit", "reason")


def start_check(migration: ProfileMigration) -> str:
    """Have everybody checked: a few at once, many by the workers. What to tell whoever asked for it."""
    migration = check_migration(migration=migration)
    if not checked_at_once(migration):
        transaction.on_commit(work_migrations.delay)
        return f"{counted(migration.customer_count, 'customer is', 'customers are')} being checked."
    found = progress_of([work_off_migration(migration, ShardKind.CHECK)])[migration.pk]
    blocked = found.verdicts.get(MoveVerdict.BLOCKED, 0)
    said = f"{counted(found.total, 'customer')} checked: {found.movable:,} can move, {blocked:,} blocked."
    return Warned(said) if blocked else said


def needs_second_person(migration: ProfileMigration) -> bool:
    """Whether so many customers are to move that the author can't approve it."""
    return migration.customer_count > settings.MIGRATION_TWO_PERSON_ABOVE


class StepVerb(Verb[ProfileMigration]):
    """Stands at its step of the guide."""

    in_bar = False


class Check(StepVerb):
    slug = "check"
    label = "Check everybody"
    permission = "invoicing.check_profilemigration"
    tone = "primary"
    form = OptionalReasonForm

    def asks(self, migration: ProfileMigration) -> str:
        return f"Check everybody whom “{migration.from_profile}” bills and who fits?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return [
            f"Each is listed as ready, with a warning, or blocked for “{migration.to_profile}”, with the cause.",
            "Nothing is changed, and nobody moves. What an earlier check found is replaced.",
        ]

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        if not may_follow(migration.status, STATUS.DRAFT):
            return _LISTED_FOR_GOOD
        return "The check is under way." if progress(migration).is_checking else ""

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        return start_check(migration)


class Approve(StepVerb):
    slug = "approve"
    label = "Approve"
    permission = "invoicing.approve_profilemigration"
    tone = "primary"

    def asks(self, migration: ProfileMigration) -> str:
        return f"Approve the move from “{migration.from_profile}” to “{migration.to_profile}”?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        found = progress(migration)
        blocked = found.verdicts.get(MoveVerdict.BLOCKED, 0)
        warned = found.verdicts.get(MoveVerdict.WARNING, 0)
        return [
            f"{counted(found.movable, 'customer')} can move"
            + (f", {warned:,} of them with a warning." if warned else "."),
            *([f"{counted(blocked, 'customer is', 'customers are')} blocked and left out."] if blocked else []),
            "The list of customers is frozen: who comes to the old profile later is not in it.",
            "Nobody moves yet. Each is looked at again when their turn comes.",
        ]

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        if migration.status == STATUS.DRAFT:
            return "Its customers are not checked yet."
        if not may_follow(migration.status, STATUS.APPROVED):
            return f"It is {migration.get_status_display().lower()} already."
        if not progress(migration).movable:
            return "Every customer is blocked: remove the causes, then check again."
        if migration.author != current_actor().person:
            return ""
        if needs_second_person(migration):
            above = settings.MIGRATION_TWO_PERSON_ABOVE
            return f"You drafted it: of more than {above} customers, somebody else must approve."
        return why_not_own_migration(migration)

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        approved = approve_migration(migration=migration, reason=answers["reason"])
        movable = counted(progress_of([approved])[approved.pk].movable, "customer")
        return f"Approved for {movable}. Nobody moves yet: run it."


class Run(StepVerb):
    slug = "run"
    label = "Move customers"
    permission = "invoicing.run_profilemigration"
    tone = "primary"
    form = BatchForm
    start = staticmethod(run_migration)

    def asks(self, migration: ProfileMigration) -> str:
        return f"Start to move customers to “{migration.to_profile}”?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return [
            "Their next invoices follow the new profile. Drafts and issued invoices keep their terms.",
            "Each is looked at again first: who is blocked meanwhile stays where they are, with the cause.",
            "A customer can be taken back until their next invoice exists.",
        ]

    def shows(self, migration: ProfileMigration) -> bool:
        return migration.status not in (STATUS.PAUSED, STATUS.DONE, STATUS.CANCELLED)

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        if migration.status in (STATUS.DRAFT, STATUS.CHECKED):
            return "It is not approved yet."
        if migration.status not in (STATUS.APPROVED, STATUS.PAUSED):
            return f"It is {migration.get_status_display().lower()}."
        if migration.to_profile.archived_at is not None:
            return f"“{migration.to_profile}” is archived: use it again first."
        return ""

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        limit = answers.get("limit")
        ran = self.start(migration=migration, limit=limit)
        transaction.on_commit(work_migrations.delay)
        if ran.status == STATUS.DONE:
            return "Nobody is left to be moved: the migration is done."
        waiting = ran.items.filter(outcome=MoveOutcome.WAITING).count()
        return f"{counted(waiting, 'customer is', 'customers are')} being moved."


class Resume(Run):
    slug = "resume"
    label = "Go on"
    start = staticmethod(resume_migration)

    def asks(self, migration: ProfileMigration) -> str:
        return f"Go on moving customers to “{migration.to_profile}”?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return [f"{counted(progress(migration).waiting, 'customer is', 'customers are')} left."]

    def shows(self, migration: ProfileMigration) -> bool:
        return migration.status == STATUS.PAUSED


class Pause(Verb[ProfileMigration]):
    slug = "pause"
    label = "Pause"
    permission = "invoicing.pause_profilemigration"

    def asks(self, migration: ProfileMigration) -> str:
        return "Pause after the batch that is under way?"

    def shows(self, migration: ProfileMigration) -> bool:
        return migration.status in (STATUS.APPROVED, STATUS.RUNNING)

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        return "" if may_follow(migration.status, STATUS.PAUSED) else "It does not run."

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        pause_migration(migration=migration, reason=answers["reason"])
        return "Paused. Who was moved stays moved; nobody else moves until it goes on."


class Cancel(Verb[ProfileMigration]):
    slug = "cancel"
    label = "Cancel migration"
    permission = "invoicing.cancel_profilemigration"
    tone = "danger"

    def asks(self, migration: ProfileMigration) -> str:
        return "Cancel this migration for good?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return ["Who was moved stays moved. Nobody else moves, and it can't be resumed."]

    def shows(self, migration: ProfileMigration) -> bool:
        return may_follow(migration.status, STATUS.CANCELLED)

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        cancel_migration(migration=migration, reason=answers["reason"])
        return "Cancelled. Who was moved stays moved; nobody else moves."


class RetryFailed(StepVerb):
    slug = "retry-failed"
    label = "Retry failed"
    permission = "invoicing.retry_profilemigration"
    form = OptionalReasonForm

    def asks(self, migration: ProfileMigration) -> str:
        return f"Try {counted(progress(migration).outcomes.get(MoveOutcome.FAILED, 0), 'customer')} again who failed?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return ["Who still is blocked fails again, with the cause of now."]

    def shows(self, migration: ProfileMigration) -> bool:
        return bool(progress(migration).outcomes.get(MoveOutcome.FAILED))

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        if not progress(migration).outcomes.get(MoveOutcome.FAILED):
            return "Nobody failed."
        return (
            "" if may_follow(migration.status, STATUS.RUNNING) else f"It is {migration.get_status_display().lower()}."
        )

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        count = retry_failed(migration=migration)
        transaction.on_commit(work_migrations.delay)
        return f"{counted(count, 'customer is', 'customers are')} tried again."


class PinUnpinned(StepVerb):
    slug = "pin-unpinned"
    label = "Pin them"
    permission = "invoicing.pin_unpinned_profilemigration"

    def asks(self, migration: ProfileMigration) -> str:
        unpinned = counted(steps(migration)["pin_unpinned"].left, "customer")
        return f"Pin {unpinned} who follow the default to “{migration.from_profile}”?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return [
            "Nothing changes for them: they are billed by it already, and stay with it when the default changes.",
            f"More than {AT_ONCE:,} are pinned by the workers, batch by batch: nobody needs to keep the page open.",
        ]

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        if not migration.from_profile.is_default:
            return f"“{migration.from_profile}” is not the default: nobody follows it without a pin."
        if progress(migration).pinning is not None:
            return "They are being pinned."
        return "" if steps(migration)["pin_unpinned"].left else "Everybody is pinned to a profile already."

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        shard = start_pinning(migration=migration, reason=answers["reason"])
        if shard is not None and shard.total > AT_ONCE:
            transaction.on_commit(work_migrations.delay)
            return f"{counted(shard.total, 'customer is', 'customers are')} being pinned to “{migration.from_profile}”."
        pinned = 0 if shard is None else pinned_at_once(shard)
        return f"{counted(pinned, 'customer is', 'customers are')} pinned to “{migration.from_profile}”."


class SwitchDefault(StepVerb):
    slug = "switch-default"
    label = "Make it the default"
    permission = "customers.make_default_billingprofile"

    def asks(self, migration: ProfileMigration) -> str:
        return f"Make “{migration.to_profile}” the default profile?"

    def consequences(self, migration: ProfileMigration) -> list[str]:
        return [
            "New customers, and whoever has no pin, are billed by it from their next invoice on.",
            "Nobody with a pin is touched: they move one by one, in the last step.",
        ]

    def review(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> Review:
        return default_review(migration.to_profile)

    def why_not(self, request: HttpRequest, migration: ProfileMigration) -> str:
        if migration.to_profile.is_default:
            return f"“{migration.to_profile}” is the default already."
        if migration.to_profile.archived_at is not None:
            return f"“{migration.to_profile}” is archived."
        if progress(migration).pinning is not None:
            return "Customers are being pinned to the old default: it waits for the last of them."
        left = steps(migration)["pin_unpinned"].left
        if migration.from_profile.is_default and left:
            return f"{counted(left, 'customer follows', 'customers follow')} the old default: pin them to it first."
        return ""

    def perform(self, request: HttpRequest, migration: ProfileMigration, answers: Answers) -> str:
        kept = make_default_profile(profile=migration.to_profile, reason=answers["reason"])
        more = f" {counted(kept, 'customer was', 'customers were')} pinned to the old one." if kept else ""
        return f"“{migration.to_profile}” is the default profile now.{more}"


MIGRATION_VERBS = (
    Check(),
    PinUnpinned(),
    SwitchDefault(),
    Approve(),
    Run(),
    Resume(),
    Pause(),
    RetryFailed(),
    Cancel(),
)
