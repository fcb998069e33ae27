"""What the tests of previews share: how the time after a change is lived, and what has come about since, as an outlook
would show it."""

from core import clock
from invoicing.choices import DRAFT_STATUSES, InvoiceStatus
from invoicing.models import BalanceEntry, CreditNote, Invoice
from invoicing.runs.advance_clock import next_moment
from invoicing.runs.run_due import run_due


def live(start, until):
    """All that falls due from `start` on up to `until`, each at its time."""
    moment = start
    while moment is not None and moment <= until:
        with clock.frozen_at(moment):
            run_due(as_of=moment)
        moment = next_moment(after=moment)


class Books:
    """What is on the books now, to ask later what has come about since."""

    def __init__(self):
        self.invoices = set(Invoice.objects.exclude(status__in=DRAFT_STATUSES).values_list("pk", flat=True))
        self.drafts = dict(Invoice.objects.filter(status__in=DRAFT_STATUSES).values_list("pk", "total"))
        self.notes = set(CreditNote.objects.values_list("pk", flat=True))
        self.entries = set(BalanceEntry.objects.values_list("pk", flat=True))

    def made_since(self):
        """Documents and balance movements, as `foreseen` shows an outlook's."""
        found = []
        hidden = [InvoiceStatus.GATHERING, InvoiceStatus.DELETED]
        for invoice in Invoice.objects.exclude(pk__in=self.invoices).exclude(status__in=hidden):
            if invoice.issued_at is None and self.drafts.get(invoice.pk) == invoice.total:
                continue
            lines = invoice.lines.counted().order_by("position", "id")
            found.append(
                (
                    "invoice",
                    invoice.issued_at,
                    invoice.currency,
                    invoice.total,
                    invoice.taxes_total,
                    invoice.applied_from_balance,
                    sorted((x.name, x.period_start, x.period_end, x.total) for x in lines),
                )
            )
        for note in CreditNote.objects.exclude(pk__in=self.notes):
            taken = [(line.name, line.period_start, line.period_end, line.total) for line in note.lines.all()]
            found.append(
                (
                    "credit_note",
                    note.issued_at,
                    note.currency,
                    note.total,
                    note.taxes_total,
                    note.moved_to_balance,
                    sorted(taken),
                )
            )
        entries = BalanceEntry.objects.exclude(pk__in=self.entries).order_by("at", "id")
        moved = [(entry.at, entry.kind, entry.amount, entry.currency) for entry in entries]
        return sorted(found, key=str), sorted(moved, key=str)


def foreseen(outlook):
    found = [
        (
            document.type,
            None if document.is_draft else document.at,
            document.currency,
            document.total,
            document.totals["taxes_total"],
            document.applied_from_balance if document.is_invoice else document.moved_to_balance,
            sorted((x.name, x.period_start, x.period_end, x.total) for x in document.lines),
        )
        for document in outlook.documents
    ]
    moved = [(move.at, move.kind, move.amount, move.currency) for move in outlook.movements]
    return sorted(found, key=str), sorted(moved, key=str)
