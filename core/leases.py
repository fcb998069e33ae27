"""Keeps a lease alive while its holder works, so that the lease may be short and a lost worker's work is soon taken up.

What is leased has a time until which its holder is believed alive. A thread renews it every few seconds, over a
connection of its own; it ends with its process, however that ends, and the lease a few seconds later. The database's
clock alone sets and judges that time: those of two machines may be further apart than a lease lasts. It is real time,
whatever the test clock says.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

logger = logging.getLogger(__name__)

# Whoever is silent for so long is believed dead. With the five seconds in which beat looks again: within 15.
LEASE = timedelta(seconds=9)
_RENEWED_EVERY = 3.0
# A worker that writes nothing for so long hangs, alive as it is: its lease ends, and another one tries.
_LONGEST_SILENCE = 600.0
# So many workers may be lost with a shard before its customers are done one by one, to find out with whom; and so many
# with one customer alone before that one is set aside. A worker may be lost for reasons of its own.
LOST_TOGETHER = 3
LOST_ALONE = 2


def lease_end(lasts: timedelta = LEASE) -> CombinedExpression:
    """What `lease_until` is set to, where it is taken or renewed now."""
    return Now() + lasts


def unleased() -> Q:
    """Whether nobody holds the row: it was not taken, or its `lease_until` has passed."""
    return Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


def begin_alone(shard: models.Model, token: uuid.UUID, customer_id: uuid.UUID) -> bool:
    """Say whose turn it is before it is (`alone_with`), and for the how manieth time (`alone_tries`): if this worker is
    lost now, it was with them. False when somebody else has taken the shard over."""
    before: Any = shard
    tries = before.alone_tries + 1 if before.alone_with == customer_id else 1
    before.alone_with, before.alone_tries = customer_id, tries
    mine = type(shard)._default_manager.filter(pk=shard.pk, lease_token=token)
    return mine.update(alone_with=customer_id, alone_tries=tries) == 1


@contextmanager
def kept_alive(renew: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Call `renew` every three seconds while the block runs; the block calls what it is given after each progress.

    `renew` must be one statement that renews the lease only where it is still the caller's.
    """
    ended = threading.Event()
    progress_at = time.monotonic()

    def progressed() -> None:
        nonlocal progress_at
        progress_at = time.monotonic()

    def keep() -> None:
        try:
            while not ended.wait(_RENEWED_EVERY) and time.monotonic() - progress_at < _LONGEST_SILENCE:
                try:
                    renew()
                except Exception:  # the database is away for a moment, say: the lease lasts for two more tries
                    logger.warning("a lease could not be renewed", exc_info=True)
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield progressed
    finally:
        ended.set()
        thread.join()
