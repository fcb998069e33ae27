"""What staff can do to a subscription: each change is shown with its money before it is confirmed."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest

from core import clock
from core.admin.verbs import Review, Verb
from core.admin.words import moment_text, quantity_text
from core.errors import Forbidden
from invoicing.admin.change_review import change_review, is_past, time_words, update_review
from invoicing.admin.subscription_forms import (
    AddOnForm,
    ChangePlanForm,
    CouponForm,
    QuantityForm,
    WhenForm,
    timing_of,
)
from invoicing.services.change_addon import add_addon, change_addon_quantity
from invoicing.services.change_result import ChangeResult
from invoicing.services.change_subscription import change_subscription
from invoicing.services.continue_subscription import continue_subscription
from invoicing.services.end_subscription import end_subscription
from invoicing.services.pause_billing import pause_billing
from invoicing.services.resume_billing import resume_billing
from invoicing.services.update_item import update_item
from invoicing.services.use_coupon import use_coupon
from subscriptions.choices import SubscriptionStatus, UsageOnChange
from subscriptions.facts import pauses_of
from subscriptions.item_update import ItemUpdate, ItemUpdateResult
from subscriptions.models import Subscription, SubscriptionAddOn
from subscriptions.selectors import find_item
from subscriptions.timing import IMMEDIATE, NEXT_BILLING_CYCLE

# Does the change, or shows what it would come to.
Change = Callable[[Subscription, Mapping[str, Any], bool], ChangeResult]

_BACKDATE = "subscriptions.backdate_subscription"
_NO_BACKDATING = "Your role can't date a change in the past. Choose now, or a time to come."
_ENDED = "It has ended."
_NOT_BEGUN = "It has not begun."
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


def _why_not_change(request: HttpRequest, subscription: Subscription, *, paused: bool = False) -> str:
    status = subscription.status_at(clock.now())
    if status == SubscriptionStatus.INACTIVE:
        return _ENDED
    if status == SubscriptionStatus.SCHEDULED:
        return _NOT_BEGUN
    successor = successor_of(subscription)
    if successor is not None:
        when = time_words(successor.active_from, subscription)
        return f"A change to {successor.name} is planned for {when}: unschedule it first."
    if subscription.active_to is not None:
        return f"It is canceled and ends on {time_words(subscription.active_to, subscription)}: unschedule that first."
    if not paused and open_pause(subscription) is not None:
        return "It is paused, or to be: resume it first."
    return ""


def _why_not_end(request: HttpRequest, subscription: Subscription) -> str:
    if subscription.status_at(clock.now()) == SubscriptionStatus.INACTIVE:
        return _ENDED
    return "A change of plan is planned: unschedule it first." if successor_of(subscription) is not None else ""


def _why_not_continue(request: HttpRequest, subscription: Subscription) -> str:
    if subscription.status_at(clock.now()) == SubscriptionStatus.INACTIVE:
        return _ENDED
    return "" if subscription.active_to is not None else "No end is planned."


def _why_not_resume(request: HttpRequest, subscription: Subscription) -> str:
    if subscription.status_at(clock.now()) == SubscriptionStatus.INACTIVE:
        return _ENDED
    return "" if open_pause(subscription) is not None else "It is not paused."


def _why_not_item(request: HttpRequest, subscription: Subscription) -> str:
    status = subscription.status_at(clock.now())
    if status == SubscriptionStatus.INACTIVE:
        return _ENDED
    return _NOT_BEGUN if status == SubscriptionStatus.SCHEDULED else ""


def _why_not_addon(request: HttpRequest, subscription: Subscription) -> str:
    if subscription.plan_id is None:
        return "It is on terms of its own: only plans offer add-ons."
    return _why_not_change(request, subscription)


def _reviewed(change: Change, notes: Callable[[Any], list[str]] = lambda answers: []) -> Any:
    def review(request: HttpRequest, subscription: Subscription, answers: Mapping[str, Any]) -> Review:
        why_not = _NO_BACKDATING if _backdates_without_right(request, answers) else ""
        return change_review(change(subscription, answers, True), notes=notes(answers), why_not=why_not)

    return review


def _performed(change: Change, say: Callable[[ChangeResult], str]) -> Any:
    def perform(request: HttpRequest, subscription: Subscription, answers: Mapping[str, Any]) -> str:
        if _backdates_without_right(request, answers):
            raise Forbidden(f"{_NO_BACKDATING} Nothing was changed.")
        return say(change(subscription, answers, False))

    return perform


def _backdates_without_right(request: HttpRequest, answers: Mapping[str, Any]) -> bool:
    if "timing" not in answers or request.user.has_perm(_BACKDATE):
        return False
    return is_past(timing_of(answers), seen=answers["as_of"])


def _change_plan(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    return change_subscription(
        subscription=subscription,
        timing=timing_of(answers),
        plan=answers["plan"],
        usage=answers["usage"],
        preview=preview,
    )


def _changed(result: ChangeResult) -> str:
    assert result.successor is not None
    when = time_words(result.successor.active_from, result.subscription)
    return f"{result.subscription.name} changes to {result.successor.name} on {when}.{_billed(result)}"


def _cancel(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    return end_subscription(subscription=subscription, timing=timing_of(answers), preview=preview)


def _canceled(result: ChangeResult) -> str:
    end = result.subscription.active_to
    assert end is not None
    return f"{result.subscription.name} ends on {time_words(end, result.subscription)}.{_billed(result)}"


def _pause(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    return pause_billing(subscription=subscription, timing=timing_of(answers), preview=preview)


def _resume(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    return resume_billing(subscription=subscription, timing=timing_of(answers), preview=preview)


def _continue(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    return continue_subscription(subscription=subscription, preview=preview)


def _redeem(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    return use_coupon(subscription=subscription, running_number=answers["item"], code=answers["code"], preview=preview)


def _set_addon(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ChangeResult:
    addon, quantity, timing = answers["addon"], answers["quantity"], timing_of(answers)
    bought = SubscriptionAddOn.objects.filter(subscription=subscription, addon=addon)
    purchase = bought.select_related("addon", "subscription__plan").first()
    if purchase is None:
        return add_addon(subscription=subscription, addon=addon, quantity=quantity, timing=timing, preview=preview)
    return change_addon_quantity(purchase=purchase, quantity=quantity, timing=timing, preview=preview)


def _billed(result: ChangeResult) -> str:
    """What was billed at once, as the end of a sentence."""
    count = len(result.invoice_ids)
    return f" {count} invoice{'' if count == 1 else 's'} made." if count else ""


def _update(subscription: Subscription, answers: Mapping[str, Any], preview: bool) -> ItemUpdateResult:
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
        ),
    )


def _review_quantity(request: HttpRequest, subscription: Subscription, answers: Mapping[str, Any]) -> Review:
    return update_review(_update(subscription, answers, True), subscription)


def _set_quantity(request: HttpRequest, subscription: Subscription, answers: Mapping[str, Any]) -> str:
    result = _update(subscription, answers, False)
    since = "from now on" if answers["counts"] == "now" else "from its next billing date on"
    next_at = result.next_billing_at
    then = f" Next billing: {moment_text(next_at, subscription.time_zone)}." if next_at is not None else ""
    return f"Item {answers['item']} counts {quantity_text(answers['quantity'])} times {since}.{then}"


def _asked(subscription: Subscription, timing: str = IMMEDIATE) -> dict[str, Any]:
    return {"subscription": subscription, "timing": timing}


CHANGE_PLAN = Verb(
    slug="change-plan",
    label="Change plan",
    permission="subscriptions.change_plan_subscription",
    asks=lambda subscription: f"To which plan is {subscription} to change, and when?",
    why_not=_why_not_change,
    initial=lambda subscription: {"subscription": subscription},
    form=ChangePlanForm,
    review=_reviewed(_change_plan, lambda answers: [f"Usage of the current period {_USAGE_WORDS[answers['usage']]}."]),
    perform=_performed(_change_plan, _changed),
    tone="primary",
)
QUANTITY = Verb(
    slug="change-quantity",
    label="Change quantity",
    permission="subscriptions.change_quantity_subscription",
    asks=lambda subscription: f"How many are to count, of which item of {subscription}?",
    why_not=_why_not_item,
    initial=lambda subscription: {"subscription": subscription, "counts": "next", "tell": True},
    form=QuantityForm,
    review=_review_quantity,
    perform=_set_quantity,
)
ADD_ON = Verb(
    slug="add-on",
    label="Add-ons",
    permission="subscriptions.change_addon_subscription",
    asks=lambda subscription: f"Which add-on is {subscription} to have, and how many?",
    why_not=_why_not_addon,
    initial=_asked,
    form=AddOnForm,
    review=_reviewed(_set_addon),
    perform=_performed(_set_addon, lambda result: f"The add-on is changed.{_billed(result)}"),
)
COUPON = Verb(
    slug="redeem-coupon",
    label="Redeem coupon",
    permission="subscriptions.redeem_coupon_subscription",
    asks=lambda subscription: f"Which coupon is to be redeemed on {subscription}?",
    consequences=lambda subscription: [
        "It counts from the current period on; where that is charged already, from the next. Nothing comes back."
    ],
    why_not=_why_not_item,
    initial=lambda subscription: {"subscription": subscription},
    form=CouponForm,
    review=_reviewed(_redeem),
    perform=_performed(_redeem, lambda result: "The coupon is redeemed."),
)
PAUSE = Verb(
    slug="pause",
    label="Pause",
    permission="subscriptions.pause_subscription",
    asks=lambda subscription: f"From when is {subscription} to be paused?",
    consequences=lambda subscription: [
        "Nothing is active or billed until it is resumed; what was charged in advance for that time comes back."
    ],
    why_not=_why_not_change,
    shows=lambda subscription: open_pause(subscription) is None,
    initial=_asked,
    form=WhenForm,
    review=_reviewed(_pause),
    perform=_performed(_pause, lambda result: f"{result.subscription.name} is paused.{_billed(result)}"),
)
RESUME = Verb(
    slug="resume",
    label="Resume",
    permission="subscriptions.resume_subscription",
    asks=lambda subscription: f"From when is {subscription} to run on?",
    why_not=_why_not_resume,
    shows=lambda subscription: open_pause(subscription) is not None,
    initial=_asked,
    form=WhenForm,
    review=_reviewed(_resume),
    perform=_performed(_resume, lambda result: f"{result.subscription.name} runs on.{_billed(result)}"),
    tone="primary",
)
UNSCHEDULE = Verb(
    slug="unschedule",
    label="Unschedule",
    permission="subscriptions.unschedule_subscription",
    asks=lambda subscription: f"Is {subscription} to run on without the planned end?",
    consequences=lambda subscription: ["A change of plan that has not begun is taken back with it."],
    why_not=_why_not_continue,
    shows=lambda subscription: subscription.active_to is not None,
    review=_reviewed(_continue),
    perform=_performed(_continue, lambda result: f"{result.subscription.name} runs on without end."),
)
CANCEL = Verb(
    slug="cancel",
    label="End subscription",
    permission="subscriptions.cancel_subscription",
    asks=lambda subscription: f"When is {subscription} to be canceled?",
    why_not=_why_not_end,
    initial=lambda subscription: _asked(subscription, NEXT_BILLING_CYCLE),
    form=WhenForm,
    review=_reviewed(_cancel),
    perform=_performed(_cancel, _canceled),
    tone="danger",
)

SUBSCRIPTION_VERBS = (CHANGE_PLAN, QUANTITY, ADD_ON, COUPON, RESUME, PAUSE, UNSCHEDULE, CANCEL)
