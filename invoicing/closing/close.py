"""Closes a batch of customers: load, plan, rate, and (unless it is a preview) store.

The computation is the same for a close, for bringing gathering invoices up to date and for a preview; they differ in
which lines they take off the gathering invoice, and in whether the result is stored.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DataError

from core import clock
from core.errors import BillingError
from core.money import exact_arithmetic
from customers.attribution import Attribution
from customers.effective_settings import Terms
from entitlements.models import Feature
from invoicing.closing.assemble import UnusedSelector, close_customer
from invoicing.closing.documents import CustomerClose
from invoicing.closing.late_lines import LateLine, collected_with
from invoicing.closing.load import Batch, LoadedCustomer, load_batch
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.plan import Plan, PlannedLine, plan_customer
from invoicing.closing.quantities import Quantity, feature_of, quantities_of
from invoicing.closing.redraft import redraft
from invoicing.closing.store import Writer
from invoicing.corrections.unused_time import UnusedTime
from invoicing.errors import INTERNAL_ERROR, CannotBill
from invoicing.lifecycle.issue_dates import IssueDates

logger = logging.getLogger(__name__)

LineSelector = Callable[[PlannedLine | ManualLine], bool]
LateSelector = Callable[[LateLine], bool]


@dataclass(slots=True)
class Computed:
    """A batch worked out: what to store for each customer, and why some can't be billed."""

    closes: list[CustomerClose] = field(default_factory=list)
    failures: dict[uuid.UUID, BillingError] = field(default_factory=dict)
    # By this moment it is taxed, and so it is dated: or by the later date of issue of a supplier.
    made_at: datetime | None = None
    issue_dates: IssueDates = field(default_factory=dict)

    def or_refuse(self) -> "Computed":
        """The same, where everybody can be billed; raises why one can't."""
        for error in self.failures.values():
            raise error
        return self


def compute(
    customer_ids: Collection[uuid.UUID],
    *,
    as_of: datetime,
    select: LineSelector,
    give_back: UnusedSelector | None = None,
    late: LateSelector | None = None,
    terms: Mapping[uuid.UUID, Terms] | None = None,
    issue_dates: IssueDates | None = None,
) -> Computed:
    """Work out a batch without writing: the lines that `select` chooses go on standard invoices, the others wait.

    Of the parts of fees billed in advance that were not used, those come back that `give_back` chooses; unless it is
    given, those that are collected by `as_of`. Of the adjustments for late usage those go along that `late` chooses;
    unless it is given, none. A customer whose facts can't be billed is a
    failure; the others are not affected. `terms` are those of the customers to reckon with instead of their own.
    `issue_dates` are those of `at_its_date`.
    """
    batch = load_batch(customer_ids, terms=terms)
    with exact_arithmetic():
        return _computed(
            batch,
            as_of=as_of,
            select=select,
            give_back=give_back or returns_collected(as_of),
            late=late or late_none,
            issue_dates=issue_dates or {},
        )


def _computed(
    batch: Batch,
    *,
    as_of: datetime,
    select: LineSelector,
    give_back: UnusedSelector,
    late: LateSelector,
    issue_dates: IssueDates,
) -> Computed:
    computed, now = Computed(issue_dates=issue_dates), clock.now()
    plans: list[tuple[LoadedCustomer, Plan, list[PlannedLine], list[ManualLine]]] = []
    usage_lines: list[tuple[PlannedLine, Sequence[Attribution]]] = []
    for loaded in batch.customers:
        try:
            plan = plan_customer(loaded.subscriptions, loaded.pending, loaded.billed, as_of, loaded.collects, now)
            due = [line for line in plan.lines if select(line) or line.on_draft is not None]
            by_hand = [line for line in loaded.manual if select(line)]
            usage = [(line, loaded.subjects) for line in due if not line.obligation.is_flat]
            for line, _ in usage:
                feature_of(line, batch.features)
        except Exception as error:  # noqa: BLE001 - one customer's bad facts must not stop the others
            computed.failures[loaded.id] = as_cause(error, loaded.id)
            continue
        for waiting in loaded.late:
            own = loaded.collects(waiting.subscription_id, waiting.collect_at)
            waiting.collect_at = collected_with(waiting, plan.lines, own)
        plans.append((loaded, plan, due, by_hand))
        usage_lines.extend(usage)
    # Read before usage is, so that what comes in meanwhile never counts as read. Of a later time, that time.
    computed.made_at = made_at = max(as_of, clock.now())
    quantities = _quantities(usage_lines, batch.features, as_of)
    for loaded, plan, due, by_hand in plans:
        try:
            lines = [(line, quantities.get(id(line))) for line in due]
            computed.closes.append(
                close_customer(
                    loaded,
                    plan,
                    lines,
                    by_hand,
                    as_of=as_of,
                    made_at=made_at,
                    issue_dates=issue_dates,
                    give_back=give_back,
                    late=late,
                )
            )
        except Exception as error:  # noqa: BLE001 - as above
            computed.failures[loaded.id] = as_cause(error, loaded.id)
    return computed


