"""What staff can do to a subscription: each change is shown with its money before it is confirmed."""

import uuid
from abc import abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

from django.http import HttpRequest

from core import clock
from core.admin.verbs import Answers, Review, Verb, Warned
from core.admin.words import counted, moment_text, quantity_text
from core.errors import Forbidden
from invoicing.admin.payments.charge_words import not_charged
from invoicing.admin.subscription_changes.change_review import change_review, is_past, time_words, update_review
from invoicing.admin.subscription_changes.subscription_forms import (
    AddOnForm,
    ChangePlanForm,
    CouponForm,
    QuantityForm,
    WhenForm,
    timing_of,
)
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from invoicing.subscription_changes.update_item import ItemUpdateResult, update_item
from subscriptions.choices import SubscriptionStatus, UsageOnChange
from subscriptions.lifecycle import states
from subscriptions.lifecycle.facts import pauses_of
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.selectors import find_item
from subscriptions.lifecycle.timing import IMMEDIATE, NEXT_BILLING_CYCLE
from subscriptions.models import Subscription, SubscriptionAddOn

_BACKDATE = "subscriptions.backdate_subscription"
_NO_BACKDATING = "Your role can't date a change in the past. Choose now, or a time to come."
_USAGE_WORDS = {UsageOnChange.PRESERVE: "counts on", UsageOnChange.RESET: "is closed, and starts anew"}


def open_pause(subscription: Subscription) -> Any:
    """The pause that is not over yet, or None."""
    last = pauses_of(subscription)[-1:]
    return next((pause for pause in last if pause.end is None or pause.end > clock.now()), None)


def next_of(subscription: Subscription) -> Subscription | None:
    """The subscription that a change of plan has put in its place, read once a request."""
    known = subscription.__dict__
    if "_next" not in known:
        known["_next"] = subscription.successors.first()
    found: Subscription | None = known["_next"]
    return found


def successor_of(subscription: Subscription) -> Subscription | None:
    """The same, as long as it has not begun."""
    found = next_of(subscription)
    return found if found is not None and found.active_from > clock.now() else None


class SubscriptionVerb(Verb[Subscription]):
    """Refused once the subscription has ended; until it has begun, unless the table of states allows `act` then."""

    act: ClassVar[states.Verb | None] = None
    """What is done to the subscription as a whole; None: only to an item of it."""

    def why_not(self, request: HttpRequest, subscription: Subscription) -> str:
        status = states.status_at(subscription, clock.now())
        if status == SubscriptionStatus.INACTIVE:
            return "It has ended."
        before_begin = self.act is not None and SubscriptionStatus.SCHEDULED in states.MOVES[self.act].statuses
        if status == SubscriptionStatus.SCHEDULED and not before_begin:
            return "It has not begun."
        return self.blocking_reason(subscription)

    def blocking_reason(self, subscription: Subscription) -> str:
        """What else stands in the way, "" for nothing."""
        return "" if self.act is None else planned_otherwise(subscription, self.act)

    def initial(self, subscription: Subscription) -> dict[str, Any]:
        return {"subscription": subscription}


class Change(SubscriptionVerb):
    """A change whose money is shown first: `change` does it, or with `preview` works out what it would come to."""

    @abstractmethod
    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        """Call the service."""

    @abstractmethod
    def done(self, result: ChangeResult) -> str:
        """The sentence that says what was done."""

    def notes(self, answers: Answers) -> list[str]:
        """What the money does not show."""
        return []

    def review(self, request: HttpRequest, subscription: Subscription, answers: Answers) -> Review:
        why_not = _NO_BACKDATING if _backdates_without_right(request, answers) else ""
        result = self.change(subscription, answers, preview=True)
        return change_review(result, notes=self.notes(answers), why_not=why_not)

    def perform(self, request: HttpRequest, subscription: Subscription, answers: Answers) -> str:
        if _backdates_without_right(request, answers):
            raise Forbidden(f"{_NO_BACKDATING} Nothing was changed.")
        result = self.change(subscription, answers, preview=False)
        return with_charges(self.done(result), result.invoice_ids)


class DatedChange(Change):
    """A change for which staff say when: at once unless they say otherwise."""

    form = WhenForm
    timing: ClassVar[str] = IMMEDIATE

    def initial(self, subscription: Subscription) -> dict[str, Any]:
        return super().initial(subscription) | {"timing": self.timing}


