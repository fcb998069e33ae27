"""Measures the prices of a customer's own against what the plans listed, wherever a subscription gets them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Q

from core import clock
from core.approvals.limits import may_act_alone
from core.periods import parse_cadence
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.models import InvoiceLine
from invoicing.subscription_changes.limit_free_time import check_free_phases
from invoicing.tax_guards.cuts import any_cuts
from invoicing.tax_guards.tax_switch import check_item_tax
from subscriptions.catalog.discount_limits import Charged, check_card_discounts, check_combined, check_own_price
from subscriptions.catalog.plan_terms import PlanTerms, RateCardTerms
from subscriptions.lifecycle.edits import AddItem, Edit
from subscriptions.models import CouponRedemption, ItemRevision, QuantityChange, Subscription, SubscriptionItem

# How far back the latest billed period of an item is looked for, in lines of the customer.
_LINES_READ = 500
_LEAST_DAYS_OF_A_MONTH = 28


@dataclass(slots=True)
class _Known:
    """How all that a customer has or had in one currency is priced, the latest last; what was billed of it last, by
    key of the item and by feature; and the coupons that run on it, by item."""

    currency: str
    rows: Sequence[ItemRevision]
    units: dict[str, Decimal] = field(default_factory=dict)
    of_features: dict[str, Decimal] = field(default_factory=dict)
    coupons: dict[uuid.UUID, CouponRedemption] = field(default_factory=dict)

    def units_of(self, key: str, feature_key: str | None) -> Decimal | None:
        return self.units.get(key) or self.of_features.get(feature_key or "") or None


def check_edits(subscription: Subscription, edits: Sequence[Edit]) -> None:
    """`ApprovalNeeded` where an edit takes more off what a plan listed than one person may give, or takes the tax off
    an item."""
    added = [edit for edit in edits if isinstance(edit, AddItem)]
    if not added or _needs_nobody(subscription.customer_id):
        return
    known = _known(subscription.customer_id, subscription.currency)
    taxed = []
    for edit in added:
        theirs = [
            row
            for row in known.rows
            if row.item.subscription_id == subscription.pk
            and (row.phase.key, row.item.key) == (edit.phase_key, edit.card.key)
        ]
        if not may_act_alone():
            _check(edit.card, theirs, known)
        taxed.append((edit.card.name, _tax_before(edit.card, theirs, known), edit.card.tax_config))
    check_item_tax(subscription.customer_id, taxed)


def check_custom_plan(customer_id: uuid.UUID, plan: PlanTerms) -> None:
    """The same for a plan that is made for the customer, measured against what they were listed before; where they had
    nothing like it, only its percentages and the time that it is free."""
    if _needs_nobody(customer_id):
        return
    cards = [card for phase in plan.phases for card in phase.rate_cards]
    if not may_act_alone():
        check_card_discounts(cards)
        check_free_phases(plan)
    known = _known(customer_id, plan.currency)
    taxed = []
    for card in cards:
        theirs = [row for row in known.rows if row.item.key == card.key]
        if not may_act_alone():
            _check(card, theirs, known)
        taxed.append((card.name, _tax_before(card, theirs, known), card.tax_config))
    check_item_tax(customer_id, taxed)


def _needs_nobody(customer_id: uuid.UUID) -> bool:
    """Whether nobody needs to be asked, and nothing was taken off the customer's tax that begins anew then."""
    return may_act_alone() and not any_cuts([customer_id])


def check_redemption(redemption: CouponRedemption) -> None:
    """The same for a coupon that was just redeemed: with a price or a discount of the item's own beside it. Of several
    coupons one at a time counts, so they never add up, and those that run on the item were measured before."""
    if may_act_alone():
        return
    item = redemption.item
    known = _known(item.subscription.customer_id, item.subscription.currency)
    theirs = [row for row in known.rows if row.item_id == item.pk]
    for row in theirs:
        if row.active_to is None or row.active_to > clock.now():
            listed = _charged(_listed_row(row, theirs, known))
            new = _with_coupon(_charged(row), redemption)
            check_combined(row.name, new, listed=listed, units=_units_of_row(row, known))


def _check(card: RateCardTerms, theirs: Sequence[ItemRevision], known: _Known) -> None:
    row = _listed(card, theirs, known)
    now, listed = _charged(theirs[-1] if theirs else row), _charged(row)
    new, units = Charged(card.price, card.discounts, card.billing_cadence), known.units_of(card.key, card.feature_key)
    check_own_price(card.name, new, now=now, listed=listed, units=units, currency=known.currency)
    redemption = known.coupons.get(theirs[-1].item_id) if theirs else None
    if redemption is not None:
        if card.is_flat:
            units = _quantity_of(theirs[-1].item)
        check_combined(card.name, _with_coupon(new, redemption), listed=listed, units=units)


