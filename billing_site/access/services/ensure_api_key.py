"""Having a known key, for development and tests."""

from collections.abc import Sequence

from django.db import transaction

from billing_site.access.choices import Scope
from billing_site.access.models import ApiKey
from billing_site.access.secrets import digest_of

from .create_api_key import create_api_key


@transaction.atomic
def ensure_api_key(*, token: str, name: str = "Development", scopes: Sequence[str] = (Scope.ALL,)) -> ApiKey:
    """The key `token`, made if it isn't there yet, usable and with just these scopes either way."""
    key = ApiKey.objects.select_for_update().filter(digest=digest_of(token)).first()
    if key is None:
        return create_api_key(name=name, scopes=scopes, token=token)[0]
    key.scopes, key.revoked_at, key.expires_at = sorted(set(scopes)), None, None
    key.save(update_fields=["scopes", "revoked_at", "expires_at"])
    return key
