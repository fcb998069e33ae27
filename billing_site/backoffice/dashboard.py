"""The start page: what needs attention, what was issued this month, how the latest runs went, what closes next."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils.http import urlencode

from core import clock
from core.approvals.limits import waiting_requests
from invoicing.choices import OPEN_STATUSES, STOPPED_STATUSES, InvoiceStatus
from invoicing.lifecycle.selectors import DUE_SOON
from invoicing.models import BillingDue, BillingRun, Invoice, ParkedCustomer
from invoicing.runs.progress import RunProgress, progress_of

CLOSES_AHEAD = timedelta(days=14)
LATEST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """One count that leads to the list behind it. Tones: red and amber call for action when the count is not zero."""

    label: str
    count: int
    hint: str
    url: str
    tone: str
    amounts: tuple[tuple[str, Decimal], ...] = ()

    @property
    def calls(self) -> bool:
        return self.count > 0 and self.tone in ("red", "amber")


@dataclass(frozen=True, slots=True)
class Month:
    """What was issued this month in one currency, and how much of it is still due."""

    currency: str
    count: int
    total: Decimal
    due: Decimal

    @property
    def collected_percent(self) -> int:
        return int((self.total - self.due) * 100 / self.total) if self.total > 0 else 100


@dataclass(frozen=True, slots=True)
class Closing:
    """Customers, by currency, whose next period closes on one day, and how that compares with the busiest day shown."""

    day: date
    count: int
    percent: int


def dashboard(user: Any) -> dict[str, Any]:
    """What the start page shows to `user`: nothing of money to those who may not read invoices."""
    if not user.has_perm("invoicing.view_invoice"):
        return {"tiles": [], "months": [], "runs": [], "closings": [], "restricted": True}
    now = clock.now()
    return {
        "now": now,
        "tiles": _tiles(now),
        "months": _months(now),
        "runs": latest_runs(),
        "closings": _closings(now),
        "may_start_run": user.has_perm("invoicing.start_billingrun"),
    }


def latest_runs() -> list[tuple[BillingRun, RunProgress]]:
    """The latest runs with how far they are. Two queries."""
    runs = list(BillingRun.objects.all()[:LATEST_RUNS])
    progress = progress_of(runs)
    return [(run, progress[run.pk]) for run in runs]


def _tiles(now: datetime) -> list[Tile]:
    unpaid = Invoice.objects.filter(due__gt=0, issued_at__isnull=False, status__in=OPEN_STATUSES)
    overdue = unpaid.filter(due_at__lt=now)
    soon = unpaid.filter(due_at__gte=now, due_at__lt=now + DUE_SOON)
    by_person, by_time = (
        Q(status=status)
        for status in (InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED, InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL)
    )
    drafts = Invoice.objects.filter(by_person | by_time).aggregate(
        approve=Count("pk", filter=by_person),
        unusual=Count("pk", filter=by_person & Q(anomaly_rank__gt=0)),
        soon=Count("pk", filter=by_time & Q(anomaly_rank__gt=0)),
    )
    stopped = Invoice.objects.filter(status__in=STOPPED_STATUSES).count()
    overdue_by, soon_by = _by_currency(overdue), _by_currency(soon)
    stuck = unpaid.aggregate(
        failed=Count("pk", filter=Q(status__in=[InvoiceStatus.PAYMENT_FAILED, InvoiceStatus.PAYMENT_ACTION_REQUIRED])),
        given_back=Count("pk", filter=Q(refunded__gt=0)),
    )
    parked = ParkedCustomer.objects.still_parked().count()
    return [
        Tile("Overdue", overdue_by[0], "past their due date", _invoices(state="overdue"), "red", overdue_by[1]),
        Tile("Due in 7 days", soon_by[0], "not paid yet", _invoices(state="due_soon"), "blue", soon_by[1]),
        Tile("Payment failed", stuck["failed"], "declined or waiting for the payer", _invoices(state="failed"), "red"),
        Tile("Given back", stuck["given_back"], "refunded, and due again", _invoices(state="given_back"), "amber"),
        Tile(
            "To approve",
            drafts["approve"],
            f"drafts that wait for an approver, {drafts['unusual']:,} unusual",
            _queue(waits="approver"),
            "amber",
        ),
        *_issued_soon(drafts["soon"]),
        *_proposed(),
        Tile("Failed steps", stopped, "drafts that stopped", _invoices(state="stopped"), "red"),
        Tile(
            "Parked",
            parked,
            "customers left out of every run",
            reverse("admin:invoicing_parkedcustomer_changelist"),
            "red",
        ),
    ]


def _proposed() -> list[Tile]:
    """Only where something waits: most days nothing does."""
    count = waiting_requests().count()
    url = reverse("admin:approvals_changerequest_changelist")
    return [Tile("Proposed", count, "changes that wait for a second person", url, "amber")] if count else []


def _issued_soon(count: int) -> list[Tile]:
    """Only where there are any: with terms that keep no drafts there never are."""
    hint = "issued by themselves when their time comes"
    return [Tile("Unusual drafts", count, hint, _queue(waits="time", unusual="any"), "amber")] if count else []


def _queue(**query: str) -> str:
    return f"{reverse('admin:invoicing_draftinreview_changelist')}?{urlencode(query)}"


def _invoices(**query: str) -> str:
    return f"{reverse('admin:invoicing_invoice_changelist')}?{urlencode(query)}"


def _by_currency(invoices: Any) -> tuple[int, tuple[tuple[str, Decimal], ...]]:
    rows = list(invoices.order_by("currency").values("currency").annotate(count=Count("pk"), due=Sum("due")))
    return sum(row["count"] for row in rows), tuple((row["currency"], row["due"]) for row in rows)


def _months(now: datetime) -> list[Month]:
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rows = (
        Invoice.objects.filter(issued_at__gte=start, issued_at__lte=now)
        .exclude(status=InvoiceStatus.VOIDED)
        .order_by("currency")
        .values("currency")
        .annotate(count=Count("pk"), sum_total=Sum("total"), sum_due=Sum("due"))
    )
    return [Month(row["currency"], row["count"], row["sum_total"], row["sum_due"]) for row in rows]


def _closings(now: datetime) -> list[Closing]:
    rows = list(
        BillingDue.objects.filter(due_at__gte=now, due_at__lt=now + CLOSES_AHEAD)
        .order_by()
        .annotate(day=TruncDate("due_at"))
        .values("day")
        .annotate(count=Count("pk"))
        .order_by("day")
    )
    most = max((row["count"] for row in rows), default=1)
    return [Closing(row["day"], row["count"], round(row["count"] * 100 / most)) for row in rows]
