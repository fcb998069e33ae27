"""A profile migration as a guide: the four steps of a safe move, what is done and what remains in each."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from core.admin.verbs import Button, Verb, buttons_of
from core.admin.words import counted, joined
from invoicing.admin.profile_moves.migration_verbs import (
    Approve,
    Check,
    PinUnpinned,
    Resume,
    RetryFailed,
    Run,
    SwitchDefault,
    needs_second_person,
    progress,
    steps,
)
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict
from invoicing.models import ProfileMigration

_APPROVED = (
    MigrationStatus.APPROVED,
    MigrationStatus.RUNNING,
    MigrationStatus.PAUSED,
    MigrationStatus.DONE,
)
_CRITERIA = {
    "customerName": "name contains “{}”",
    "customerKey": "key contains “{}”",
    "customerPrimaryEmail": "e-mail contains “{}”",
}


class State(StrEnum):
    """How a step looks: done, the one to do now, one that comes later, one that this move does not need."""

    DONE = "done"
    NOW = "now"
    LATER = "later"
    SPARED = "spared"


@dataclass(slots=True)
class Part:
    """A step, or a part of the last one. `says` are sentences: what is done and what remains."""

    title: str
    state: State
    says: list[str]
    buttons: list[Button] = field(default_factory=list)
    parts: list["Part"] = field(default_factory=list)


def criteria_words(migration: ProfileMigration) -> str:
    """Whom of the old profile the migration is about: "everybody", or the filters as a sentence."""
    said = migration.criteria
    words = [text.format(said[name]) for name, text in _CRITERIA.items() if said.get(name)]
    if said.get("currency"):
        words.append(f"billed in {joined(said['currency'])}")
    if said.get("customerId"):
        words.append(counted(len(said["customerId"]), "chosen customer"))
    return "; ".join(words) or "everybody"


def is_live(migration: ProfileMigration) -> bool:
    """Whether workers are at it, so that the page should follow them."""
    found = progress(migration)
    return migration.status == MigrationStatus.RUNNING or found.is_checking or found.pinning is not None


def guide(request: HttpRequest, migration: ProfileMigration) -> list[Part]:
    """The four steps, for this user. At most three queries, whatever the number of customers."""

    def buttons(*verbs: Verb[Any]) -> list[Button]:
        if migration.status == MigrationStatus.CANCELLED:
            return []
        return buttons_of(request, migration, verbs)

    parts = [
        _target(migration),
        _pins(migration, buttons(PinUnpinned())),
        _default(migration, buttons(SwitchDefault())),
        Part("Move customers one by one", State.LATER, [], parts=[]),
    ]
    parts[3].parts = [
        _checks(migration, buttons(Check())),
        _approval(migration, buttons(Approve())),
        _moves(migration, buttons(Run(), Resume(), RetryFailed())),
    ]
    if all(part.state is State.DONE for part in parts[3].parts):
        parts[3].state = State.DONE
    for part in parts:
        if part.state is State.DONE or part.state is State.SPARED:
            part.buttons = []
    if migration.status != MigrationStatus.CANCELLED:
        _point_out(parts)
    return parts


def _point_out(parts: list[Part]) -> None:
    """Mark the first step that is left as the one to do now; of the last step, its part too."""
    step = next((part for part in parts if part.state is State.LATER), None)
    if step is not None:
        step.state = State.NOW
        if step.parts:
            _point_out(step.parts)


def _target(migration: ProfileMigration) -> Part:
    target = migration.to_profile
    says = [f"“{target}” bills for {target.supplier} and collects through {target.app}."]
    if target.archived_at is not None:
        says = [f"“{target}” is archived, so nobody can move there: use it again first."]
    return Part("Create the target", State.DONE if target.archived_at is None else State.LATER, says)


def _pins(migration: ProfileMigration, buttons: list[Button]) -> Part:
    step, source, target = steps(migration)["pin_unpinned"], migration.from_profile, migration.to_profile
    title, pinning = "Pin who has no pin", progress(migration).pinning
    if pinning is not None:
        return Part(title, State.LATER, [f"{pinning.done:,} of {pinning.total:,} are pinned to “{source}”."])
    if target.is_default:
        return Part(title, State.DONE, [f"“{target}” is the default: who stays on “{source}” is pinned to it."])
    if not step.needed:
        return Part(title, State.SPARED, [f"Not needed: nobody follows “{source}” without a pin to it."])
    if step.is_done:
        return Part(title, State.DONE, ["Everybody is pinned to a profile, so another default moves nobody."])
    if migration.criteria:
        return _spared(title, migration)
    says = [
        f"{counted(step.left, 'customer follows', 'customers follow')} “{source}”, the default, without a pin. "
        "Pinned to it, nothing changes for them when the default does."
    ]
    says += [f"Could not be pinned: {who}" for who in progress(migration).left_out]
    return Part(title, State.LATER, says, buttons)


def _default(migration: ProfileMigration, buttons: list[Button]) -> Part:
    step, source, target = steps(migration)["switch_default"], migration.from_profile, migration.to_profile
    title = "Make the target the default"
    if target.is_default:
        return Part(title, State.DONE, [f"“{target}” is the default: new customers are billed by it."])
    if not step.needed:
        return Part(title, State.SPARED, [f"Not needed: “{source}” is not the default."])
    if migration.criteria:
        return _spared(title, migration)
    says = [f"“{source}” is the default. Once “{target}” is, new customers are billed by it from the start."]
    return Part(title, State.LATER, says, buttons)


def _spared(title: str, migration: ProfileMigration) -> Part:
    """A move of some customers leaves the default alone."""
    return Part(title, State.SPARED, [f"Not needed: only some move, and “{migration.from_profile}” stays the default."])


def _checks(migration: ProfileMigration, buttons: list[Button]) -> Part:
    found = progress(migration)
    if found.is_checking:
        unchecked = found.verdicts.get(MoveVerdict.UNCHECKED, 0)
        return Part("Check", State.LATER, [f"{found.total - unchecked:,} of {found.total:,} checked."])
    if migration.checked_at is None:
        return Part("Check", State.LATER, ["Nobody is checked yet."], buttons)
    blocked, warned = found.verdicts.get(MoveVerdict.BLOCKED, 0), found.verdicts.get(MoveVerdict.WARNING, 0)
    ready = found.verdicts.get(MoveVerdict.READY, 0)
    says = [f"{ready:,} ready, {warned:,} with a warning, {blocked:,} blocked."]
    again = migration.status == MigrationStatus.CHECKED
    return Part("Check", State.DONE, says, [_again(button) for button in buttons] if again else [])


def _again(button: Button) -> Button:
    return Button("Check again", button.url, button.why_not, "plain")


def _approval(migration: ProfileMigration, buttons: list[Button]) -> Part:
    if migration.approved_at is not None:
        says = [f"By {migration.approver_name}. The list of customers is frozen."]
        if migration.approval_reason:
            says.append(f"“{migration.approval_reason}”")
        return Part("Approve", State.DONE, says)
    above = settings.MIGRATION_TWO_PERSON_ABOVE
    rule = "Then the list of customers is frozen."
    if needs_second_person(migration):
        rule = f"Of more than {above} customers: by somebody else than {migration.author_name}, who drafted it."
    if migration.status == MigrationStatus.CHECKED and not buttons:
        rule += " It waits for somebody who may approve."
    return Part("Approve", State.LATER, [rule], buttons)


def _moves(migration: ProfileMigration, buttons: list[Button]) -> Part:
    outcomes = progress(migration).outcomes
    if migration.status not in _APPROVED and not outcomes.get(MoveOutcome.MOVED):
        return Part("Move", State.LATER, ["A first batch, then the rest. Pause and go on at any time."], buttons)
    failed, back = outcomes.get(MoveOutcome.FAILED, 0), outcomes.get(MoveOutcome.TAKEN_BACK, 0)
    says = [
        f"{outcomes.get(MoveOutcome.MOVED, 0):,} moved, {progress(migration).waiting:,} left"
        + (f", {failed:,} failed" if failed else "")
        + (f", {back:,} taken back" if back else "")
        + "."
    ]
    # Who failed was not moved: the step is done once they are, or were taken off by a cancelation.
    done = migration.status == MigrationStatus.DONE and not failed
    return Part("Move", State.DONE if done else State.LATER, says, buttons)
