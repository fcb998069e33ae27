"""Taking a feature out of the catalog."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from entitlements.models import Feature


@transaction.atomic
def archive_feature(*, feature: Feature) -> Feature:
    """Archive it; its key becomes free, and what was sold with it goes on. Archiving it again changes nothing."""
    feature = Feature.objects.select_for_update().get(pk=feature.pk)
    if feature.archived_at is None:
        feature.archived_at = clock.now()
        feature.save(update_fields=["archived_at", "updated_at"])
        record(verb="feature.archived", target=feature, did=f"archived the feature {feature}")
    return feature