def planned_otherwise(subscription: Subscription, act: states.Verb) -> str:
    """Why `act` is not allowed while another change, an end or a pause is planned; "" where it is."""
    allowed = states.MOVES[act]
    successor = successor_of(subscription)
    if successor is not None:
        when = time_words(successor.active_from, subscription)
        return f"A change to {successor.name} is planned for {when}: unschedule it first."
    if subscription.active_to is not None and SubscriptionStatus.CANCELED not in allowed.statuses:
        return f"It is canceled and ends on {time_words(subscription.active_to, subscription)}: unschedule that first."
    if open_pause(subscription) is not None and not allowed.while_paused:
        return "It is paused, or to be: resume it first."
    return ""


def _backdates_without_right(request: HttpRequest, answers: Answers) -> bool:
    if "timing" not in answers or request.user.has_perm(_BACKDATE):
        return False
    return is_past(timing_of(answers), seen=answers["as_of"])


def billed_words(result: ChangeResult) -> str:
    """What was billed at once, as the end of a sentence."""
    return f" {counted(len(result.invoice_ids), 'invoice')} made." if result.invoice_ids else ""


def with_charges(said: str, invoice_ids: Collection[uuid.UUID]) -> str:
    """What was said of a change, and which charges of the invoices that it made did not succeed."""
    problems = not_charged(invoice_ids)
    return Warned(f"{said} {problems}") if problems else said


class ChangePlan(Change):
    slug = "change-plan"
    label = "Change plan"
    permission = "subscriptions.change_plan_subscription"
    act = states.Verb.CHANGE_PLAN
    tone = "primary"
    form = ChangePlanForm

    def asks(self, subscription: Subscription) -> str:
        return f"To which plan is {subscription} to change, and when?"

    def notes(self, answers: Answers) -> list[str]:
        return [f"Usage of the current period {_USAGE_WORDS[answers['usage']]}."]

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return change_plan(
            subscription=subscription,
            timing=timing_of(answers),
            plan=answers["plan"],
            usage=answers["usage"],
            preview=preview,
        )

    def done(self, result: ChangeResult) -> str:
        assert result.successor is not None
        when = time_words(result.successor.active_from, result.subscription)
        return f"{result.subscription.name} changes to {result.successor.name} on {when}.{billed_words(result)}"


