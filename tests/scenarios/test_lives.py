"""Whatever is done to a subscription, in whatever order: previews are right, refusals leave no trace, the books are
clean, and in the end the customer has paid for the time they had, to the cent of each rounded line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core import clock
from core.audit.models import AuditEntry
from core.errors import BillingError
from invoicing.choices import InvoiceStatus
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.models import BalanceEntry, CreditNote, Invoice, InvoiceLine
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.timing import IMMEDIATE, NEXT_BILLING_CYCLE
from subscriptions.models import Coupon, ItemRevision, Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

START = at("2026-04-01")
PRICES = {"basic": Decimal(30), "pro": Decimal("90.01"), "team": Decimal("61.37")}
TIMINGS = st.sampled_from([IMMEDIATE, NEXT_BILLING_CYCLE])
FIGURES = (
    "credit_amount",
    "charge_amount",
    "due_now",
    "due_before",
    "credit_note_total",
    "next_billing_at",
    "next_amount",
)
SERVICES: dict[str, Callable[..., Any]] = {
    "change": change_plan,
    "edit": edit_subscription,
    "pause": pause_subscription,
    "resume": resume_subscription,
    "cancel": cancel_subscription,
    "continue": unschedule_cancelation,
}
PROFILES: dict[str, dict[str, Any]] = {
    "paid": {},
    "unpaid": {"collection_method": "send_invoice"},
    "drafted": {"auto_advance": False},
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "change", "edit", "pause", "resume", "cancel", "continue", "close"]),
        st.sampled_from(sorted(PRICES)),
        TIMINGS,
        # Whole days often, so that boundaries are met to the second.
        st.one_of(st.integers(0, 25).map(lambda days: days * 86_400), st.integers(0, 25 * 86_400)),
    ),
    min_size=1,
    max_size=7,
)


@dataclass
class Story:
    """What the customer should have: which price a month from when on, and when nothing because it is paused."""

    prices: list[tuple[datetime, str, Decimal]] = field(default_factory=list)
    pauses: list[list[datetime | None]] = field(default_factory=list)
    share: Fraction = Fraction(1)
    end: datetime | None = None

    def tell(self, verb: str, now: datetime, moment: datetime, price: Decimal) -> None:
        """`verb` was done at `now`, with effect from `moment`."""
        if verb in ("change", "edit"):
            # What is planned for later goes, but for an edit of the old plan behind a new one that may be taken back.
            goes = ("edit", "change") if moment == now else ("edit",) if verb == "edit" else ()
            self.prices = [row for row in self.prices if row[0] <= now or row[1] not in goes]
            self.prices.append((moment, verb, price))
        elif verb == "cancel":
            self.end = moment
        elif verb == "continue":
            self.end = None
            self.prices = [row for row in self.prices if row[0] <= now or row[1] != "change"]
        elif verb == "pause" and [moment, None] not in self.pauses[-1:]:
            self.pauses.append([moment, None])
        elif verb == "resume":
            begins = self.pauses[-1][0]
            assert begins is not None
            if begins > now:
                self.pauses.pop()
            else:
                self.pauses[-1][1] = moment

    def owed(self, until: datetime) -> Fraction:
        """The exact price of the time that was had until then."""
        until = until if self.end is None else min(until, self.end)
        marks = [row[0] for row in self.prices] + [moment for pause in self.pauses for moment in pause if moment]
        points = sorted({START, until, *months(until), *(mark for mark in marks if START <= mark <= until)})
        total = Fraction(0)
        for begins, ends in pairwise(points):
            if not any(since <= begins and (to is None or begins < to) for since, to in self.pauses):
                month = max(m for m in months(until) if m <= begins)
                total += Fraction(self.price_at(begins)) * Fraction(
                    (ends - begins) // timedelta(seconds=1), (after(month) - month) // timedelta(seconds=1)
                )
        return total * self.share

    def price_at(self, moment: datetime) -> Decimal:
        """Of what begins at one moment, what was said last counts; a change of plan before an edit of the old one."""
        known = [row for row in self.prices if row[0] <= moment]
        latest = max(row[0] for row in known)
        rows = [row for row in known if row[0] == latest]
        return rows[-1][2]


def after(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


def months(until: datetime) -> list[datetime]:
    found = [START]
    while after(found[-1]) <= until:
        found.append(after(found[-1]))
    return found


def stored():
    models = (Invoice, InvoiceLine, CreditNote, BalanceEntry, Subscription, ItemRevision, AuditEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


# Shrinking such a life takes minutes; the story that failed is told by the assertion.
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(
    steps=STEPS,
    term=st.sampled_from(["in_advance", "in_arrears"]),
    half_off=st.booleans(),
    profile=st.sampled_from(sorted(PROFILES)),
)
def test_a_life_is_paid_for_to_the_cent(db, steps, term, half_off, profile):
    with transaction.atomic():
        _live(steps, term, half_off, profile)
        transaction.set_rollback(True)


def _live(steps, term, half_off, profile):
    make_default_profile(**PROFILES[profile])
    cards = {key: flat_card(name=key.title(), price=fee(str(price), term)) for key, price in PRICES.items()}
    plans = {key: flat_plan(key, None, cards=(card,)) for key, card in cards.items()}
    subscription = subscribe(plans["basic"], customer=make_customer(), bill=False)
    if half_off:
        Coupon.objects.create(code="HALF", percentage=Decimal(50), periods=None)
        with clock.frozen_at(START):
            redeem_coupon(subscription=subscription, running_number=1, code="HALF")
    story = Story(share=Fraction(1, 2 if half_off else 1), prices=[(START, "change", PRICES["basic"])])
    now = START
    for verb, key, timing, wait in steps:
        now += timedelta(seconds=wait)
        with clock.frozen_at(now):
            if verb == "close":
                _close(now)
                assert_books_are_clean(f"{now:%Y-%m-%dT%H:%M:%S}")
            else:
                _do(story, verb, key, timing, plans[key], term)
    _end(story, now + timedelta(days=10))


def _do(story, verb, key, timing, plan, term):
    """Preview it, do it, and tell it where it was not refused."""
    now = clock.now()
    subscription = Subscription.objects.filter(active_from__lte=now).order_by("-active_from", "-id")[0]
    options = _options(verb, timing, plan, key, term)
    before = stored()
    try:
        preview = SERVICES[verb](subscription=subscription, preview=True, **options)
    except BillingError:
        assert stored() == before
        with pytest.raises(BillingError):
            SERVICES[verb](subscription=subscription, **options)
        assert stored() == before
        return
    assert stored() == before
    made = SERVICES[verb](subscription=subscription, **options)
    assert [getattr(preview, name) for name in FIGURES] == [getattr(made, name) for name in FIGURES]
    story.tell(verb, now, now if timing == IMMEDIATE else after(months(now)[-1]), PRICES[key])


def _close(now):
    """Bill what is due, and issue the drafts; what they gave back meanwhile is billed behind them."""
    for _ in range(2):
        run_due(as_of=now)
        for draft in Invoice.objects.filter(status=InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED).order_by("id"):
            approve_invoice(invoice=draft)


def _options(verb, timing, plan, key, term):
    if verb == "continue":
        return {}
    if verb == "change":
        return {"timing": timing, "plan": plan}
    if verb == "edit":
        card = RateCardTerms(
            key="base", name=key.title(), type="flat_fee", billing_cadence="P1M", price=fee(str(PRICES[key]), term)
        )
        return {"timing": timing, "edits": [AddItem("phase_1", card)]}
    return {"timing": timing}


def _end(story, now):
    """End what runs, close what is due, and compare with the story."""
    with clock.frozen_at(now):
        for subscription in Subscription.objects.filter(active_from__lte=now).order_by("-active_from", "-id")[:1]:
            if subscription.active_to is None or subscription.active_to > now:
                # With no end that is planned there is nothing to take back.
                if subscription.active_to is not None:
                    unschedule_cancelation(subscription=subscription)
                    story.tell("continue", now, now, Decimal(0))
                cancel_subscription(subscription=subscription, timing=IMMEDIATE)
                story.tell("cancel", now, now, Decimal(0))
        _close(now)
    assert_books_are_clean(f"{now:%Y-%m-%dT%H:%M:%S}")
    billed = Invoice.objects.filter(issued_at__isnull=False).aggregate(sum=Sum("total"))["sum"] or Decimal(0)
    credited = CreditNote.objects.aggregate(sum=Sum("total"))["sum"] or Decimal(0)
    rounded = InvoiceLine.objects.filter(invoice__issued_at__isnull=False).count() + CreditNote.objects.count()
    off = abs(Fraction(billed - credited) - story.owed(now))
    said = (story, Subscription.objects.values_list("name", "active_from", "active_to", "pauses"))
    assert off <= Fraction(rounded, 100), (billed, credited, float(story.owed(now)), rounded, said)
