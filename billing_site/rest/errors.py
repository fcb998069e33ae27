"""Every error as a problem detail (RFC 7807), in one place."""

import logging
import math
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.core.signals import got_request_exception
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response

from core.batches import is_away
from core.errors import BillingError, FieldProblem
from core.ids import new_id, to_text
from core.rest.parsers import BodyTooLarge
from core.rest.renderers import WireJSONRenderer
from core.rest.wire_json import dumps

CONTENT_TYPE = "application/problem+json"
# Where the connection broke at the end, the database may have kept what was asked for.
AWAY = (
    "The database can't be reached at this moment. Send the same request again in some seconds, a change with the same "
    "Idempotency-Key: nothing is then done twice."
)
RETRY_SOON = {"Retry-After": "2"}
logger = logging.getLogger("billing_site.rest")


def problem(*, status: int, code: str, detail: str, problems: Any = (), instance: str | None = None) -> dict[str, Any]:
    """The body of a problem detail. `problems` are `FieldProblem`s, with wire names."""
    body: dict[str, Any] = {
        "type": f"urn:countinghouse:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance or f"urn:request:{to_text(new_id())}",
    }
    listed = [{"code": p.code, "field": p.field, "message": p.message} for p in problems]
    if listed:
        body["extensions"] = {"validationErrors": listed}
    return body


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response:
    """DRF's hook: whatever a view raises becomes a problem detail, and its transaction is rolled back."""
    request = context.get("request")
    if request is not None:
        # Also where the answer would have been CSV.
        request.accepted_renderer, request.accepted_media_type = WireJSONRenderer(), WireJSONRenderer.media_type
    connection = transaction.get_connection()
    if connection.in_atomic_block and connection.settings_dict["ATOMIC_REQUESTS"]:
        transaction.set_rollback(True)
    if isinstance(exception, BillingError):
        body = problem(
            status=exception.status, code=exception.code, detail=exception.message, problems=exception.problems
        )
        if exception.extensions:
            body["extensions"] = {**body.get("extensions", {}), **exception.extensions}
        return _answer(body)
    if isinstance(exception, Http404):
        exception = exceptions.NotFound("There is nothing at this address.")
    elif isinstance(exception, DjangoPermissionDenied):
        exception = exceptions.PermissionDenied()
    elif isinstance(exception, RequestDataTooBig):
        exception = BodyTooLarge()
    elif isinstance(exception, TooManyFieldsSent):
        exception = exceptions.ParseError(f"More than {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} query parameters.")
    elif isinstance(exception, SuspiciousOperation):
        exception = exceptions.ParseError("The request can't be read.")
    if isinstance(exception, exceptions.ValidationError):
        return _answer(_validation_problem(exception))
    if isinstance(exception, exceptions.APIException):
        return _api_problem(exception)
    if is_away(exception):
        return _away(exception, context)
    return _unexpected(exception, context)


def _answer(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def _validation_problem(exception: exceptions.ValidationError) -> dict[str, Any]:
    problems = list(_flatten(exception.detail, ""))
    named = [f"{p.field}: {p.message}" if p.field else p.message for p in problems]
    more = f" (and {len(named) - 3} more)" if len(named) > 3 else ""
    return problem(status=400, code="validation", detail=" ".join(named[:3]) + more, problems=problems)


def _flatten(detail: Any, path: str) -> Iterator[FieldProblem]:
    """DRF's nested errors as fields with dotted paths: `phases.0.rateCards.1.price`."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            inner_path = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            yield from _flatten(inner, inner_path)
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            # In a list of errors of one field the items are texts; in the errors of a list they are nested.
            is_text = isinstance(inner, str)
            yield from _flatten(inner, path if is_text else f"{path}.{index}" if path else str(index))
    else:
        code = detail.code if isinstance(detail, ErrorDetail) else "invalid"
        yield FieldProblem(field=path, code=str(code), message=str(detail))


def _api_problem(exception: exceptions.APIException) -> Response:
    headers = {}
    challenge = getattr(exception, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    detail = str(exception.detail)
    seconds = getattr(exception, "wait", None)
    if seconds is not None:
        wait = max(1, math.ceil(seconds))
        headers["Retry-After"] = str(wait)
        detail = f"Too many requests with this API key. Try again in {wait} seconds."
    codes = exception.get_codes()
    code = codes if isinstance(codes, str) else exception.default_code
    return _answer(problem(status=exception.status_code, code=code, detail=detail), headers)


def _away(exception: Exception, context: dict[str, Any]) -> Response:
    """Nobody's fault, and over soon: whoever asked can ask again."""
    request = context.get("request")
    logger.error("The database can't be reached, at %s", getattr(request, "path", "?"), exc_info=exception)
    got_request_exception.send(sender=exception_handler, request=getattr(request, "_request", None))
    return _answer(problem(status=503, code="unavailable", detail=AWAY), RETRY_SOON)


def _unexpected(exception: Exception, context: dict[str, Any]) -> Response:
    error_id = to_text(new_id())
    request = context.get("request")
    logger.error("Unexpected error %s at %s", error_id, getattr(request, "path", "?"), exc_info=exception)
    # What watches Django for exceptions (tests among them) must hear of this one too.
    got_request_exception.send(sender=exception_handler, request=getattr(request, "_request", None))
    body = problem(
        status=500,
        code="unexpected",
        detail=f"Something went wrong on our side, and nothing was changed. Name {error_id} when you report it.",
        instance=f"urn:request:{error_id}",
    )
    return _answer(body)


def plain_problem(*, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """A problem detail from outside of DRF: middleware and Django's own error pages."""
    body = dumps(problem(status=status, code=code, detail=detail))
    return HttpResponse(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def is_api(request: HttpRequest) -> bool:
    """Whether the request is for the REST API, so that its errors are problem details."""
    return request.path_info == "/api" or request.path_info.startswith("/api/")
