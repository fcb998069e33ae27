"""Foreign keys that the database checks once a statement, for tables into which thousands of rows go at once.

PostgreSQL's own foreign keys look up each row of the child by itself when the transaction ends, which cost a close a
fifth of what it asked of the server. These promise the same, with triggers: a child's parents exist and are locked
against deletion (`FOR KEY SHARE`, as PostgreSQL does), looked up once for all rows of the statement; a parent that has
children can't be deleted, nor change its key. They hold at the end of each statement, not of the transaction: parents
go in first. The fields of the models say `db_constraint=False`. A parent is deleted in READ COMMITTED only, where the
look for its children shows those that came meanwhile.

Not for a child that must be written before its parent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from core.triggers import SEES_NEW_ROWS, Function, Trigger


@dataclass(frozen=True, slots=True)
class Reference:
    """The values of `column` in the table `child` are ids of the table `parent`, or null."""

    child: str
    column: str
    parent: str


def guards(references: Iterable[Reference]) -> tuple[tuple[Function, ...], tuple[Trigger, ...]]:
    """The functions and triggers that keep `references`."""
    functions: list[Function] = []
    triggers: list[Trigger] = []
    for child, ours in _by("child", references):
        functions += [Function(f"{child}_refers", _look_up_all(ours)), Function(f"{child}_refers_anew", _look_up(ours))]
        columns = [reference.column for reference in ours]
        changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)
        triggers += [
            Trigger(
                "refers_on_insert",
                table=child,
                on="AFTER INSERT",
                how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
                function=f"{child}_refers",
            ),
            Trigger(
                "refers_on_update",
                table=child,
                on=f"AFTER UPDATE OF {', '.join(columns)}",
                how=f"FOR EACH ROW WHEN ({changed})",
                function=f"{child}_refers_anew",
            ),
        ]
    for parent, ours in _by("parent", references):
        functions.append(Function(f"{parent}_referred", _look_back(parent, ours)))
        triggers += [
            Trigger(
                "referred_on_delete",
                table=parent,
                on="AFTER DELETE",
                how="REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
                function=f"{parent}_referred",
            ),
            Trigger(
                "referred_by_id",
                table=parent,
                on="BEFORE UPDATE OF id",
                how="FOR EACH ROW WHEN (NEW.id <> OLD.id)",
                function="core_refuse_other_id",
            ),
        ]
    return tuple(functions), tuple(triggers)


REFUSE_OTHER_ID = Function(
    "core_refuse_other_id",
    body="""\
BEGIN
    RAISE EXCEPTION 'The id of a row of % never changes: others refer to it.', TG_TABLE_NAME
        USING ERRCODE = 'foreign_key_violation';
END""",
)


def _by(side: str, references: Iterable[Reference]) -> list[tuple[str, list[Reference]]]:
    key = attrgetter(side)
    return [(table, list(ours)) for table, ours in groupby(sorted(references, key=key), key=key)]


def _look_up_all(ours: Sequence[Reference]) -> str:
    """All parents of the rows of a statement, column by column."""
    checks = [
        _held(reference, f"ARRAY(SELECT DISTINCT {reference.column} FROM touched WHERE {reference.column} IS NOT NULL)")
        for reference in ours
    ]
    return _body("DECLARE\n    ids uuid[];\n    held bigint;\n", checks)


def _look_up(ours: Sequence[Reference]) -> str:
    """The parents of a row that has other ones than before."""
    checks = [
        f"    IF NEW.{reference.column} IS DISTINCT FROM OLD.{reference.column} THEN\n"
        + _held(reference, f"array_remove(ARRAY[NEW.{reference.column}], NULL)")
        + "    END IF;\n"
        for reference in ours
    ]
    return _body("DECLARE\n    ids uuid[];\n    held bigint;\n", checks)


def _look_back(parent: str, ours: Sequence[Reference]) -> str:
    """The children of deleted parents."""
    checks = [
        f"""\
    IF EXISTS (SELECT FROM gone JOIN {reference.child} child ON child.{reference.column} = gone.id) THEN
        RAISE EXCEPTION 'A row of {parent} can''t be deleted: {reference.child}.{reference.column} refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = '{reference.child}', COLUMN = '{reference.column}';
    END IF;
"""
        for reference in ours
    ]
    return _body("", [SEES_NEW_ROWS, *checks])


def _held(reference: Reference, ids: str) -> str:
    """Locks the parents `ids`; an error where one is missing."""
    return f"""\
    ids := {ids};
    PERFORM FROM {reference.parent} WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION '{reference.child}.{reference.column} refers to a row that {reference.parent} lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = '{reference.child}', COLUMN = '{reference.column}';
    END IF;
"""


def _body(declarations: str, checks: Sequence[str]) -> str:
    return f"{declarations}BEGIN\n{''.join(checks)}    RETURN NULL;\nEND"