def _tax_before(card: RateCardTerms, theirs: Sequence[ItemRevision], known: _Known) -> Any:
    """The tax settings that the item had; None, which is how everything is taxed, where it is new."""
    row = theirs[-1] if theirs else _listed(card, theirs, known)
    return None if row is None else row.tax_config


def _listed(card: RateCardTerms, theirs: Sequence[ItemRevision], known: _Known) -> ItemRevision | None:
    return _list_of(card.key, card.feature_key, theirs, known)


def _listed_row(row: ItemRevision, theirs: Sequence[ItemRevision], known: _Known) -> ItemRevision | None:
    return _list_of(row.item.key, row.feature_key, theirs, known)


def _list_of(key: str, feature: str | None, theirs: Sequence[ItemRevision], known: _Known) -> ItemRevision | None:
    """What a plan said of the item itself, else of the latest item with its key or its feature: another key, or a
    plan made for the customer in between, starts no list of its own."""
    of_plans = [row for row in known.rows if row.item.subscription.plan_id and not row.is_edited]
    for rows in (
        [row for row in of_plans if row in theirs],
        [row for row in of_plans if row.item.key == key],
        [row for row in of_plans if feature and row.feature_key == feature],
        [row for row in theirs if not row.is_edited],
    ):
        if rows:
            return rows[-1]
    return theirs[0] if theirs else None


def _known(customer_id: uuid.UUID, currency: str) -> _Known:
    """Three queries. Of what was billed, the latest whole period in which there was any usage stands for all."""
    rows = ItemRevision.objects.filter(
        item__subscription__customer=customer_id, item__subscription__currency=currency
    ).exclude(active_to=F("active_from"))
    known = _Known(currency, list(rows.select_related("item__subscription", "phase").order_by("active_from", "id")))
    billed = (
        InvoiceLine.objects.counted()
        .filter(
            invoice__customer=customer_id,
            invoice__issued_at__isnull=False,
            kind=LineKind.USAGE,
            currency=currency,
            amends=None,
        )
        .exclude(invoice__status=InvoiceStatus.VOIDED)
        .order_by("-period_end", "-id")
    )
    columns = ("metered_quantity", "quantity", "pre_period_quantity", "period_start", "period_end")
    lines = billed.values_list("item__key", "feature_key", "revision__billing_cadence", *columns)
    for key, feature, cadence, metered, charged, earlier, start, end in lines[:_LINES_READ]:
        units = (metered if metered is not None else charged or Decimal(0)) + (earlier or Decimal(0))
        if not units or not (earlier or _is_whole(start, end, cadence)):
            continue
        if key:
            known.units.setdefault(key, units)
        if feature:
            known.of_features.setdefault(feature, units)
    running = CouponRedemption.objects.filter(
        Q(effective_to=None) | Q(effective_to__gt=clock.now()),
        item__subscription__customer=customer_id,
        continued_by=None,
    )
    for redemption in running.select_related("coupon").order_by("-redeemed_at", "-id"):
        known.coupons[redemption.item_id] = redemption
    return known


def _is_whole(start: datetime, end: datetime, cadence: str | None) -> bool:
    """Whether it is no short rest of a period, such as an edit leaves behind."""
    parsed = parse_cadence(cadence)
    return parsed is None or end - start >= timedelta(days=_LEAST_DAYS_OF_A_MONTH * parsed.months + parsed.days)


def _units_of_row(row: ItemRevision, known: _Known) -> Decimal | None:
    if row.price is not None and row.price["type"] == "flat":
        return _quantity_of(row.item)
    return known.units_of(row.item.key, row.feature_key)


def _quantity_of(item: SubscriptionItem) -> Decimal | None:
    """How many are charged now; None for one."""
    changes = QuantityChange.objects.filter(item=item, effective_at__lte=clock.now())
    quantity: Decimal | None = changes.order_by("effective_at", "id").values_list("quantity", flat=True).last()
    return quantity


def _with_coupon(charged: Charged, redemption: CouponRedemption) -> Charged:
    coupon = redemption.coupon
    return replace(charged, coupon=coupon.percentage or Decimal(0), coupon_amount=coupon.amount or Decimal(0))


def _charged(row: ItemRevision | None) -> Charged:
    return Charged(None, None) if row is None else Charged(row.price, row.discounts, row.billing_cadence)
