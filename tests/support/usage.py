"""What customers use, in tests."""

from entitlements.models import UsageEvent
from tests.support.clock import at


def use(on, amount, subject="acme"):
    """One event of `amount` by `subject`, taken in at once."""
    UsageEvent.objects.create(
        source="test",
        external_id=f"{subject}-{on}-{amount}",
        type="usage",
        subject=subject,
        time=at(on),
        data={"amount": amount},
        ingested_at=at(on),
    )
