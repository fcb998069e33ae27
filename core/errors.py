"""The one error type of the domain. REST and the admin each turn it into their own form in one place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field: `field` is the wire name, dotted for nested ones (`phases.0.rateCards.1.price`)."""

    field: str
    code: str
    message: str


class BillingError(Exception):
    """Something that can't be done, said so that the reader knows what to do next.

    `code` is a stable snake_case word for programs; `message` says what is wrong, what was left untouched and what
    to do; `context` holds plain values for logs; `problems` names the fields at fault; `extensions` is what REST says
    besides, as it goes over the wire. `status` is the HTTP status that REST answers with.
    """

    status = 400
    default_code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        context: Mapping[str, Any] | None = None,
        problems: Iterable[FieldProblem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.context = dict(context or {})
        self.problems = tuple(problems)
        self.extensions: dict[str, Any] = {}


class InvalidInput(BillingError):
    """The request itself is wrong: 400."""


def field_error(field: str, code: str, message: str) -> InvalidInput:
    """One field of a request is wrong; `field` is its name on the wire, dotted for nested ones."""
    return InvalidInput(message, code=code, problems=[FieldProblem(field, code, message)])


class NotFound(BillingError):
    """What is addressed is not there: 404."""

    status = 404
    default_code = "not_found"


class Forbidden(BillingError):
    """The caller may not do this: 403."""

    status = 403
    default_code = "forbidden"


class Conflict(BillingError):
    """The request is fine but contradicts what is there: 409."""

    status = 409
    default_code = "conflict"


class PreconditionFailed(BillingError):
    """What is addressed is not in the state that the request needs: 412."""

    status = 412
    default_code = "precondition_failed"
