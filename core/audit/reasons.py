"""Why something is done: carried through a request in a context variable, like the actor."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("reason", default="")


def current_reason() -> str:
    """The reason that the running request or task gives for what it does; "" where it gives none."""
    return _current.get()


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Everything recorded inside the block has this reason, unless its service names its own."""
    token = _current.set(reason)
    try:
        yield
    finally:
        _current.reset(token)
