"""Having a known key, for development and tests."""

from django.db import transaction

from billing_site.access.choices import Scope
from billing_site.access.models import ApiKey
from billing_site.access.secrets import digest_of

from .create_api_key import create_api_key


@transaction.atomic
def ensure_api_key(*, token: str, name: str = "Development") -> ApiKey:
    """The key `token`, made if it isn't there yet, usable and with every scope either way."""
    key = ApiKey.objects.select_for_update().filter(digest=digest_of(token)).first()
    if key is None:
        return create_api_key(name=name, scopes=[Scope.ALL], token=token)[0]
    key.scopes, key.revoked_at, key.expires_at = [Scope.ALL], None, None
    key.save(update_fields=["scopes", "revoked_at", "expires_at"])
    return key
