"""The gate that services ask before they do what one person may not do alone."""

import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from hashlib import sha256

from django.db.models import QuerySet

from core.approvals.errors import ApprovalNeeded
from core.approvals.models import ChangeRequest, CountedAct, RequestStatus
from core.audit.actors import current_actor
from core.clock import real_now
from core.locks import lock_alone

WINDOW = timedelta(hours=24)

_approved: ContextVar[bool] = ContextVar("approved", default=False)
_foreseen: ContextVar[list[ApprovalNeeded] | None] = ContextVar("foreseen", default=None)


@contextmanager
def approved() -> Iterator[None]:
    """Inside of it, a second person stands behind what is done."""
    token = _approved.set(True)
    try:
        yield
    finally:
        _approved.reset(token)


@contextmanager
def foreseeing() -> Iterator[list[ApprovalNeeded]]:
    """Inside of it nothing is refused for lack of a second person; what needs one is listed instead, and of blocks
    within each other in the outermost list. For what is only previewed, and for pages that say it beforehand."""
    outer = _foreseen.get()
    needs: list[ApprovalNeeded] = [] if outer is None else outer
    token = _foreseen.set(needs)
    try:
        yield needs
    finally:
        _foreseen.reset(token)


def may_act_alone() -> bool:
    """Whether no second person is needed now: one has approved, the house itself acts, or a program that was given
    the scope for it. No right of a user does this, a superuser's neither."""
    actor = current_actor()
    return _approved.get() or actor.kind == "system" or actor.may_act_alone


def need_second_person(*, rule: str, effect: str, many: int = 1) -> None:
    """`ApprovalNeeded`, unless `may_act_alone`. Call it in the transaction of the act itself, or while `foreseeing`."""
    if may_act_alone():
        return
    needed, foreseen = ApprovalNeeded(rule=rule, effect=effect, many=many), _foreseen.get()
    if foreseen is None:
        raise needed
    if needed.effect not in [known.effect for known in foreseen]:
        foreseen.append(needed)


def waiting_requests() -> QuerySet[ChangeRequest]:
    """What waits for a second person, and has not expired."""
    return ChangeRequest.objects.filter(status=RequestStatus.WAITING, expires_at__gt=real_now())


def done_alone(rule: str, *, besides: Collection[uuid.UUID] = (), person: str = "") -> int:
    """To how many subjects, those in `besides` aside, the current person (or this one) did within a day what `rule`
    counts."""
    who = person or current_actor().person
    acts = CountedAct.objects.filter(person=who, rule=rule, at__gt=real_now() - WINDOW)
    return acts.exclude(subject_id__in=besides).order_by().values("subject_id").distinct().count()


def count_alone(rule: str, subject_id: uuid.UUID) -> int:
    """Count the act towards the person's limit; to how many subjects they did it within a day, this one included.

    Acts of one person wait for each other until the transaction ends, so that two at once count as two. What is rolled
    back is not counted.
    """
    return count_all_alone(rule, [subject_id])


def count_all_alone(rule: str, subject_ids: Iterable[uuid.UUID]) -> int:
    """The same for many subjects at once."""
    person = current_actor().person
    _count(rule, person, subject_ids)
    return done_alone(rule)


def count_if_alone(rule: str, subject_ids: Collection[uuid.UUID], *, person: str, most: int) -> bool:
    """Whether all these subjects fit into what `person`, who may be away by now, does alone within a day: `most`. Only
    then they are counted. For what the house does later in their name."""
    _wait_for_others(rule, person)
    if done_alone(rule, besides=subject_ids, person=person) + len(subject_ids) > most:
        return False
    _count(rule, person, subject_ids)
    return True


def _count(rule: str, person: str, subject_ids: Iterable[uuid.UUID]) -> None:
    _wait_for_others(rule, person)
    CountedAct.objects.bulk_create(CountedAct(rule=rule, person=person, subject_id=pk) for pk in subject_ids)


def _wait_for_others(rule: str, person: str) -> None:
    lock_alone(int.from_bytes(sha256(f"{rule} {person}".encode()).digest()[:7]))
