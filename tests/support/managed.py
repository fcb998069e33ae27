"""Plans that entitle to calls, in tests, and what customers have by them."""

from entitlements.access.selectors import active_at, ever_active
from entitlements.models import Entitlement
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.entitlements import figures


def entitling_card(feature, amount=50000, **template):
    terms = {"type": "metered", "usagePeriod": "P1M", "issueAfterReset": amount} | template
    return {
        "type": "usage_based",
        "key": "calls",
        "name": "Calls",
        "billing_cadence": "P1M",
        "price": None,
        "feature": feature,
        "entitlement_template": {name: value for name, value in terms.items() if value is not None},
    }


def entitling_plan(feature, key="free", amount=50000, *, price=None, **template):
    base = [] if price is None else [flat_card(price=fee(price))]
    return flat_plan(key, None, cards=(entitling_card(feature, amount, **template), *base))


def rows():
    """The managed entitlements that have any time, in order: plan, from, to."""
    found = Entitlement.objects.filter(ever_active(), managed_in__isnull=False).order_by("active_from", "id")
    return [
        (row.managed_keys.get("plan"), f"{row.active_from:%m-%d}", row.active_to and f"{row.active_to:%m-%d}")
        for row in found
    ]


def have(moment):
    """Access, total, usage, balance and overage of the entitlement that is active at `moment`; None without one."""
    row = Entitlement.objects.filter(active_at(at(moment)), feature_key="calls").first()
    return None if row is None else figures(row, moment)


def current(moment):
    return Entitlement.objects.get(active_at(at(moment)), feature_key="calls")
