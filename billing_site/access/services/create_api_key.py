"""Making an API key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing_site.access.choices import Scope
from billing_site.access.errors import BadKeySettings
from billing_site.access.models import ApiKey
from billing_site.access.secrets import digest_of, new_token, prefix_of
from core.clock import real_now
from core.errors import FieldProblem


def create_api_key(
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    created_by: Any = None,
    token: str | None = None,
) -> tuple[ApiKey, str]:
    """Store a new key; the second value is the key itself, which can't be had again.

    `expires_at` is real time. `token` sets the key instead of drawing one. Raises `BadKeySettings` for no or unknown
    scopes and for an expiry that has passed.
    """
    problems = []
    unknown = sorted(set(scopes) - set(Scope.values))
    if not scopes:
        problems.append(FieldProblem("scopes", "required", "Choose at least one scope."))
    if unknown:
        problems.append(FieldProblem("scopes", "invalid_choice", f"Unknown: {', '.join(unknown)}."))
    if expires_at and expires_at <= real_now():
        problems.append(FieldProblem("expiresAt", "in_the_past", "The expiry must lie in the future."))
    if problems:
        raise BadKeySettings("No API key was made.", problems=problems)
    token = token or new_token()
    key = ApiKey.objects.create(
        name=name,
        prefix=prefix_of(token),
        digest=digest_of(token),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_by=created_by,
        created_at=real_now(),
    )
    return key, token
