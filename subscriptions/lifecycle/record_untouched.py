"""Records in which billed time coupons had nothing to take off, and their ends, which that moves."""

from collections.abc import Sequence

from core.bulk import update_rows
from core.jsontext import canonical_json
from subscriptions.lifecycle.facts import untouched_to_json
from subscriptions.models import CouponRedemption
from subscriptions.schedule import CouponFacts


def record_untouched(coupons: Sequence[CouponFacts]) -> None:
    """Store the end and the untouched time of these redemptions (billing rules 3), in the caller's transaction, which
    holds the locks of their customers. One statement, and none without any."""
    update_rows(
        CouponRedemption,
        ("effective_to", "untouched"),
        [(each.id, each.end, canonical_json(untouched_to_json(each.untouched))) for each in coupons],
    )
