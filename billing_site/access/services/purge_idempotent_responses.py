"""Forgetting answers that nobody will ask for again."""

from datetime import timedelta

from billing_site.access.models import IdempotentResponse
from core.clock import real_now

KEPT_FOR = timedelta(days=7)


def purge_idempotent_responses() -> int:
    """Delete answers older than seven days of real time; how many there were."""
    deleted, _ = IdempotentResponse.objects.filter(created_at__lt=real_now() - KEPT_FOR).delete()
    return deleted
