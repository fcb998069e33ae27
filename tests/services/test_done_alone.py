"""What one person may do alone: whose acts count, of which rule and day, and what needs no second person at all."""

from datetime import timedelta
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from core import clock
from core.approvals.errors import ApprovalNeeded
from core.approvals.limits import (
    approved,
    count_all_alone,
    count_alone,
    done_alone,
    foreseeing,
    may_act_alone,
    need_second_person,
    waiting_requests,
)
from core.approvals.models import ChangeRequest, CountedAct
from core.approvals.services.propose_change import propose_change
from core.audit.actors import SYSTEM, Actor, acting_as
from core.ids import new_id
from tests.support.moves import ADA, BOB

pytestmark = pytest.mark.django_db

KEY = Actor("api_key", "k1", "A key", made_by="user:9", may_act_alone=True)
FIRST, SECOND, THIRD = new_id(), new_id(), new_id()


def test_subjects_count_once_each_by_person_rule_and_day():
    with acting_as(BOB):
        assert count_alone("move", THIRD) == 1
    with acting_as(ADA):
        assert count_all_alone("discount", [THIRD]) == 1
        assert count_alone("move", FIRST) == 1
        assert count_alone("move", FIRST) == 1
        assert count_all_alone("move", [FIRST, SECOND]) == 2
        assert done_alone("move", besides=[SECOND, THIRD]) == 1
        CountedAct.objects.filter(subject_id=FIRST).update(at=clock.real_now() - timedelta(hours=23, minutes=59))
        assert done_alone("move") == 2
        CountedAct.objects.filter(subject_id=FIRST).update(at=clock.real_now() - timedelta(hours=24, seconds=1))
        assert done_alone("move") == 1


@pytest.mark.django_db(transaction=True)
def test_acts_of_one_person_at_once_wait_for_each_other():
    counted: list[int] = []
    done = Event()

    def act():
        with acting_as(ADA), transaction.atomic():
            counted.append(count_alone("move", SECOND))
        done.set()
        connection.close()

    thread = Thread(target=act)
    with acting_as(ADA), transaction.atomic():
        assert count_alone("move", FIRST) == 1
        thread.start()
        assert not done.wait(1)
    thread.join(timeout=10)
    assert counted == [2]


def test_the_house_a_trusted_key_and_what_was_approved_need_nobody_else():
    for actor, alone in ((SYSTEM, True), (KEY, True), (ADA, False)):
        with acting_as(actor):
            assert may_act_alone() is alone
    with acting_as(ADA):
        with approved():
            need_second_person(rule="Two do that.", effect="It would be done.")
        with pytest.raises(ApprovalNeeded):
            need_second_person(rule="Two do that.", effect="It would be done.")


def test_what_is_foreseen_is_listed_once_and_of_blocks_within_each_other_in_the_outermost():
    with acting_as(ADA):
        with foreseeing() as needs:
            need_second_person(rule="Two do that.", effect="One.")
            with foreseeing() as inner:
                need_second_person(rule="Two do that.", effect="One.")
                need_second_person(rule="Two do that.", effect="Two.")
            assert inner is needs
        assert [need.effect for need in needs] == ["One.", "Two."]
        with pytest.raises(ApprovalNeeded):
            need_second_person(rule="Two do that.", effect="One.")


def test_what_has_expired_does_not_wait():
    with acting_as(ADA):
        needed = ApprovalNeeded(rule="Two do that.", effect="It would be done.")
        change = propose_change(needed=needed, what="Do it", place={}, answers=[], reason="x")
    assert list(waiting_requests()) == [change]
    ChangeRequest.objects.update(expires_at=clock.real_now() - timedelta(seconds=1))
    assert list(waiting_requests()) == []