def store(computed: Computed, *, as_of: datetime, run_id: uuid.UUID | None, charge: bool = False) -> None:
    """Write a computed batch, in the caller's transaction, which holds the locks of its customers.

    IssueDateMoved where what is issued is dated later than it was taxed, and another rate holds then: `at_its_date`
    does both again. With `charge`, what is issued and can be charged at once is paid in the same breath
    (`charge_at_issue`).
    """
    writer = Writer(
        run_id=run_id,
        as_of=as_of,
        now=computed.made_at or clock.now(),
        issue_dates=computed.issue_dates,
        charge=charge,
    )
    for close in computed.closes:
        writer.add(close)
    writer.write()
    redraft(writer.redrafted, also=writer.drafts, now=clock.now(), billed_by=writer.suppliers)


def select_due(as_of: datetime) -> LineSelector:
    """Takes every line that is due and collected: on a rhythm, what falls due waits for it (billing rules 5)."""
    return lambda line: line.collect_at <= as_of


def returns_collected(as_of: datetime) -> UnusedSelector:
    """Gives back what is due and collected, as `select_due` takes lines."""
    return lambda unused_time: unused_time.is_collected(as_of)


def returns_due(unused_time: UnusedTime) -> bool:
    """Gives back everything that is due, without waiting for its collection."""
    return True


def late_collected(as_of: datetime) -> LateSelector:
    """Takes the adjustments for late usage that are collected, as `select_due` takes lines."""
    return lambda line: line.collect_at <= as_of


def late_all(line: LateLine) -> bool:
    """Takes every adjustment."""
    return True


def late_none(line: LateLine) -> bool:
    """Takes no adjustment."""
    return False


def select_none(line: PlannedLine | ManualLine) -> bool:
    """Takes no line: everything stays on the gathering invoice."""
    return False


def returns_none(unused_time: UnusedTime) -> bool:
    """Gives nothing back."""
    return False


def as_cause(error: Exception, customer_id: uuid.UUID) -> BillingError:
    """Why a customer can't be billed, in words that staff can act on."""
    if isinstance(error, BillingError):
        return error
    logger.error("customer %s can't be billed", customer_id, exc_info=error)
    if isinstance(error, ArithmeticError | DataError):
        return CannotBill(
            "A quantity or an amount has more digits than can be reckoned with. Nothing was billed. Look for it among "
            "the customer's usage and the prices of their subscriptions; correct it, then release the customer.",
            code="beyond_limit",
        )
    # A database tells the statement, too, in the lines that follow.
    said = str(error).partition("\n")[0]
    return CannotBill(
        f"Something unexpected went wrong while billing ({type(error).__name__}: {said}). Nothing was billed; "
        "the log holds the details.",
        code=INTERNAL_ERROR,
    )


def _quantities(
    lines: Sequence[tuple[PlannedLine, Sequence[Attribution]]], features: dict[uuid.UUID, Feature], as_of: datetime
) -> dict[int, Quantity]:
    found = quantities_of(lines, features, as_of)
    return {id(line): quantity for (line, _), quantity in zip(lines, found, strict=True)}
