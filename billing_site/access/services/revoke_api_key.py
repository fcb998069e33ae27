"""Ending an API key."""

from billing_site.access.models import ApiKey
from core.clock import real_now


def revoke_api_key(*, key: ApiKey) -> ApiKey:
    """End the key at once, for good. Revoking it again changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=real_now())
    key.refresh_from_db()
    return key
