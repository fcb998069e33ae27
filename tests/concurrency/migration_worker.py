"""A worker on a profile migration as a process of its own, which a test can stop at a known place and kill.

Arguments: the shard, the time, the test's database. It tells how many are left after each batch, and goes on when it
reads a line.
"""

import sys
from datetime import datetime
from uuid import UUID

import django
from django.db import connection

from core import clock

django.setup()

from invoicing.profile_moves import work_migration_shard as module  # noqa: E402 - its models need Django to be set up

BATCH = 20


def main() -> None:
    connection.settings_dict["NAME"] = sys.argv[3]

    def tell(left: int) -> None:
        print(left, flush=True)  # noqa: T201 - the test reads it
        sys.stdin.readline()

    module.BATCH_SIZE = BATCH
    with clock.frozen_at(datetime.fromisoformat(sys.argv[2])):
        module.work_migration_shard(UUID(sys.argv[1]), progress=tell)


if __name__ == "__main__":
    main()
