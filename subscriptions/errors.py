"""What subscriptions, their items and coupons refuse, in words that say what to do."""

from collections.abc import Sequence
from datetime import datetime

from core.errors import Conflict, NotFound, PreconditionFailed


class CurrencyMismatch(Conflict):
    """The customer is billed in another currency (billing rules 1)."""

    default_code = "currency_mismatch"

    def __init__(self, *, customer: str, theirs: str, offered: str) -> None:
        super().__init__(
            f"{customer} is billed in {theirs}, the plan is priced in {offered}; nothing was created. "
            f"Use a plan in {theirs}."
        )


class FeatureAlreadySubscribed(Conflict):
    """Usage of one feature would be billed twice."""

    default_code = "feature_already_subscribed"

    def __init__(self, *, customer: str, feature_keys: Sequence[str], subscription_id: str, remedy: str = "") -> None:
        remedy = remedy or "nothing was created. End that subscription first, or start this one when it ends."
        features = ", ".join(feature_keys)
        super().__init__(
            f"{customer} already has {features} in subscription {subscription_id} at that time; {remedy}",
            context={"subscription_id": subscription_id, "features": list(feature_keys)},
        )


class NotScheduled(PreconditionFailed):
    """Only a subscription that has not begun can be deleted."""

    default_code = "subscription_not_scheduled"

    def __init__(self, began: datetime) -> None:
        super().__init__(
            f"The subscription began on {began:%Y-%m-%d %H:%M} UTC and was left as it is. Only one that has not begun "
            "can be deleted; cancel it instead."
        )


class CouponNotRedeemable(Conflict):
    """The coupon exists but can't be used here, now."""

    default_code = "coupon_not_redeemable"

    def __init__(self, code: str, because: str) -> None:
        super().__init__(f"Coupon {code} {because}; nothing was changed.", context={"coupon": code})


class PeriodExtendedBefore(Conflict):
    """The extra time of a period was charged once; moving its end again would charge parts of it twice."""

    default_code = "period_extended_before"

    def __init__(self, *, item: str, end: datetime) -> None:
        super().__init__(
            f"The period of {item} was extended before, to {end:%Y-%m-%d %H:%M} UTC; nothing was changed. Wait for its "
            "end, or change the item without extendInterval."
        )


class UnknownItem(NotFound):
    """The subscription has no item of that running number."""

    default_code = "item_not_found"

    def __init__(self, running_number: int) -> None:
        super().__init__(f"The subscription has no item {running_number}.")


class DraftExists(Conflict):
    """A plan has one draft at a time."""

    default_code = "plan_draft_exists"

    def __init__(self, key: str) -> None:
        super().__init__(f"The plan {key} has a draft already; nothing was saved. Change, publish or delete that one.")


class NotADraft(PreconditionFailed):
    """Only drafts can be changed, published and deleted."""

    default_code = "plan_not_a_draft"

    def __init__(self, plan: str, done: str, remedy: str) -> None:
        super().__init__(f"{plan} was published before, so it can't be {done}; it was left as it is. {remedy}")


class AddOnDraftExists(Conflict):
    """An add-on has one draft at a time."""

    default_code = "addon_draft_exists"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The add-on {key} has a draft already; nothing was saved. Change, publish or delete that one."
        )


class AddOnNotADraft(NotADraft):
    """Only drafts can be changed, published and deleted."""

    default_code = "addon_not_a_draft"


class AddOnOfferedBefore(Conflict):
    """A plan offers an add-on once."""

    default_code = "addon_offered_before"

    def __init__(self, addon: str, plan: str) -> None:
        super().__init__(f"{plan} offers {addon} already; nothing was changed. Update that offer instead.")


class AddOnNotBuyable(Conflict):
    """The add-on exists, but this subscription can't have it so, then."""

    default_code = "addon_not_buyable"

    def __init__(self, addon: str, because: str, remedy: str) -> None:
        super().__init__(f"{addon} {because}; nothing was changed. {remedy}")


class NotOnSale(PreconditionFailed):
    """Only what is on sale can be archived."""

    default_code = "plan_not_on_sale"

    def __init__(self, plan: str, status: str) -> None:
        super().__init__(f"{plan} is {status}, not active, so there is nothing to archive; it was left as it is.")


class NotChangeable(PreconditionFailed):
    """The subscription is not in a state in which this can be done to it."""

    default_code = "subscription_not_changeable"

    def __init__(self, because: str, remedy: str) -> None:
        super().__init__(f"The subscription {because}; nothing was changed. {remedy}")


class SuccessorScheduled(Conflict):
    """A change of plan is waiting, and would have to go first."""

    default_code = "change_scheduled"

    def __init__(self, *, successor: str, starts: datetime) -> None:
        super().__init__(
            f"A change to {successor} is scheduled for {starts:%Y-%m-%d %H:%M} UTC; nothing was changed. Unschedule it "
            "first.",
            context={"successor": successor},
        )
