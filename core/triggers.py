"""Says what a trigger and its function are, so that each package lists those of its tables in one place.

Migrations make them, each with the text of its day. The lists (`triggers.py` beside the models) hold what has come of
it, and a test holds the lists against the database: a migration that changes a trigger changes its list as well.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Function:
    """A function in PL/pgSQL: one that triggers run, or one that such functions share."""

    name: str
    body: str
    arguments: str = ""
    returns: str = "trigger"

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        head = f"CREATE FUNCTION {self.name}({self.arguments}) RETURNS {self.returns} LANGUAGE plpgsql"
        return f"{head} AS $$\n{self.body} $$"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of `table`: `on` says when it runs and upon what, `how` for what (each row or statement, and which)."""

    name: str
    table: str
    on: str
    how: str
    function: str
    constraint: bool = False

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        kind = "CONSTRAINT TRIGGER" if self.constraint else "TRIGGER"
        return f"CREATE {kind} {self.name} {self.on} ON {self.table} {self.how} EXECUTE FUNCTION {self.function}()"


# Begins a function that looks for rows which other transactions may have stored a moment ago. In REPEATABLE READ and
# SERIALIZABLE each statement sees what there was when the transaction began: a lock that was waited for shows nothing
# new, and the look would find nothing. PostgreSQL's own constraints look past that; functions can't.
SEES_NEW_ROWS = """\
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
"""
