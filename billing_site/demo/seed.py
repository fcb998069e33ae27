"""Seeds the demo company: all of it in one transaction, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from billing_site.demo.calendar import MONTHS, Calendar
from billing_site.demo.cast import engage_cast
from billing_site.demo.catalog import create_catalog
from billing_site.demo.history import History
from billing_site.demo.profiles import SUPPLIER_KEY, create_profiles
from billing_site.demo.story import steps
from core import clock
from core.approvals.limits import approved
from core.audit.actors import acting_as
from core.errors import PreconditionFailed
from core.outbox.models import OutboxMessage
from customers.models import Customer, Supplier
from entitlements.models import UsageEvent
from invoicing.models import Invoice

_SEED_LOCK = 0x64656D6F  # "demo"
_MAIL_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is so far."""

    customers: int
    invoices: int
    events: int


# Told the month that has just passed (its first day), which part of the story is over (0 to 1), and what there is.
Told = Callable[[datetime, float, Counts], None]


def is_seeded() -> bool:
    return Supplier.objects.filter(key=SUPPLIER_KEY).exists()


@transaction.atomic
def seed(*, present: datetime, told: Told) -> bool:
    """Make the company as it is at `present` (UTC); False when it is there already.

    PreconditionFailed in a database that holds other customers: its known log-ins would open their books to anyone.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SEED_LOCK])
    if is_seeded():
        return False
    if Customer.objects.exists():
        raise PreconditionFailed(
            "This database holds customers already, and the demo company comes with log-ins that everybody knows. "
            "Nothing was seeded. Use an empty database: another BILLING_DATA_DIR, or another DATABASE_URL.",
            code="not_empty",
        )
    calendar = Calendar(present)
    with clock.frozen_at(calendar.start):
        cast = engage_cast()
        with acting_as(cast.admin), approved():
            profiles = create_profiles()
            create_catalog()
    history = History(start=calendar.start, end=calendar.end)
    month, upcoming = 0, calendar.month(1)
    for step in steps(calendar, cast, profiles):
        while step.at >= upcoming and month < MONTHS:
            told(calendar.month(month), (month + 1) / (MONTHS + 1), _counts())
            month, upcoming = month + 1, calendar.month(month + 2)
            # The planner knows nothing of what this transaction has written until it is told.
            _analyze()
        history.take(step)
    history.finish()
    told(calendar.month(MONTHS), 1.0, _counts())
    _file_old_mail(calendar.end - _MAIL_KEPT)
    return True


def _counts() -> Counts:
    return Counts(
        customers=Customer.objects.count(),
        invoices=Invoice.objects.filter(issued_at__isnull=False).count(),
        events=UsageEvent.objects.count(),
    )


def _file_old_mail(before: datetime) -> None:
    """Months of notices were read long ago: only the newest are left for the system to deliver."""
    old = OutboxMessage.objects.filter(due_at__isnull=False, created_at__lt=before)
    old.update(delivered_at=F("created_at"), due_at=None, attempts=1)


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
