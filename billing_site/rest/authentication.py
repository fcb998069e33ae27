"""`Authorization: Bearer <key>`."""

from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from billing_site.access.known_keys import find_key
from billing_site.access.models import ApiKey
from core.clock import real_now

_USE_NOTED_EVERY = timedelta(minutes=1)
_MEMO = "billing_site.api_key"


class ApiKeyAuthentication(BaseAuthentication):
    """A wrong, expired or revoked key is a 401 that says which; no key at all is left to the permission."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        words = request.headers.get("Authorization", "").split()
        if not words:
            return None
        if len(words) != 2 or words[0].lower() != "bearer":
            raise AuthenticationFailed("Send the API key as: Authorization: Bearer <key>.")
        key = key_of(request._request)
        if key is None:
            raise AuthenticationFailed("There is no such API key.")
        refusal = key.refusal(at=real_now())
        if refusal:
            raise AuthenticationFailed(refusal)
        _note_use(key)
        return key, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def key_of(request: HttpRequest) -> ApiKey | None:
    """The stored key that the request carries, usable or not; looked up once a request."""
    if _MEMO not in request.META:
        words = request.headers.get("Authorization", "").split()
        token = words[1] if len(words) == 2 else ""
        request.META[_MEMO] = find_key(token) if token else None
    return request.META[_MEMO]


def _note_use(key: ApiKey) -> None:
    now = real_now()
    if key.last_used_at is None or now - key.last_used_at >= _USE_NOTED_EVERY:
        # Conditional, so that of many requests at once only one writes.
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USE_NOTED_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now  # where the key is remembered, the next request doesn't write again
