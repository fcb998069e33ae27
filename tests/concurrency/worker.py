"""A worker as a process of its own, which a test can stop at a known place and kill.

Arguments: the shard, the time, the test's database.
It reports the customers done after each batch, and goes on with the next one when it reads a line.
"""

import sys
from datetime import datetime
from uuid import UUID

import django
from django.db import connection

from core import clock

django.setup()

from invoicing.runs import work_shard  # noqa: E402 - its models need Django to be set up

BATCH = 20


def main() -> None:
    connection.settings_dict["NAME"] = sys.argv[3]

    def tell(done: int, total: int) -> None:
        print(done, flush=True)  # noqa: T201 - the test reads it
        sys.stdin.readline()

    work_shard.BATCH_SIZE = BATCH
    with clock.frozen_at(datetime.fromisoformat(sys.argv[2])):
        work_shard.work_shard(UUID(sys.argv[1]), progress=tell)


if __name__ == "__main__":
    main()
