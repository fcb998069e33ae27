"""Takes a coupon out of use."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from subscriptions.models import Coupon


@transaction.atomic
def archive_coupon(*, coupon: Coupon) -> None:
    """No one can redeem `coupon` any more. What redeemed it goes on as promised; never redeemed, it is deleted."""
    coupon = Coupon.objects.select_for_update().get(pk=coupon.pk)
    if coupon.archived_at is not None:
        return
    record(verb="coupon.archived", target=coupon, did=f"archived coupon {coupon}")
    if coupon.redemptions.exists():
        coupon.archived_at = clock.now()
        coupon.save(update_fields=["archived_at", "updated_at"])
    else:
        coupon.delete()
