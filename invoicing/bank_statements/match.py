"""Finds, for the movements on a bank account, the invoices that they pay: by the number named, else by the amount."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.admin.words import money_text
from customers.choices import CollectionMethod
from customers.models import BillingApp
from invoicing.bank_statements.read_csv import StatementLine
from invoicing.choices import OPEN_STATUSES, SETTLEABLE_STATUSES, MatchStatus
from invoicing.lifecycle.document_numbers import Named, NumberReader
from invoicing.models import CreditNote, Invoice, NumberSeries


@dataclass(frozen=True, slots=True)
class Match:
    """What was found for a movement; `note` says in words why it is not sure."""

    status: MatchStatus
    invoice: Invoice | None = None
    note: str = ""


def number_reader() -> NumberReader:
    """Reads the numbers of every series, credit notes' too. One query."""
    return NumberReader(NumberSeries.objects.values_list("prefix", flat=True))


class Matcher:
    """Matches the lines of one file for `app`. Four queries, however many lines there are."""

    def __init__(self, app: BillingApp, lines: Sequence[StatementLine]) -> None:
        reader = number_reader()
        self._named = {reference: reader.read(reference) for reference in {line.reference for line in lines}}
        wanted = {number for named in self._named.values() for one in named for number in one.numbers}
        invoices = Invoice.objects.filter(number__in=wanted).select_related("app")
        self._invoices = {str(invoice.number): invoice for invoice in invoices}
        self._credit_notes = set(CreditNote.objects.filter(number__in=wanted).values_list("number", flat=True))
        open_ones = Invoice.objects.filter(
            status__in=OPEN_STATUSES,
            collection_method=CollectionMethod.SEND_INVOICE,
            due__in={line.amount for line in lines},
            app=app,
        )
        self._by_amount: dict[tuple[Decimal, str], list[Invoice]] = defaultdict(list)
        for invoice in open_ones:
            self._by_amount[invoice.due, invoice.currency].append(invoice)

    def match(self, line: StatementLine) -> Match:
        """Only where one invoice is named, and exactly what it owes is paid, is the match EXACT."""
        if line.amount <= 0:
            return Match(MatchStatus.OUTGOING)
        named = self._named[line.reference]
        existing = [[number for number in one.numbers if self._exists(number)] for one in named]
        invoices = list(dict.fromkeys(n for numbers in existing for n in numbers if n in self._invoices))
        several = list(dict.fromkeys(n for numbers in existing if len(numbers) > 1 for n in numbers))
        if len(invoices) > 1:
            return Match(MatchStatus.AMBIGUOUS, note=f"It names {', '.join(invoices)}.")
        if invoices and several:
            return Match(MatchStatus.AMBIGUOUS, note=f"It can be read as {' or '.join(several)}.")
        if invoices:
            return self._against(line, self._invoices[invoices[0]], named)
        notes = [number for numbers in existing for number in numbers]
        return self._by_amount_alone(line, f"It names the credit note {notes[0]}." if notes else "")

    def _exists(self, number: str) -> bool:
        return number in self._invoices or number in self._credit_notes

    def _against(self, line: StatementLine, invoice: Invoice, named: Sequence[Named]) -> Match:
        if line.currency != invoice.currency:
            return Match(MatchStatus.UNMATCHED, note=f"{invoice} is in {invoice.currency}.")
        if any(invoice.number in one.doubtful for one in named):
            likelier = next(one.numbers[0] for one in named if invoice.number in one.doubtful)
            return Match(MatchStatus.AMBIGUOUS, invoice, f"It rather names {likelier}, which is no invoice of ours.")
        if invoice.status not in SETTLEABLE_STATUSES or invoice.due <= 0:
            return Match(MatchStatus.NOT_OPEN, invoice, f"{invoice} is {invoice.get_status_display().lower()}.")
        if line.amount == invoice.due:
            return Match(MatchStatus.EXACT, invoice)
        status = MatchStatus.PARTIAL if line.amount < invoice.due else MatchStatus.OVER
        return Match(status, invoice, f"{money_text(invoice.due, invoice.currency)} is due.")

    def _by_amount_alone(self, line: StatementLine, note: str) -> Match:
        fitting = self._by_amount.get((line.amount, line.currency), [])
        if len(fitting) == 1:
            return Match(MatchStatus.AMOUNT_ONLY, fitting[0], note or "No number is named; only the amount fits.")
        if fitting:
            words = f"{len(fitting)} open invoices have this amount."
            return Match(MatchStatus.AMBIGUOUS, note=f"{note} {words}".strip())
        return Match(MatchStatus.UNMATCHED, note=note)
