"""What staff can do to one customer of a profile migration: try again, take back."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from core.admin.verbs import Answers, Effect, Failed, OptionalReasonForm, ReasonForm, Review, Verb
from customers.effective_settings import terms_if, terms_of
from customers.models import CustomerOverride
from invoicing.admin.profile_moves.terms_review import terms_review
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict
from invoicing.models import MigrationItem
from invoicing.profile_moves.cohort import with_way_back
from invoicing.profile_moves.limit_moves import why_not_move_all
from invoicing.profile_moves.pin_customer import causes_of_move
from invoicing.profile_moves.retry_move import retry_move
from invoicing.profile_moves.states import may_follow
from invoicing.profile_moves.take_back import take_back

_RETRIED = (MoveOutcome.FAILED, MoveOutcome.BLOCKED)


def why_no_way_back(item: Any) -> str:
    """Why a moved customer can't be taken back any more, "" while they can; no query for a row of `with_way_back`."""
    if not hasattr(item, "billed_since"):
        item = with_way_back(MigrationItem.objects.filter(pk=item.pk)).get()
    if item.billed_since:
        return f"Their next invoice exists: {item.billed_since_as or 'a draft'}."
    return "" if item.is_still_there else "Their profile was changed since."


class Retry(Verb[MigrationItem]):
    slug = "retry"
    label = "Try again"
    permission = "invoicing.retry_profilemigration"
    form = OptionalReasonForm
    bulk = True

    def asks(self, item: MigrationItem) -> str:
        return f"Look at {item.customer} again, and move them if nothing is in the way any more?"

    def shows(self, item: MigrationItem) -> bool:
        return item.outcome != MoveOutcome.MOVED

    def why_not(self, request: HttpRequest, item: MigrationItem) -> str:
        if not may_follow(item.migration.status, MigrationStatus.RUNNING):
            return f"The migration is {item.migration.get_status_display().lower()}."
        stranded = item.outcome == MoveOutcome.WAITING and item.migration.status != MigrationStatus.RUNNING
        return "" if item.outcome in _RETRIED or stranded else f"It is {item.get_outcome_display().lower()}."

    def perform(self, request: HttpRequest, item: MigrationItem, answers: Answers) -> str:
        tried = retry_move(migration=item.migration, customer=item.customer)
        if tried.outcome == MoveOutcome.MOVED:
            return f"{item.customer} was moved to “{item.migration.to_profile}”."
        why = " ".join(cause["message"] for cause in tried.causes if cause["severity"] == MoveVerdict.BLOCKED)
        return Failed(f"{item.customer} still can't move. {why}".strip())


class TakeBack(Verb[MigrationItem]):
    slug = "take-back"
    label = "Take back"
    permission = "invoicing.take_back_profilemigration"
    tone = "danger"
    form = ReasonForm
    bulk = True

    def asks(self, item: MigrationItem) -> str:
        return f"Take {item.customer} back to “{item.pinned_before or item.migration.from_profile}”?"

    def consequences(self, item: MigrationItem) -> list[str]:
        return ["It can be done until their next invoice exists, be it a draft.", "Open drafts keep their terms."]

    def effects(self, item: MigrationItem, answers: Answers) -> list[Effect]:
        return [Effect("Billing profile", str(item.migration.to_profile), str(item.migration.from_profile))]

    def shows(self, item: MigrationItem) -> bool:
        return item.outcome == MoveOutcome.MOVED

    def why_not(self, request: HttpRequest, item: MigrationItem) -> str:
        if item.outcome != MoveOutcome.MOVED:
            return "The customer was not moved."
        return why_no_way_back(item)

    def why_not_many(self, request: HttpRequest, items: Sequence[MigrationItem], answers: Answers) -> str:
        movable = [item for item in items if item.outcome == MoveOutcome.MOVED and not why_no_way_back(item)]
        back_to = movable[0].pinned_before or movable[0].migration.from_profile if movable else None
        return why_not_move_all([item.customer for item in movable], back_to) if back_to is not None else ""

    def review(self, request: HttpRequest, item: MigrationItem, answers: Answers) -> Review:
        customer, source = item.customer, item.migration.from_profile
        followed = item.pinned_before is None and source.is_default
        override = CustomerOverride.objects.filter(customer=customer).first()
        causes = causes_of_move(customer=customer, profile=source)
        after = terms_if(override, None if followed else source)
        return terms_review(customer, terms_of([customer.pk])[customer.pk], after, causes)

    def perform(self, request: HttpRequest, item: MigrationItem, answers: Answers) -> str:
        take_back(migration=item.migration, customer=item.customer, reason=answers["reason"])
        return f"{item.customer} is billed by “{item.migration.from_profile}” again."


ITEM_VERBS = (Retry(), TakeBack())
