"""Finds the invoices that a row of a bank statement could pay, by what staff know of them."""

from django.db.models import Q, QuerySet

from core.admin.search import amount_of, matching
from invoicing.bank_statements.match import number_reader
from invoicing.choices import OPEN_STATUSES, SeriesKind
from invoicing.models import BankStatementRow, Invoice, NumberSeries
from invoicing.models.series import format_number

_SHORTEST_START = 4
_LONGEST_NUMBER = 17  # digits of what a sequence can hold


def payable_by(row: BankStatementRow) -> QuerySet[Invoice]:
    """Every invoice that the row could be booked on: issued, in its currency; the newest first."""
    invoices = Invoice.objects.filter(issued_at__isnull=False, currency=row.currency)
    return invoices.select_related("customer").order_by("-issued_at", "-id")


def search_payable(row: BankStatementRow, term: str) -> QuerySet[Invoice]:
    """Those of them that `term` means: a number as people write it, or its end; the start of a customer's name or key;
    an amount due.

    Without a term, the open ones with exactly the row's amount due.
    """
    invoices = payable_by(row)
    term = term.strip()
    if not term:
        return invoices.filter(status__in=OPEN_STATUSES, due=row.amount)
    numbers = [term.upper(), *(number for one in number_reader().read(term) for number in one.numbers)]
    if term.isascii() and term.isdigit() and len(term) <= _LONGEST_NUMBER:
        prefixes = NumberSeries.objects.filter(kind=SeriesKind.INVOICE).values_list("prefix", flat=True)
        numbers += [format_number(prefix, int(term)) for prefix in prefixes]
    known = Q(number__in=numbers)
    if len(term) >= _SHORTEST_START and not term.isdigit():
        known |= Q(number__startswith=term.upper())
    found = invoices.filter(known)
    if found.exists():
        return found
    amount = amount_of(term)
    if amount is None:
        by_customer, _ = matching(Invoice, ("customer__name", "customer__key"), "istartswith", term)
        return invoices.filter(by_customer)
    return invoices.filter(status__in=OPEN_STATUSES, due=amount)
