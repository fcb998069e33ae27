"""How a step of a story is judged: what the tables hold, what the books say, which figures must be the same twice."""

from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from core import clock
from core.money import ZERO
from invoicing.books.check import Invariant, check_books
from invoicing.books.examination import Finding
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.models import CreditNoteLine, Invoice, InvoiceLine
from invoicing.rating import read_explanation, recompute, replay
from invoicing.subscription_changes.change_result import ChangeResult
from tests.support.conservation import UsageLedger

WRITES = tuple(
    model._meta.db_table for model in apps.get_models() if model._meta.app_label in ("invoicing", "subscriptions")
)


def digest() -> str:
    """What stands in all tables of money."""
    parts = " UNION ALL ".join(
        f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
        for table in WRITES
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({parts}) AS x ORDER BY 1")
        return str(cursor.fetchall())


def check(now: datetime, grace: timedelta, usage: UsageLedger) -> None:
    """No usage is lost; no finding of check_books, but the late usage that `usage` knows of; every line has an
    explanation, which comes to it by its figures as they stand and rated once more from its inputs; nothing is below
    zero."""
    usage.balance(now)
    found: list[str] = []
    to_decide: list[str] = []

    def take(invariant: Invariant, finding: Finding) -> None:
        said = f"{invariant.number}: {finding.subject}: {finding.problem}"
        (to_decide if finding.to_decide else found).append(said)

    with clock.frozen_at(now):
        check_books(
            as_of=now,
            grace=grace,
            found=take,
            inform=lambda sentence: None,
            progress=lambda invariant, count: None,
        )
    assert not found, found
    usage.is_late(to_decide)
    lines = InvoiceLine.objects.counted().exclude(invoice__status=InvoiceStatus.GATHERING)
    for line in lines:
        explanation = line.explain
        assert explanation is not None, f"{line} has no explanation"
        assert recompute(read_explanation(explanation)) == line.amount + line.charges_total - line.discounts_total
        rated = explanation if line.kind != LineKind.CREDIT else explanation.get("sameTime")
        if rated is not None:
            again = replay(read_explanation(rated))
            assert again.explain == {name: value for name, value in rated.items() if name != "basis"}
            assert again.net == recompute(read_explanation(rated))
    for note in CreditNoteLine.objects.all():
        assert note.explain is not None, f"{note} has no explanation"
        assert recompute(read_explanation(note.explain)) == note.amount
    nothing_is_below_zero()


def nothing_is_below_zero() -> None:
    """No invoice, nothing that is due, and no more came back of a line than it had billed."""
    lines = InvoiceLine.objects.counted().exclude(invoice__status=InvoiceStatus.GATHERING)
    assert not Invoice.objects.filter(total__lt=0).exists()
    assert not Invoice.objects.filter(due__lt=0).exists()
    # By line: what a credit line paid for comes back by credit note, off an invoice whose total may be less.
    notes = CreditNoteLine.objects.filter(invoice_line=OuterRef("pk")).order_by().values("invoice_line")
    credits = lines.filter(kind=LineKind.CREDIT, amends=OuterRef("pk")).order_by().values("amends")
    back = lines.exclude(kind=LineKind.CREDIT).annotate(
        noted=Coalesce(Subquery(notes.annotate(sum=Sum("total")).values("sum")), ZERO),
        credited=Coalesce(Subquery(credits.annotate(sum=Sum("total")).values("sum")), ZERO),
    )
    assert not back.filter(noted__gt=F("total") + F("credited")).exists(), "more came back than was billed"


def figures(result: Any) -> Any:
    """What two results of one act must have in common."""
    if isinstance(result, ChangeResult):
        return (
            result.credit_amount,
            result.charge_amount,
            result.due_now,
            result.credit_note_total,
            result.next_billing_at,
            result.next_amount,
            [(x.name, x.kind, x.period_start, x.period_end, x.amount, x.taxes_total, x.total) for x in result.lines],
        )
    return (result.due_now, result.next_amount, result.next_billing_at, result.late)
