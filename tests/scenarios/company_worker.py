"""A worker as a process of its own that does all that is due, and is killed at its so-manieth write.

Arguments: the time, and the number of the write. As where memory runs out: nothing is left to catch, or to tell.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any

import django
from django.db import connection

from core import clock

django.setup()

from invoicing.runs import start_run, work_shard  # noqa: E402 - its models need Django to be set up
from invoicing.runs.run_due import run_due  # noqa: E402

# So that a few customers are several shards, and several batches.
SHARD_SIZE, BATCH_SIZE = 10, 3
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


def main() -> None:
    fatal = int(sys.argv[2])
    writes = count(1)

    def die_or_do(execute: Callable[..., Any], statement: Any, *given: Any) -> Any:
        if str(statement).lstrip().startswith(WRITES) and next(writes) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(statement, *given)

    start_run.SHARD_SIZE, work_shard.BATCH_SIZE = SHARD_SIZE, BATCH_SIZE
    now = datetime.fromisoformat(sys.argv[1])
    with clock.frozen_at(now), connection.execute_wrapper(die_or_do):
        run_due(as_of=now)


if __name__ == "__main__":
    main()