class ChangeQuantity(SubscriptionVerb):
    slug = "change-quantity"
    label = "Change quantity"
    permission = "subscriptions.change_quantity_subscription"
    form = QuantityForm

    def asks(self, subscription: Subscription) -> str:
        return f"How many are to count, of which item of {subscription}?"

    def initial(self, subscription: Subscription) -> dict[str, Any]:
        return super().initial(subscription) | {"counts": "next", "tell": True}

    def review(self, request: HttpRequest, subscription: Subscription, answers: Answers) -> Review:
        return update_review(self._update(subscription, answers, preview=True), subscription)

    def perform(self, request: HttpRequest, subscription: Subscription, answers: Answers) -> str:
        result = self._update(subscription, answers, preview=False)
        since = "from now on" if answers["counts"] == "now" else "from its next billing date on"
        next_at = result.next_billing_at
        then = f" Next billing: {moment_text(next_at, subscription.time_zone)}." if next_at is not None else ""
        said = f"Item {answers['item']} counts {quantity_text(answers['quantity'])} times {since}.{then}"
        return with_charges(said, result.invoice_ids)

    def _update(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ItemUpdateResult:
        item = find_item(subscription_id=subscription.pk, running_number=answers["item"])
        return update_item(
            subscription_id=subscription.pk,
            running_number=item.running_number,
            update=ItemUpdate(
                product_id=item.key,
                quantity=answers["quantity"],
                align=answers["counts"] == "now",
                preview_only=preview,
                send_notification=answers["tell"],
                as_of=answers["as_of"] if answers["counts"] == "now" else None,
            ),
        )


class ChangeAddOn(DatedChange):
    slug = "add-on"
    label = "Add-ons"
    permission = "subscriptions.change_addon_subscription"
    act = states.Verb.CHANGE_ADDON
    form = AddOnForm

    def asks(self, subscription: Subscription) -> str:
        return f"Which add-on is {subscription} to have, and how many?"

    def blocking_reason(self, subscription: Subscription) -> str:
        if subscription.plan_id is None:
            return "It is on terms of its own: only plans offer add-ons."
        # Read along with the subscription by its page.
        if not getattr(subscription, "has_addons", True):
            return "Its plan offers no add-on."
        return super().blocking_reason(subscription)

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        addon, quantity, timing = answers["addon"], answers["quantity"], timing_of(answers)
        bought = SubscriptionAddOn.objects.filter(subscription=subscription, addon=addon)
        purchase = bought.select_related("addon", "subscription__plan").first()
        if purchase is None:
            return add_addon(subscription=subscription, addon=addon, quantity=quantity, timing=timing, preview=preview)
        return change_addon_quantity(purchase=purchase, quantity=quantity, timing=timing, preview=preview)

    def done(self, result: ChangeResult) -> str:
        return f"The add-on is changed.{billed_words(result)}"


class RedeemCoupon(Change):
    slug = "redeem-coupon"
    label = "Redeem coupon"
    permission = "subscriptions.redeem_coupon_subscription"
    form = CouponForm

    def asks(self, subscription: Subscription) -> str:
        return f"Which coupon is to be redeemed on {subscription}?"

    def consequences(self, subscription: Subscription) -> list[str]:
        return [
            "It counts from the current period on; where that is charged already, from the next. Nothing comes back."
        ]

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return redeem_coupon(
            subscription=subscription, running_number=answers["item"], code=answers["code"], preview=preview
        )

    def done(self, result: ChangeResult) -> str:
        return "The coupon is redeemed."


class Pause(DatedChange):
    slug = "pause"
    label = "Pause"
    permission = "subscriptions.pause_subscription"
    act = states.Verb.PAUSE

    def asks(self, subscription: Subscription) -> str:
        return f"From when is {subscription} to be paused?"

    def consequences(self, subscription: Subscription) -> list[str]:
        return [
            "Nothing is active or billed until it is resumed; what was charged in advance for that time comes back."
        ]

    def shows(self, subscription: Subscription) -> bool:
        return open_pause(subscription) is None

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return pause_subscription(subscription=subscription, timing=timing_of(answers), preview=preview)

    def done(self, result: ChangeResult) -> str:
        return f"{result.subscription.name} is paused.{billed_words(result)}"


class Resume(DatedChange):
    slug = "resume"
    label = "Resume"
    permission = "subscriptions.resume_subscription"
    act = states.Verb.RESUME
    tone = "primary"

    def asks(self, subscription: Subscription) -> str:
        return f"From when is {subscription} to run on?"

    def shows(self, subscription: Subscription) -> bool:
        return open_pause(subscription) is not None

    def blocking_reason(self, subscription: Subscription) -> str:
        return "" if open_pause(subscription) is not None else "It is not paused."

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return resume_subscription(subscription=subscription, timing=timing_of(answers), preview=preview)

    def done(self, result: ChangeResult) -> str:
        return f"{result.subscription.name} runs on.{billed_words(result)}"


class Unschedule(Change):
    slug = "unschedule"
    label = "Unschedule"
    permission = "subscriptions.unschedule_subscription"
    act = states.Verb.UNSCHEDULE_CANCELATION

    def asks(self, subscription: Subscription) -> str:
        return f"Is {subscription} to run on without the planned end?"

    def consequences(self, subscription: Subscription) -> list[str]:
        return ["A change of plan that has not begun is taken back with it."]

    def shows(self, subscription: Subscription) -> bool:
        return subscription.active_to is not None

    def blocking_reason(self, subscription: Subscription) -> str:
        return "" if subscription.active_to is not None else "No end is planned."

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return unschedule_cancelation(subscription=subscription, preview=preview)

    def done(self, result: ChangeResult) -> str:
        return f"{result.subscription.name} runs on without end."


class Cancel(DatedChange):
    slug = "cancel"
    label = "End subscription"
    permission = "subscriptions.cancel_subscription"
    act = states.Verb.CANCEL
    tone = "danger"
    timing = NEXT_BILLING_CYCLE

    def asks(self, subscription: Subscription) -> str:
        return f"When is {subscription} to be canceled?"

    def change(self, subscription: Subscription, answers: Answers, *, preview: bool) -> ChangeResult:
        return cancel_subscription(subscription=subscription, timing=timing_of(answers), preview=preview)

    def done(self, result: ChangeResult) -> str:
        end = result.subscription.active_to
        assert end is not None
        return f"{result.subscription.name} ends on {time_words(end, result.subscription)}.{billed_words(result)}"


SUBSCRIPTION_VERBS = (
    ChangePlan(),
    ChangeQuantity(),
    ChangeAddOn(),
    RedeemCoupon(),
    Resume(),
    Pause(),
    Unschedule(),
    Cancel(),
)
