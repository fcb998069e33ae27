"""What staff can do to a profile migration, one permission a verb, and to one customer of it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core.admin.verbs import OptionalReasonForm, ReasonForm, Verb
from core.admin.words import counted
from core.audit.actors import current_actor
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict
from invoicing.migration_progress import MigrationProgress, Step, progress_of, steps_of
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.services.approve_migration import approve_migration
from invoicing.services.check_migration import check_migration, checked_at_once
from invoicing.services.make_default_profile import customers_kept_on_old_app, make_default_profile
from invoicing.services.pause_migration import cancel_migration, pause_migration
from invoicing.services.pin_unpinned import AT_ONCE, start_pinning
from invoicing.services.retry_move import retry_failed, retry_move
from invoicing.services.run_migration import run_migration
from invoicing.services.take_back import take_back
from invoicing.services.work_migration_shard import pinned_at_once, work_off_migration
from invoicing.tasks import work_migrations

STATUS = MigrationStatus
_LISTED_FOR_GOOD = "Its customers are listed for good: they are not checked again."
_RETRIED = (MoveOutcome.FAILED, MoveOutcome.BLOCKED)
_RETRYING = (STATUS.APPROVED, STATUS.RUNNING, STATUS.PAUSED, STATUS.DONE)


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
    found = progress_of([work_off_migration(migration)])[migration.pk]
    blocked = found.verdicts.get(MoveVerdict.BLOCKED, 0)
    return f"{counted(found.total, 'customer')} checked: {found.movable:,} can move, {blocked:,} blocked."


def _check(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    return start_check(migration)


def _why_not_check(request: HttpRequest, migration: ProfileMigration) -> str:
    if migration.status not in (STATUS.DRAFT, STATUS.CHECKED):
        return _LISTED_FOR_GOOD
    return "The check is under way." if progress(migration).is_checking else ""


def _approve(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    approved = approve_migration(migration=migration, reason=answers["reason"])
    return (
        f"Approved for {counted(progress_of([approved])[approved.pk].movable, 'customer')}. Nobody moves yet: run it."
    )


def needs_second_person(migration: ProfileMigration) -> bool:
    """Whether so many customers are to move that the author can't approve it."""
    return migration.customer_count > settings.MIGRATION_TWO_PERSON_ABOVE


def _why_not_approve(request: HttpRequest, migration: ProfileMigration) -> str:
    if migration.status == STATUS.DRAFT:
        return "Its customers are not checked yet."
    if migration.status != STATUS.CHECKED:
        return f"It is {migration.get_status_display().lower()} already."
    if not progress(migration).movable:
        return "Every customer is blocked: remove the causes, then check again."
    if needs_second_person(migration) and migration.author == current_actor().person:
        return (
            f"You drafted it: of more than {settings.MIGRATION_TWO_PERSON_ABOVE} customers, somebody else must approve."
        )
    return ""


def _approval(migration: ProfileMigration) -> list[str]:
    found = progress(migration)
    blocked = found.verdicts.get(MoveVerdict.BLOCKED, 0)
    warned = found.verdicts.get(MoveVerdict.WARNING, 0)
    return [
        f"{counted(found.movable, 'customer')} can move" + (f", {warned:,} of them with a warning." if warned else "."),
        *([f"{counted(blocked, 'customer is', 'customers are')} blocked and left out."] if blocked else []),
        "The list of customers is frozen: who comes to the old profile later is not in it.",
        "Nobody moves yet. Each is looked at again when their turn comes.",
    ]


