"""Keeps a lease alive while its holder works, so that the lease may be short and a lost worker's work is soon taken up.

What is leased has a time until which its holder is believed alive. A thread renews it every few seconds, over a
connection of its own; it ends with its process, however that ends, and the lease a few seconds later. The database's
clock alone sets and judges that time: those of two machines may be further apart than a lease lasts. It is real time,
whatever the test clock says.

Here is also what becomes of a shard, a leased row with customers, whose workers come to an end before it does. One that
was killed left its lease to run out: it is lost. One that caught an error lives: it gives the shard back, and says so.
After several of either kind, customers are done one by one, to find out with whom it is.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, models
from django.db.models import Case, F, Q, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Greatest, Now

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
# So many workers may catch an error with a shard before its customers are done one by one; and so many times in a row
# may the turn of one customer alone end so before that one is set aside with the error. Many more where the error was
# that the database is away: nobody is at fault then, unless it goes away each time that this one's turn has begun.
FAILED_TOGETHER = 3
FAILED_ALONE = 5
AWAY_ALONE = 20
# A worker that caught an error tries for so long to say so: it may be that the database is away.
_SAYS_SO_WITHIN = 30.0


def lease_end(lasts: timedelta = LEASE) -> CombinedExpression:
    """What `lease_until` is set to, where it is taken or renewed now."""
    return Now() + lasts


def unleased() -> Q:
    """Whether nobody holds the row: it was not taken, or its `lease_until` has passed."""
    return Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


def with_lost() -> CombinedExpression:
    """What `lost` is set to where a shard is taken: who gave it back took the lease away, who was lost did not."""
    return F("lost") + Case(When(lease_until__isnull=False, then=1), default=0)


def goes_one_by_one(shard: models.Model) -> bool:
    """Whether so many workers came to their end with the shard that its customers are done one by one."""
    stored: Any = shard
    return bool(stored.lost >= LOST_TOGETHER or stored.failed >= FAILED_TOGETHER)


def begin_alone(shard: models.Model, token: uuid.UUID, customer_id: uuid.UUID) -> bool:
    """Say whose turn it is before it is (`alone_with`), and for the how manieth time (`alone_tries`): if this worker is
    lost now, it was with them. False when somebody else has taken the shard over."""
    before: Any = shard
    again = before.alone_with == customer_id
    before.alone_with, before.alone_tries = customer_id, before.alone_tries + 1 if again else 1
    before.alone_failed = before.alone_failed if again else 0
    mine = type(shard)._default_manager.filter(pk=shard.pk, lease_token=token)
    values = {name: getattr(before, name) for name in ("alone_with", "alone_tries", "alone_failed")}
    return mine.update(**values) == 1


def fails_too_often(shard: models.Model, *, away: bool) -> bool:
    """Whether the customer whose turn it is, alone, has come to an error so often that it is theirs. `away`: this time
    the error is that the database is away."""
    stored: Any = shard
    return bool(stored.alone_failed + 1 >= (AWAY_ALONE if away else FAILED_ALONE))


def give_back_failed(shard: models.Model, token: uuid.UUID) -> None:
    """Give a shard back, with customers left in it, whose worker caught an error, and lives: it is not lost.

    Where the database is away, that is said as soon as it is back. Should somebody have taken the shard over by then,
    because its lease had run out, this worker is taken off those that were lost.
    """
    stored: Any = shard
    rows = type(shard)._default_manager.filter(pk=shard.pk)
    free = {"status": "pending", "lease_until": None, "lease_token": None, "alone_failed": F("alone_failed") + 1}
    lived = {"failed": F("failed") + 1, "alone_tries": Greatest(F("alone_tries") - 1, 0)}

    def give_back() -> None:
        if not rows.filter(lease_token=token).update(**free, **lived):
            rows.filter(alone_with=stored.alone_with).update(alone_tries=lived["alone_tries"])
            rows.update(lost=Greatest(F("lost") - 1, 0), failed=lived["failed"])

    say_that_it_lives(give_back)


def say_that_it_lives(say: Callable[[], object]) -> None:
    """Let a worker that caught an error `say` so, in the database, should that be away, as soon as it is back. One that
    can't within half a minute is taken for lost."""
    last = time.monotonic() + _SAYS_SO_WITHIN
    while True:
        try:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            say()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > last:
                logger.warning("a worker that lives could not say so", exc_info=True)
                return
            connection.close()
            time.sleep(1)
        else:
            return


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
