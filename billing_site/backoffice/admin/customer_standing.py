"""Reads how a customer stands: what is open, on the balance, gathering and next, and what they have used."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, Count, OuterRef, Q, QuerySet, Subquery, Sum, TextField
from django.db.models.functions import Cast, JSONObject

from core.money import ZERO
from customers.models import Customer, CustomerAppData, UsageSubject
from invoicing.choices import OPEN_STATUSES, InvoiceStatus, LineKind
from invoicing.closing.rhythm import rhythm_for
from invoicing.models import BalanceEntry, BillingDue, Invoice, InvoiceLine, ParkedCustomer
from invoicing.previews.outlook import Outlook
from invoicing.previews.preview_customers import preview_next_bill
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class OpenIn:
    """What is open in one currency, and how much of it is overdue."""

    currency: str
    count: int
    open: Decimal
    overdue: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands now. `balance` is what is on their balance, by currency, zeros left out; `known_as` are
    their ids at apps, after the app's own id and name."""

    open: tuple[OpenIn, ...]
    balance: tuple[tuple[str, Decimal], ...]
    gathers: bool
    subjects: tuple[str, ...]
    parked: ParkedCustomer | None
    known_as: tuple[tuple[uuid.UUID, str, str], ...]


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One metered item in its open period: what was used, what of it is charged, and what that comes to so far."""

    name: str
    subscription: Subscription | None
    start: datetime
    end: datetime
    zone: str
    used: Decimal
    charged: Decimal
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """What follows up to the next close, at `at`, and of drafts until they are issued, with the usage known so far;
    `problem` says why nothing would be billed."""

    at: datetime | None
    zone: str
    outlook: Outlook
    problem: str = ""


def standing_of(customer: Customer, now: datetime) -> Standing:
    """One query: sums as text, because JSON knows no decimals."""
    mine = {"customer": OuterRef("pk")}
    unpaid = Invoice.objects.filter(due__gt=0, issued_at__isnull=False, status__in=OPEN_STATUSES, **mine)
    sums = (
        unpaid.order_by("currency")
        .values("currency")
        .annotate(
            row=JSONObject(
                currency="currency",
                count=Count("pk"),
                open=_text(Sum("due")),
                overdue=_text(Sum("due", filter=Q(due_at__lt=now))),
            )
        )
    )
    balance = BalanceEntry.objects.filter(**mine).order_by("currency").values("currency")
    parked = ParkedCustomer.objects.still_parked().filter(**mine)
    found: Any = (
        Customer.objects.filter(pk=customer.pk)
        .order_by()
        .values(
            open=ArraySubquery(sums.values("row")),
            balance=ArraySubquery(
                balance.annotate(row=JSONObject(currency="currency", total=_text(Sum("amount")))).values("row")
            ),
            gathering=ArraySubquery(_gathering(mine).values("currency")),
            subjects=ArraySubquery(
                UsageSubject.objects.filter(deleted_at__isnull=True, **mine).order_by("key").values("key")
            ),
            known_as=ArraySubquery(
                CustomerAppData.objects.filter(external_id__isnull=False, **mine)
                .order_by("app__name")
                .values(row=JSONObject(app=Cast("app_id", CharField()), name="app__name", id="external_id"))
            ),
            parked=ArraySubquery(
                parked.annotate(
                    row=JSONObject(id=Cast("pk", CharField()), cause="cause", parked_at=Cast("parked_at", TextField()))
                ).values("row")
            ),
        )
        .get()
    )
    return Standing(
        open=tuple(
            OpenIn(row["currency"], row["count"], Decimal(row["open"]), Decimal(row["overdue"] or 0))
            for row in found["open"]
        ),
        balance=tuple((row["currency"], total) for row in found["balance"] if (total := Decimal(row["total"]))),
        gathers=bool(found["gathering"]),
        subjects=tuple(found["subjects"]),
        parked=_parked(found["parked"]),
        known_as=tuple((uuid.UUID(row["app"]), row["name"], row["id"]) for row in found["known_as"]),
    )


def usage_so_far(invoices: Sequence[Invoice], now: datetime) -> list[InvoiceLine]:
    """The metered lines of these gathering invoices whose period has begun, for `show_live` to fill in. One query."""
    lines = list(
        InvoiceLine.objects.counted()
        .filter(invoice__in=invoices, kind=LineKind.USAGE, period_start__lte=now)
        .select_related("subscription")
        .order_by("currency", "subscription_id", "period_start", "position", "id")
    )
    for invoice in invoices:
        invoice.__dict__["shown_lines"] = [line for line in lines if line.invoice_id == invoice.pk]
    return lines


def usage_lines(lines: Iterable[InvoiceLine]) -> list[UsageLine]:
    """The lines, filled in, as the page shows them."""
    return [
        UsageLine(
            name=line.name,
            subscription=line.subscription,
            start=line.period_start,
            end=line.period_end,
            zone=line.subscription.time_zone if line.subscription else "UTC",
            used=line.metered_quantity if line.metered_quantity is not None else line.quantity or ZERO,
            charged=line.quantity or ZERO,
            amount=line.amount,
            currency=line.currency,
        )
        for line in lines
    ]


def next_invoice(customer: Customer) -> NextInvoice:
    """What follows up to the close of the customer's next period. As many queries as a close, and a few a draft."""
    bills = Subscription.objects.filter(
        customer=OuterRef("customer"), currency=OuterRef("currency"), next_billing_at__isnull=False
    )
    zones = bills.order_by("next_billing_at").values("time_zone")[:1]
    first = BillingDue.objects.filter(customer=customer).values_list("due_at", Subquery(zones)).first()
    due_at, zone = first or (None, None)
    at = None if due_at is None else rhythm_for(customer.pk).collects(due_at)
    outlook = preview_next_bill(customer_id=customer.pk)
    problem = outlook.cause or ""
    if not problem and not outlook.documents:
        problem = "Nothing would be billed then." if at else "No subscription has anything more to bill."
    return NextInvoice(at, zone or "UTC", outlook, problem)


def _gathering(mine: dict[str, OuterRef]) -> QuerySet[Invoice]:
    return Invoice.objects.filter(status=InvoiceStatus.GATHERING, **mine).order_by("currency")


def _text(expression: Any) -> Cast:
    return Cast(expression, TextField())


def _parked(rows: list[dict[str, str]]) -> ParkedCustomer | None:
    if not rows:
        return None
    [row] = rows
    known = uuid.UUID(row["id"])
    return ParkedCustomer(id=known, cause=row["cause"], parked_at=datetime.fromisoformat(row["parked_at"]))
