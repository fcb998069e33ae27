"""Records how PostgreSQL plans to carry out each query of a block, as it is asked."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from psycopg.sql import Composable

# So many rows make a table big: reading all of it takes longer the older the house is.
BIG = 2_000
_ROWS = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")


@dataclass
class Recorder:
    """The queries of a block with their plans."""

    big: frozenset[str]
    partial: frozenset[str]
    carried_out: bool
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str | Composable, params: Any, many: bool, context: Any) -> Any:
        if isinstance(sql, Composable):
            sql = sql.as_string(connection.connection)
        if re.match((r"SELECT\b" if self.carried_out else r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b"), sql):
            chosen = params[0] if many else params
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN ({'ANALYZE, ' if self.carried_out else ''}FORMAT JSON) {sql}", chosen)
                plan = cursor.fetchone()[0]
            self.seen.append((sql, (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
        return execute(sql, params, many, context)

    @property
    def whole_tables(self) -> list[str]:
        """What reads all of a big table, row by row or by an index without a condition, a line each with its query."""
        return [
            f"{node['Node Type']} on {node['Relation Name']}: {sql[:1500]}"
            for sql, plan in self.seen
            for node in _nodes(plan)
            if node.get("Relation Name") in self.big and self._reads_all(node)
        ]

    @property
    def rows_read(self) -> int:
        """How many rows of tables and indexes were looked at, those that were left out included."""
        nodes = (node for _, plan in self.seen for node in _nodes(plan) if "Relation Name" in node)
        return round(sum(sum(node.get(key, 0) for key in _ROWS) * node["Actual Loops"] for node in nodes))

    def _reads_all(self, node: dict[str, Any]) -> bool:
        if node["Node Type"] == "Seq Scan":
            return True
        by_index = node["Node Type"] in ("Index Scan", "Index Only Scan")
        return by_index and "Index Cond" not in node and node["Index Name"] not in self.partial


@contextmanager
def recorded_plans(*, carried_out: bool = False) -> Iterator[Recorder]:
    """Ask for the plan of each query of the block, just before it is carried out; with `carried_out`, have each done
    once for the plan already, which only reads may be."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [BIG])
        big = frozenset(name for (name,) in cursor.fetchall())
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")
        partial = frozenset(name for (name,) in cursor.fetchall())
    recorder = Recorder(big, partial, carried_out)
    with connection.execute_wrapper(recorder):
        yield recorder


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)
