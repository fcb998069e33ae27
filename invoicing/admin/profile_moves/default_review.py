"""The review before another profile becomes the default: who follows it from then on, and what changes for them."""

from core.admin.verbs import Review
from customers.compare_profiles import compared
from customers.effective_settings import default_profile
from customers.models import BillingProfile
from invoicing.profile_moves.cohort import unpinned_customers
from invoicing.profile_moves.make_default_profile import customers_kept, foresee_switch


def default_review(profile: BillingProfile) -> Review:
    """What making `profile` the default does. It reads every customer a few times."""
    old = default_profile()
    kept = customers_kept(profile)
    foresee_switch(profile)
    context = {
        "old": old,
        "new": profile,
        "kept": kept,
        "following": max(0, unpinned_customers().count() - kept),
        "rows": [row for row in compared(old, profile) if row.differs],
    }
    return Review("backoffice/review_default.html", context)
