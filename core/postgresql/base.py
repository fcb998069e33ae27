"""The database backend of this project (`ENGINE`): Django's for PostgreSQL, with times read by `loaders`."""

from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from psycopg.adapt import AdaptersMap

from core.postgresql.loaders import time_loader


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection, which reads times several times as fast."""

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters["context"] = _with_fast_times(parameters["context"], self.timezone)
        return parameters


@cache
def _with_fast_times(adapters: AdaptersMap, timezone: Any) -> AdaptersMap:
    own = AdaptersMap(adapters)
    own.register_loader("timestamptz", time_loader(timezone))
    return own
