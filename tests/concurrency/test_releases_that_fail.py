"""A release by a worker to whom the database goes away keeps nobody else from theirs, and is not tried for ever."""

import pytest
from django.db import OperationalError, connection

from core import clock
from core.audit.actors import acting_as
from invoicing.closing.close import compute
from invoicing.errors import StillParked
from invoicing.models import ParkedCustomer
from invoicing.parking import release_customer as module
from invoicing.parking.release_by_worker import ask_for_release, work_next_release
from tests.support.crowd import CLOSE, make_crowd
from tests.support.moves import ADA

pytestmark = pytest.mark.django_db(transaction=True)


def parked(customer):
    row = ParkedCustomer.objects.create(customer=customer, cause_code="workers_lost", cause="Workers ended.")
    with acting_as(ADA):
        return ask_for_release(parked=row, reason="More memory")


def fails_for(monkeypatch, customer, statement):
    """The database says no to `statement` whenever it is looked at what is due of the customer."""

    def look(ids, **options):
        if customer.pk in ids:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        return compute(ids, **options)

    monkeypatch.setattr(module, "compute", look)


THROWN_OUT = "SELECT pg_terminate_backend(pg_backend_pid())"
TOO_LONG = "SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)"


def test_one_that_takes_the_database_away_keeps_nobody_else_parked_and_ends_with_the_cause(monkeypatch):
    first, second = make_crowd(2)
    one, other = parked(first), parked(second)
    fails_for(monkeypatch, first, THROWN_OUT)
    with clock.frozen_at(CLOSE):
        assert work_next_release()
        other.refresh_from_db(), one.refresh_from_db()
        assert not other.is_parked and one.is_parked
        # Nobody was lost with them, and nobody holds them.
        assert (one.release_tries, one.release_failed, one.lease_until, one.release_said) == (0, 1, None, "")
        for _ in range(18):
            assert not work_next_release()
        # The twentieth time it is theirs.
        assert work_next_release()
        assert not work_next_release()
    one.refresh_from_db()
    assert (one.is_parked, one.release_asked_at) == (True, None)
    assert one.release_said.startswith("Something unexpected went wrong while billing (OperationalError: terminating")
    with acting_as(ADA):
        again = ask_for_release(parked=one, reason="Once more")
    assert (again.release_tries, again.release_failed) == (0, 0)


def test_one_whose_look_takes_too_long_stays_parked_with_the_cause_by_either_way(monkeypatch):
    [customer] = make_crowd(1)
    row = parked(customer)
    fails_for(monkeypatch, customer, TOO_LONG)
    with clock.frozen_at(CLOSE):
        assert work_next_release()
        row.refresh_from_db()
        assert "statement timeout" in row.release_said
        with pytest.raises(StillParked, match="statement timeout"):
            module.release_customer(parked=row, reason="Mended")


def test_a_database_that_is_away_is_no_cause_to_stay_parked(monkeypatch):
    [customer] = make_crowd(1)
    row = parked(customer)
    fails_for(monkeypatch, customer, THROWN_OUT)
    with clock.frozen_at(CLOSE), pytest.raises(OperationalError):
        module.release_customer(parked=row, reason="Mended")
