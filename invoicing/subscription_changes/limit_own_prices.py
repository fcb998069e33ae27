"""Measures the prices of a customer's own against what the plans listed, wherever a subscription gets them."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import F

from core.approvals.limits import may_act_alone
from invoicing.tax_guards.tax_switch import check_item_tax
from subscriptions.catalog.discount_limits import Charged, check_card_discounts, check_own_price
from subscriptions.catalog.plan_terms import PlanTerms, RateCardTerms
from subscriptions.lifecycle.edits import AddItem, Edit
from subscriptions.models import ItemRevision, Subscription


def check_edits(subscription: Subscription, edits: Sequence[Edit]) -> None:
    """`ApprovalNeeded` where an edit takes more off what a plan listed than one person may give."""
    if may_act_alone():
        return
    known = _rows(subscription.customer_id, subscription.currency)
    added = [edit for edit in edits if isinstance(edit, AddItem)]
    taxed = []
    for edit in added:
        theirs = [
            row
            for row in known
            if row.item.subscription_id == subscription.pk
            and (row.phase.key, row.item.key) == (edit.phase_key, edit.card.key)
        ]
        _check(edit.card, theirs, known)
        taxed.append((edit.card.name, _tax_before(edit.card, theirs, known), edit.card.tax_config))
    check_item_tax(subscription.customer_id, taxed)


def check_custom_plan(customer_id: uuid.UUID, plan: PlanTerms) -> None:
    """The same for a plan that is made for the customer, measured against what they were listed before; where they had
    nothing like it, only its percentages."""
    if may_act_alone():
        return
    cards = [card for phase in plan.phases for card in phase.rate_cards]
    check_card_discounts(cards)
    known = _rows(customer_id, plan.currency)
    taxed = []
    for card in cards:
        theirs = [row for row in known if row.item.key == card.key]
        _check(card, theirs, known)
        taxed.append((card.name, _tax_before(card, theirs, known), card.tax_config))
    check_item_tax(customer_id, taxed)


def _tax_before(card: RateCardTerms, theirs: Sequence[ItemRevision], known: Sequence[ItemRevision]) -> Any:
    """The tax settings that the item had; None, which is how everything is taxed, where it is new."""
    row = theirs[-1] if theirs else _listed(card, theirs, known)
    return None if row is None else row.tax_config


def _check(card: RateCardTerms, theirs: Sequence[ItemRevision], known: Sequence[ItemRevision]) -> None:
    listed = _listed(card, theirs, known)
    now = theirs[-1] if theirs else listed
    new = Charged(card.price, card.discounts, card.billing_cadence)
    check_own_price(card.name, new, now=_charged(now), listed=_charged(listed))


def _listed(card: RateCardTerms, theirs: Sequence[ItemRevision], known: Sequence[ItemRevision]) -> ItemRevision | None:
    """What a plan said of the item itself, else of the latest item with its key or its feature: another key, or a
    plan made for the customer in between, starts no list of its own."""
    of_plans = [row for row in known if row.item.subscription.plan_id and not row.is_edited]
    feature = card.feature_key
    for rows in (
        [row for row in of_plans if row in theirs],
        [row for row in of_plans if row.item.key == card.key],
        [row for row in of_plans if feature and row.feature_key == feature],
        [row for row in theirs if not row.is_edited],
    ):
        if rows:
            return rows[-1]
    return theirs[0] if theirs else None


def _rows(customer_id: uuid.UUID, currency: str) -> list[ItemRevision]:
    """How all that the customer has or had in the currency is priced, the latest last. One query."""
    rows = ItemRevision.objects.filter(
        item__subscription__customer=customer_id, item__subscription__currency=currency
    ).exclude(active_to=F("active_from"))
    return list(rows.select_related("item__subscription", "phase").order_by("active_from", "id"))


def _charged(row: ItemRevision | None) -> Charged:
    return Charged(None, None) if row is None else Charged(row.price, row.discounts, row.billing_cadence)
