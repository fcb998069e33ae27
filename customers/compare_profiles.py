"""Two billing profiles side by side, with the parties that they name."""

from customers.effective_settings import profile_values
from customers.models import BillingProfile
from customers.setting_differences import Difference, differences


def compared(left: BillingProfile, right: BillingProfile) -> list[Difference]:
    """Everything that two profiles say, parties first."""
    parties = [
        Difference("supplier", "Supplier", str(left.supplier), str(right.supplier)),
        Difference("app", "Billing app", str(left.app), str(right.app)),
    ]
    return [*parties, *differences(profile_values(left), profile_values(right))]
