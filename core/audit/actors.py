"""Who is acting: carried through a request or task in a context variable, so that services need not pass it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind` is `user`, `api_key` or `system`; `label` is the name shown to people. `made_by` is the id of the user who
    made the key that acts, empty where that is not known. `may_act_alone` is a key's, which was given the scope for it.
    `is_program` is a key's that speaks for customers: no person made it, or a second one said so.
    """

    kind: str
    id: str
    label: str
    made_by: str = ""
    may_act_alone: bool = False
    is_program: bool = False

    @property
    def person(self) -> str:
        """Who answers for what is done, `kind` and id: a key's maker, so that nobody is a second person by a key. Keys
        that nobody is known to have made are one person's."""
        if self.kind == "api_key":
            return f"user:{self.made_by}" if self.made_by else "api_key:"
        return f"{self.kind}:{self.id}"


SYSTEM = Actor("system", "", "Countinghouse")

_current: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def current_actor() -> Actor:
    """On whose behalf the running request, task or command acts."""
    return _current.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Everything recorded inside the block is this actor's doing."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
