"""Owns the way of batches: all at once, and where that fails each alone, so that one at fault stops no other."""

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

Outcome = TypeVar("Outcome")

# The database is away or overloaded: nobody is at fault, and whoever comes next tries again.
DATABASE_AWAY = (OperationalError, InterfaceError)
# What PostgreSQL says where it can't be asked at all (connections, its end or start, too many who ask, no room left) or
# somebody else was in the way. Other operational errors are about the statement: its time, or a limit of it.
_NOBODYS_FAULT = ("08", "40", "53100", "53300", "55P03", "57P")


def is_away(error: BaseException) -> bool:
    """Whether `error` says that the database is away or overloaded, rather than that one statement asks too much."""
    if not isinstance(error, DATABASE_AWAY):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(_NOBODYS_FAULT)


def together_or_alone(
    ids: Sequence[uuid.UUID],
    *,
    act: Callable[[Sequence[uuid.UUID]], Outcome],
    fail: Callable[[uuid.UUID, Exception], Outcome],
) -> list[Outcome]:
    """What `act` answered for all of them; where it raised, what it answered for each, or `fail` for whom it raised.

    `act` must be safe to repeat once it raised: transactions of its own. What says that it `is_away` is raised.
    """
    try:
        return [act(ids)]
    except Exception as error:  # whatever it is, it stops only the one that it is about
        if is_away(error):
            raise
        if len(ids) == 1:
            return [fail(ids[0], error)]
        logger.warning("a batch of %s failed and is done one by one", len(ids), exc_info=True)
    return [outcome for one in ids for outcome in together_or_alone([one], act=act, fail=fail)]
