"""Edits the terms of a running subscription: items and phases added, removed, moved."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from core import clock
from core.admin.words import duration_words
from core.audit.services.record import record
from core.errors import InvalidInput
from subscriptions.catalog.plan_selectors import checked_terms
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms
from subscriptions.catalog.price_words import discount_words, price_words
from subscriptions.lifecycle.carry_periods import owe_no_fee_twice
from subscriptions.lifecycle.check_features import NOT_CHANGED, check_features, gained_spans, kept_by_database
from subscriptions.lifecycle.coupon_periods import coupons_recounted
from subscriptions.lifecycle.edit_timeline import Timeline
from subscriptions.lifecycle.edits import AddItem, AddPhase, Edit, RemoveItem, RemovePhase, StretchPhase
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import ItemRevision, QuantityChange, Subscription, SubscriptionPhase


@kept_by_database()
@transaction.atomic
def record_edit(*, subscription: Subscription, at: datetime, edits: Sequence[Edit]) -> Subscription:
    """Carry out `edits`, in order, with effect from `at` (UTC): all of them or none. Touches no invoice.

    The plan stays; what an item was priced by before stays in its history. InvalidInput, naming the edit, where one
    makes no sense; NotChangeable (PreconditionFailed) where the subscription does not run.
    """
    subscription = lock_subscription(subscription, at=at, verb=Verb.EDIT)
    phases = list(SubscriptionPhase.objects.filter(subscription=subscription))
    revisions = list(ItemRevision.objects.filter(item__subscription=subscription).select_related("item", "phase"))
    before = {revision.pk: (revision.active_from, revision.active_to) for revision in revisions}
    now = clock.now()
    timeline = Timeline(
        subscription, phases, revisions, list(subscription.items.select_related("purchase")), at=at, now=now
    )
    for number, edit in enumerate(edits):
        field = f"customizations.{number}"
        timeline.apply(_checked(edit, subscription, field) if isinstance(edit, AddItem) else edit, field)
    check_features(
        subscription.customer, gained_spans(timeline.revisions, before), own=subscription, remedy=NOT_CHANGED
    )
    with coupons_recounted(subscription):
        _save(timeline, before)
    owe_no_fee_twice(subscription, _keys_charged_once_now(timeline, before))
    facts_changed(subscription=subscription, changed_from=periods_touched(subscription, at), due_at=max(now, at))
    said = "; ".join(_words(edit, subscription.currency) for edit in edits)
    record(
        verb="subscription.edited",
        target=subscription,
        did=f"edited {subscription} with effect from {at:%Y-%m-%d %H:%M} UTC: {said}",
        customer_id=subscription.customer_id,
    )
    return subscription


def _keys_charged_once_now(timeline: Timeline, before: Collection[UUID]) -> set[str]:
    """The keys of items that the edit gave a one-time fee and that had none in this subscription."""
    once = [r for r in timeline.revisions if r.billing_cadence is None and r.price is not None]
    return {r.item.key for r in once if r.pk not in before} - {r.item.key for r in once if r.pk in before}


def _words(edit: Edit, currency: str) -> str:
    """The edit as a part of a sentence in the audit trail."""
    match edit:
        case AddItem(phase, card):
            priced = price_words(card.price, currency, card.billing_cadence)
            less = discount_words(card.discounts)
            return f"{card.key} in {phase} at {priced}{f', {less}' if less else ''}"
        case RemoveItem(phase, key):
            return f"{phase} without {key}"
        case AddPhase(key=key):
            return f"phase {key} added"
        case RemovePhase(phase):
            return f"phase {phase} removed"
        case StretchPhase(phase, length):
            return f"phase {phase} longer by {duration_words(length.text)}"
    return "planned edits of the current phase taken back"


def _checked(edit: AddItem, subscription: Subscription, field: str) -> AddItem:
    """The edit with its rate card checked by the rules of plans, breaches named as the caller wrote them."""
    terms = PlanTerms(
        name=subscription.name,
        currency=subscription.currency,
        billing_cadence=subscription.billing_cadence,
        phases=(PhaseTerms(key=edit.phase_key, name=edit.phase_key, rate_cards=(edit.card,)),),
    )
    try:
        checked = checked_terms(terms)
    except InvalidInput as error:
        problems = [
            replace(problem, field=problem.field.replace("phases.0.rateCards.0", f"{field}.rateCard"))
            for problem in error.problems
        ]
        raise InvalidInput(
            f"The rate card {edit.card.key} can't be added: {problems[0].message} Nothing was changed.",
            code="invalid_rate_card",
            problems=problems,
        ) from error
    return replace(edit, card=checked.phases[0].rate_cards[0])


def _save(timeline: Timeline, before: dict[UUID, tuple[datetime, datetime | None]]) -> None:
    for position, phase in enumerate((*timeline.phases, *timeline.gone)):
        phase.position = position
        if phase in timeline.gone:
            phase.active_to = phase.active_from
        phase.save()
    for item in timeline.items.values():
        if item._state.adding:
            item.save()
    known = [revision for revision in timeline.revisions if revision.pk in before]
    changed = [r for r in known if before[r.pk] != (r.active_from, r.active_to)]
    # First without any time, so that no two overlap while each takes its new place.
    ItemRevision.objects.filter(pk__in=[revision.pk for revision in changed]).update(active_to=F("active_from"))
    for revision in (*changed, *(r for r in timeline.revisions if r.pk not in before)):
        revision.save()
    for revision, start in timeline.moved.items():
        QuantityChange.objects.filter(item=revision.item, effective_at=start).update(effective_at=revision.active_from)
