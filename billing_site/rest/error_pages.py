"""What Django answers outside of any view: problem details under `/api/`, pages elsewhere."""

import logging
import sys
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from core.batches import is_away
from core.ids import new_id, to_text

from .errors import AWAY, RETRY_SOON, is_api, plain_problem


def bad_request(request: HttpRequest, exception: Exception, *args: Any, **kwargs: Any) -> HttpResponse:
    """Django's 400: a malformed request."""
    if is_api(request):
        return plain_problem(status=400, code="bad_request", detail="The request can't be read.")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception, *args: Any, **kwargs: Any) -> HttpResponse:
    """Django's 403, outside of a view of the API."""
    if is_api(request):
        return plain_problem(status=403, code="permission_denied", detail="This is not allowed.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception, *args: Any, **kwargs: Any) -> HttpResponse:
    """Django's 404: no such address."""
    if is_api(request):
        return plain_problem(status=404, code="not_found", detail="There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Django's 500: an error outside of a view. Django has logged it; the id ties the two together."""
    if not is_api(request):
        return defaults.server_error(request)
    error = sys.exc_info()[1]
    if error is not None and is_away(error):
        return plain_problem(status=503, code="unavailable", detail=AWAY, headers=RETRY_SOON)
    error_id = to_text(new_id())
    logging.getLogger("billing_site.rest").error("Unexpected error %s at %s", error_id, request.path)
    return plain_problem(
        status=500,
        code="unexpected",
        detail=f"Something went wrong on our side. Name {error_id} when you report it.",
    )
