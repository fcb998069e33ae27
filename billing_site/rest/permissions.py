"""Whether the key may do what the request asks."""

from typing import Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from billing_site.access.models import ApiKey


class HasScope(BasePermission):
    """The key needs the scope that the view declares for the method; a 403 names the one that is missing."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            raise NotAuthenticated("This needs an API key. Send it as: Authorization: Bearer <key>.")
        if request.method == "OPTIONS" or request.method not in view.allowed_methods:
            return True  # the answer is 405, whatever the key
        scope = view.scope_needed(request.method)
        if not request.auth.allows(scope):
            raise PermissionDenied(f"This API key lacks the scope {scope}. Nothing was changed.", code="missing_scope")
        return True
