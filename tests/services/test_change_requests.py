"""What the services of change requests hold by themselves, whatever page leads there."""

from datetime import timedelta

import pytest

from core import clock
from core.approvals.errors import ApprovalNeeded, SecondPersonNeeded, WrongRequestState
from core.approvals.models import ChangeRequest
from core.approvals.services.decide_change import approve_change, decline_change, withdraw_change
from core.approvals.services.propose_change import propose_change
from core.audit.actors import Actor, acting_as
from tests.support.moves import ADA, BOB

pytestmark = pytest.mark.django_db

ADAS_KEY = Actor("api_key", "k1", "API key Ada's", made_by=ADA.id, may_act_alone=True)


@pytest.fixture
def change():
    with acting_as(ADA):
        needed = ApprovalNeeded(rule="Two do that.", effect="It would be done.")
        return propose_change(needed=needed, what="Do it", place={}, answers=[], reason="x")


def never(change):
    raise AssertionError("it was carried out")


def test_what_has_expired_is_only_withdrawn(change):
    change.expires_at = clock.real_now() - timedelta(seconds=1)
    change.save()
    with acting_as(BOB):
        with pytest.raises(WrongRequestState, match="has expired"):
            approve_change(request=change, apply=never, reason="")
        with pytest.raises(WrongRequestState, match="has expired"):
            decline_change(request=change, reason="")
    with acting_as(ADA):
        withdraw_change(request=change, reason="")
    change.refresh_from_db()
    assert change.status == "withdrawn"


@pytest.mark.parametrize("actor", [ADA, ADAS_KEY])
def test_nobody_approves_their_own_neither_by_a_key_that_acts_alone(change, actor):
    with acting_as(actor), pytest.raises(SecondPersonNeeded, match="Ada proposed this"):
        approve_change(request=change, apply=never, reason="")


def test_it_is_carried_out_once_also_where_the_caller_has_read_it_before(change):
    done: list[ChangeRequest] = []

    def apply(request: ChangeRequest) -> str:
        done.append(request)
        return "Done."

    with acting_as(BOB):
        assert approve_change(request=change, apply=apply, reason="") == "Done."
        assert change.status == "waiting"  # as this caller has read it
        with pytest.raises(WrongRequestState, match="by Bob already"):
            approve_change(request=change, apply=never, reason="")
    assert done == [change]
