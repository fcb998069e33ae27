"""What staff and API decide about late usage: to bill it, or to waive it (billing rules 6)."""

from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import Conflict, InvalidInput
from core.locks import lock_customers
from core.money import to_wire, trimmed
from invoicing.choices import LateUsageState
from invoicing.closing.load import LoadedCustomer
from invoicing.closing.park_customer import parked_customer
from invoicing.errors import CannotBill, CustomerParked
from invoicing.late_usage.book_adjustments import book_adjustments
from invoicing.late_usage.cases import decide, save_decided, set_figures
from invoicing.late_usage.credit import credit_late_usage
from invoicing.late_usage.judge import LateUsage, judge
from invoicing.models import LateUsageCase, LateUsageLook
from subscriptions.lifecycle.record_reports_in_time import record_reports_in_time
from subscriptions.schedule.facts import Span


class Shown(NamedTuple):
    """The figures that somebody saw when they decided: the quantity that came late, and what it is worth net."""

    quantity: Decimal
    net: Decimal


class LateUsageDecided(Conflict):
    """Somebody, or the customer's terms, decided about it before: 409."""

    default_code = "late_usage_decided"


class LateUsageChanged(Conflict):
    """More has come in, or was taken back, since the figures were shown: 409."""

    default_code = "late_usage_changed"


@transaction.atomic
def bill_late_usage(*, case: LateUsageCase, reason: str, shown: Shown | None = None) -> LateUsageCase:
    """Bill `case` with the figures of now: by a line on the customer's next invoice, of fixed money; where they come to
    less than nothing, by a credit note over what charged for its period, at most what is left on it.

    InvalidInput without a reason; LateUsageDecided where it is no longer open; LateUsageChanged where the figures are
    not those `shown`, or nothing is late any more; CustomerParked; CannotBill where what is to be credited stands on a
    draft. Nothing is changed then.
    """
    locked, late, loaded = judged_case(case, reason, shown)
    if late.net < 0:
        set_figures(locked, late)
        note = credit_late_usage(late, customer_id=locked.customer_id, now=clock.now())
        decide(locked, LateUsageState.CREDITED, reason=reason)
        locked.credit_note_id = note
        save_decided([locked])
        record_reports_in_time(late.reports)
        did = f"credited {to_wire(-locked.net)} {locked.currency} for {what_came_late(locked)}"
    else:
        book_adjustments([(locked, late, loaded)], reason=reason)
        did = f"billed {to_wire(locked.net)} {locked.currency} for {what_came_late(locked)}, with the next invoice"
    return record_decision(locked, "bill_late_usage", did, reason)


@transaction.atomic
def waive_late_usage(*, case: LateUsageCase, reason: str, shown: Shown | None = None) -> LateUsageCase:
    """Leave `case`: its quantity counts as billed from now on, and no money moves. Raises as `bill_late_usage`."""
    locked, late, _ = judged_case(case, reason, shown)
    set_figures(locked, late)
    decide(locked, LateUsageState.WAIVED, reason=reason)
    save_decided([locked])
    record_reports_in_time(late.reports)
    did = f"waived {to_wire(locked.net)} {locked.currency} for {what_came_late(locked)}"
    return record_decision(locked, "waive_late_usage", did, reason)


def judged_case(
    case: LateUsageCase, reason: str, shown: Shown | None
) -> tuple[LateUsageCase, LateUsage, LoadedCustomer]:
    """The case, open and behind its customer's lock, and what came late for its window by now. In the transaction that
    decides about it. Raises as `bill_late_usage`."""
    if not reason.strip():
        raise InvalidInput("Say why. Nothing was changed.", code="reason_required")
    lock_customers([case.customer_id])
    locked = LateUsageCase.objects.select_for_update().get(pk=case.pk)
    if locked.state != LateUsageState.OPEN:
        raise LateUsageDecided(
            f"{locked} is decided already: {locked.get_state_display().lower()}, by {locked.decided_by}. Nothing was "
            "changed."
        )
    parked = parked_customer(locked.customer_id)
    if parked is not None:
        raise CustomerParked(customer=str(parked.customer), cause=parked.cause)
    span = {locked.customer_id: Span(locked.period_start, locked.period_end)}
    judged = judge(span, as_of=clock.now())[locked.customer_id]
    late = judged.late.get(locked.window_id)
    if late is None:
        if judged.error is not None:
            raise CannotBill(judged.error.message, code=judged.error.code)
        raise LateUsageChanged(
            f"Nothing of {locked} is late any more: its usage comes to what was billed. Nothing was changed; the case "
            "closes by itself."
        )
    if shown is not None and shown != (late.quantity, late.net):
        raise LateUsageChanged(
            f"{locked} has changed since: it is {trimmed(late.quantity)} now, {to_wire(late.net)} {late.currency} net. "
            "Nothing was changed. Look at it again."
        )
    return locked, late, judged.loaded


def what_came_late(case: LateUsageCase) -> str:
    """The late usage of a case, in words."""
    return f"{trimmed(case.quantity)} of late usage of {case.name} from {case.period_start:%Y-%m-%d}"


def record_decision(case: LateUsageCase, verb: str, did: str, reason: str) -> LateUsageCase:
    """Tell the audit trail of a decision, and have what else of its item is to be decided looked at."""
    record(verb=verb, target=case, did=did, reason=reason, customer_id=case.customer_id)
    # What else of the period is to be decided is worth something else now.
    others = LateUsageCase.objects.filter(item_id=case.item_id, state=LateUsageState.OPEN)
    for start, end in others.values_list("period_start", "period_end"):
        LateUsageLook.objects.create(customer_id=case.customer_id, since=start, until=end)
    return case
