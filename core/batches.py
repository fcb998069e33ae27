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


def together_or_alone(
    ids: Sequence[uuid.UUID],
    *,
    act: Callable[[Sequence[uuid.UUID]], Outcome],
    fail: Callable[[uuid.UUID, Exception], Outcome],
) -> list[Outcome]:
    """What `act` answered for all of them; where it raised, what it answered for each, or `fail` for whom it raised.

    `act` must be safe to repeat once it raised: transactions of its own. An error of `DATABASE_AWAY` is raised.
    """
    try:
        return [act(ids)]
    except DATABASE_AWAY:
        raise
    except Exception as error:  # whatever it is, it stops only the one that it is about
        if len(ids) == 1:
            return [fail(ids[0], error)]
        logger.warning("a batch of %s failed and is done one by one", len(ids), exc_info=True)
    return [outcome for one in ids for outcome in together_or_alone([one], act=act, fail=fail)]
