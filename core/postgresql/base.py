"""The database backend of this project (`ENGINE`): Django's for PostgreSQL, with times read by `loaders`."""

import select
from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from psycopg.adapt import AdaptersMap

from core.postgresql.loaders import time_loader


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection, which reads times several times as fast, and sees for itself whether it still stands."""

    def is_usable(self) -> bool:
        """Whether a kept connection can be used again: what `CONN_HEALTH_CHECKS` asks before each request.

        Django sends a `SELECT 1`, a round trip for each request. A server that ends, restarts or is failed over says so
        first: the end of the stream then waits to be read, which costs no round trip to see.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters["context"] = _with_fast_times(parameters["context"], self.timezone)
        return parameters


@cache
def _with_fast_times(adapters: AdaptersMap, timezone: Any) -> AdaptersMap:
    own = AdaptersMap(adapters)
    own.register_loader("timestamptz", time_loader(timezone))
    return own