def _run(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    limit = answers.get("limit")
    ran = run_migration(migration=migration, limit=limit)
    transaction.on_commit(work_migrations.delay)
    if ran.status == STATUS.DONE:
        return "Nobody is left to be moved: the migration is done."
    waiting = ran.items.filter(outcome=MoveOutcome.WAITING).count()
    return f"{counted(waiting, 'customer is', 'customers are')} being moved."


def _why_not_run(request: HttpRequest, migration: ProfileMigration) -> str:
    if migration.status in (STATUS.DRAFT, STATUS.CHECKED):
        return "It is not approved yet."
    if migration.status not in (STATUS.APPROVED, STATUS.PAUSED):
        return f"It is {migration.get_status_display().lower()}."
    if migration.to_profile.archived_at is not None:
        return f"“{migration.to_profile}” is archived: use it again first."
    return ""


def _pause(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    pause_migration(migration=migration, reason=answers["reason"])
    return "Paused. Who was moved stays moved; nobody else moves until it goes on."


def _cancel(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    cancel_migration(migration=migration, reason=answers["reason"])
    return "Cancelled. Who was moved stays moved; nobody else moves."


def _retry_failed(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    count = retry_failed(migration=migration)
    transaction.on_commit(work_migrations.delay)
    return f"{counted(count, 'customer is', 'customers are')} tried again."


def _why_not_retry_failed(request: HttpRequest, migration: ProfileMigration) -> str:
    if not progress(migration).outcomes.get(MoveOutcome.FAILED):
        return "Nobody failed."
    return "" if migration.status in _RETRYING else f"It is {migration.get_status_display().lower()}."


def _pin_unpinned(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    shard = start_pinning(migration=migration, reason=answers["reason"])
    if shard is not None and shard.total > AT_ONCE:
        transaction.on_commit(work_migrations.delay)
        return f"{counted(shard.total, 'customer is', 'customers are')} being pinned to “{migration.from_profile}”."
    pinned = 0 if shard is None else pinned_at_once(shard)
    return f"{counted(pinned, 'customer is', 'customers are')} pinned to “{migration.from_profile}”."


def _why_not_pin(request: HttpRequest, migration: ProfileMigration) -> str:
    if not migration.from_profile.is_default:
        return f"“{migration.from_profile}” is not the default: nobody follows it without a pin."
    if progress(migration).pinning is not None:
        return "They are being pinned."
    return "" if steps(migration)["pin_unpinned"].left else "Everybody is pinned to a profile already."


def _switch(request: HttpRequest, migration: ProfileMigration, answers: Mapping[str, Any]) -> str:
    kept = make_default_profile(profile=migration.to_profile, reason=answers["reason"])
    more = f" {counted(kept, 'customer was', 'customers were')} pinned to the old one." if kept else ""
    return f"“{migration.to_profile}” is the default profile now.{more}"


def _why_not_switch(request: HttpRequest, migration: ProfileMigration) -> str:
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


def _switching(migration: ProfileMigration) -> list[str]:
    kept = customers_kept_on_old_app(migration.to_profile)
    more = counted(kept, "more customer is", "more customers are")
    return [
        "New customers, and whoever has no pin, are billed by it from their next invoice on.",
        "Nobody with a pin is touched: they move one by one, in the last step.",
        *([f"{more} pinned to the old one on the way."] if kept else []),
    ]


CHECK = Verb(
    slug="check",
    label="Check everybody",
    permission="invoicing.check_profilemigration",
    asks=lambda migration: f"Check everybody whom “{migration.from_profile}” bills and who fits?",
    consequences=lambda migration: [
        f"Each is listed as ready, with a warning, or blocked for “{migration.to_profile}”, with the cause.",
        "Nothing is changed, and nobody moves. What an earlier check found is replaced.",
    ],
    why_not=_why_not_check,
    perform=_check,
    form=OptionalReasonForm,
    tone="primary",
)
APPROVE = Verb(
    slug="approve",
    label="Approve",
    permission="invoicing.approve_profilemigration",
    asks=lambda migration: f"Approve the move from “{migration.from_profile}” to “{migration.to_profile}”?",
    consequences=_approval,
    why_not=_why_not_approve,
    perform=_approve,
    tone="primary",
)
RUN = Verb(
    slug="run",
    label="Move customers",
    permission="invoicing.run_profilemigration",
    asks=lambda migration: f"Start to move customers to “{migration.to_profile}”?",
    consequences=lambda migration: [
        "Their next invoices follow the new profile. Drafts and issued invoices keep their terms.",
        "Each is looked at again first: who is blocked meanwhile stays where they are, with the cause.",
        "A customer can be taken back until their next invoice exists.",
    ],
    shows=lambda migration: migration.status not in (STATUS.PAUSED, STATUS.DONE, STATUS.CANCELLED),
    why_not=_why_not_run,
    perform=_run,
    form=BatchForm,
    tone="primary",
)
RESUME = Verb(
    slug="resume",
    label="Go on",
    permission="invoicing.run_profilemigration",
    asks=lambda migration: f"Go on moving customers to “{migration.to_profile}”?",
    consequences=lambda migration: [f"{counted(progress(migration).waiting, 'customer is', 'customers are')} left."],
    shows=lambda migration: migration.status == STATUS.PAUSED,
    why_not=_why_not_run,
    perform=_run,
    form=BatchForm,
    tone="primary",
)
PAUSE = Verb(
    slug="pause",
    label="Pause",
    permission="invoicing.pause_profilemigration",
    asks=lambda migration: "Pause after the batch that is under way?",
    shows=lambda migration: migration.status in (STATUS.APPROVED, STATUS.RUNNING),
    why_not=lambda request, migration: "" if migration.status == STATUS.RUNNING else "It does not run.",
    perform=_pause,
)
CANCEL = Verb(
    slug="cancel",
    label="Cancel migration",
    permission="invoicing.cancel_profilemigration",
    asks=lambda migration: "Cancel this migration for good?",
    consequences=lambda migration: ["Who was moved stays moved. Nobody else moves, and it can't be resumed."],
    shows=lambda migration: migration.status not in (STATUS.DONE, STATUS.CANCELLED),
    perform=_cancel,
    tone="danger",
)
RETRY_FAILED = Verb(
    slug="retry-failed",
    label="Retry failed",
    permission="invoicing.retry_profilemigration",
    asks=lambda migration: (
        f"Try {counted(progress(migration).outcomes.get(MoveOutcome.FAILED, 0), 'customer')} again who failed?"
    ),
    consequences=lambda migration: ["Who still is blocked fails again, with the cause of now."],
    shows=lambda migration: bool(progress(migration).outcomes.get(MoveOutcome.FAILED)),
    why_not=_why_not_retry_failed,
    perform=_retry_failed,
    form=OptionalReasonForm,
)
PIN_UNPINNED = Verb(
    slug="pin-unpinned",
    label="Pin them",
    permission="invoicing.pin_unpinned_profilemigration",
    asks=lambda migration: (
        f"Pin {counted(steps(migration)['pin_unpinned'].left, 'customer')} who follow the default "
        f"to “{migration.from_profile}”?"
    ),
    consequences=lambda migration: [
        "Nothing changes for them: they are billed by it already, and stay with it when the default changes.",
        f"More than {AT_ONCE:,} are pinned by the workers, batch by batch: nobody needs to keep the page open.",
    ],
    why_not=_why_not_pin,
    perform=_pin_unpinned,
)
SWITCH_DEFAULT = Verb(
    slug="switch-default",
    label="Make it the default",
    permission="customers.make_default_billingprofile",
    asks=lambda migration: f"Make “{migration.to_profile}” the default profile?",
    consequences=_switching,
    why_not=_why_not_switch,
    perform=_switch,
)
MIGRATION_VERBS = (CHECK, PIN_UNPINNED, SWITCH_DEFAULT, APPROVE, RUN, RESUME, PAUSE, RETRY_FAILED, CANCEL)


def _retry(request: HttpRequest, item: MigrationItem, answers: Mapping[str, Any]) -> str:
    tried = retry_move(migration=item.migration, customer=item.customer)
    if tried.outcome == MoveOutcome.MOVED:
        return f"{item.customer} was moved to “{item.migration.to_profile}”."
    why = " ".join(cause["message"] for cause in tried.causes if cause["severity"] == MoveVerdict.BLOCKED)
    return f"{item.customer} still can't move. {why}".strip()


def _why_not_retry(request: HttpRequest, item: MigrationItem) -> str:
    if item.migration.status not in _RETRYING:
        return f"The migration is {item.migration.get_status_display().lower()}."
    stranded = item.outcome == MoveOutcome.WAITING and item.migration.status != STATUS.RUNNING
    return "" if item.outcome in _RETRIED or stranded else f"It is {item.get_outcome_display().lower()}."


def _take_back(request: HttpRequest, item: MigrationItem, answers: Mapping[str, Any]) -> str:
    take_back(migration=item.migration, customer=item.customer, reason=answers["reason"])
    return f"{item.customer} is billed by “{item.migration.from_profile}” again."


RETRY = Verb(
    slug="retry",
    label="Try again",
    permission="invoicing.retry_profilemigration",
    asks=lambda item: f"Look at {item.customer} again, and move them if nothing is in the way any more?",
    shows=lambda item: item.outcome != MoveOutcome.MOVED,
    why_not=_why_not_retry,
    perform=_retry,
    form=OptionalReasonForm,
    bulk=True,
)
TAKE_BACK = Verb(
    slug="take-back",
    label="Take back",
    permission="invoicing.take_back_profilemigration",
    asks=lambda item: f"Take {item.customer} back to “{item.pinned_before or item.migration.from_profile}”?",
    consequences=lambda item: ["It is refused once their next invoice exists, be it a draft."],
    shows=lambda item: item.outcome == MoveOutcome.MOVED,
    why_not=lambda request, item: "" if item.outcome == MoveOutcome.MOVED else "The customer was not moved.",
    perform=_take_back,
    form=ReasonForm,
    tone="danger",
    bulk=True,
)
ITEM_VERBS = (RETRY, TAKE_BACK)
