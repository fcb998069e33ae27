"""What holds for every request to `/api/` before its view: the size of bodies, who acts, and repeats of a POST."""

import hashlib
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from billing_site.access.choices import Scope
from billing_site.access.models import ApiKey, IdempotentResponse
from core.audit.actors import Actor, acting_as
from core.clock import real_now
from core.ids import to_text

from .authentication import key_of
from .errors import is_api, plain_problem

_MAX_KEY_LENGTH = 255
_MAX_PATH_LENGTH = 2048


class ApiMiddleware:
    """Refuses what comes unencrypted where it should not (403), bodies that are too large (413) or of unknown length
    (411), names the key as the actor of what is
    recorded, and makes any POST with an `Idempotency-Key` safe to repeat."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_api(request):
            return self.get_response(request)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            # No redirect: it would make a GET of a POST, and the key would go on being sent in the clear, unseen.
            detail = "Send this over https. Nothing was done; the key was readable on the way: replace it."
            return plain_problem(status=403, code="https_required", detail=detail)
        if "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH"):
            detail = "Send the body with a Content-Length, not in chunks."
            return plain_problem(status=411, code="length_required", detail=detail)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > settings.API_MAX_BODY_BYTES:
            detail = f"The body is larger than {settings.API_MAX_BODY_BYTES} bytes. Send less at a time."
            return plain_problem(status=413, code="body_too_large", detail=detail)
        key = key_of(request)
        if key is None or key.refusal(at=real_now()):
            return self.get_response(request)  # ends as a 401, unless the address needs no key
        name = request.headers.get("Idempotency-Key")
        maker = "" if key.created_by_id is None else str(key.created_by_id)
        actor = Actor(
            "api_key",
            to_text(key.pk),
            f"API key {key.name}",
            made_by=maker,
            may_act_alone=key.allows(Scope.APPROVALS),
            is_program=not maker or key.allows(Scope.SETUP),
        )
        with acting_as(actor):
            if request.method != "POST" or not name:
                return self.get_response(request)
            return self._once(request, key, name)

    def _once(self, request: HttpRequest, key: ApiKey, name: str) -> HttpResponseBase:
        if len(name) > _MAX_KEY_LENGTH or not name.isprintable() or len(request.path) > _MAX_PATH_LENGTH:
            detail = f"The Idempotency-Key must have at most {_MAX_KEY_LENGTH} printable characters."
            return plain_problem(status=400, code="bad_idempotency_key", detail=detail)
        with transaction.atomic():
            # A repeat that arrives meanwhile waits here, at the unique index, until this transaction ends.
            claim, first = _claim(request, key, name)
            if not first:
                return _repeat(claim, request)
            response = self.get_response(request)
            if response.status_code >= 400 or not isinstance(response, HttpResponse):
                # Nothing was done, so nothing is remembered: the caller may correct the request and try again.
                transaction.set_rollback(True)
            else:
                IdempotentResponse.objects.filter(pk=claim.pk).update(
                    status=response.status_code,
                    content_type=response.headers.get("Content-Type", ""),
                    body=response.content,
                )
        return response


def _claim(request: HttpRequest, key: ApiKey, name: str) -> tuple[IdempotentResponse, bool]:
    claim = IdempotentResponse(
        api_key=key,
        path=request.path,
        idempotency_key=name,
        request_hash=_hash(request),
        created_at=real_now(),
    )
    IdempotentResponse.objects.bulk_create([claim], ignore_conflicts=True)
    stored = IdempotentResponse.objects.get(api_key=key, path=request.path, idempotency_key=name)
    return stored, stored.status is None


def _repeat(stored: IdempotentResponse, request: HttpRequest) -> HttpResponse:
    if stored.request_hash != _hash(request):
        detail = "This Idempotency-Key was used here with another request. Nothing was done; use a new key."
        return plain_problem(status=409, code="idempotency_key_reused", detail=detail)
    response = HttpResponse(bytes(stored.body), status=stored.status, content_type=stored.content_type or None)
    if not stored.content_type:
        del response["Content-Type"]
    response["Idempotent-Replayed"] = "true"
    return response


def _hash(request: HttpRequest) -> str:
    parts = [request.META.get("QUERY_STRING", ""), request.content_type or "", ""]
    return hashlib.sha256("\n".join(parts).encode() + request.body).hexdigest()
