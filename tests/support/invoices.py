"""What was billed, as people read it: numbers, names and money."""

from decimal import Decimal

from invoicing.models import BalanceEntry, CreditNote, Invoice, InvoiceLine


def money(amount):
    """As people write it."""
    return f"{amount:.2f}"


def lines(invoice_id):
    """Name and net of each line of an invoice."""
    rows = InvoiceLine.objects.filter(invoice_id=invoice_id, deleted_at=None).order_by("position")
    return [(line.name, money(line.amount + line.charges_total - line.discounts_total)) for line in rows]


def invoices():
    """Number, total and what is due of all issued invoices, in order."""
    rows = Invoice.objects.filter(issued_at__isnull=False).order_by("issued_at", "sequence")
    return [(invoice.number, money(invoice.total), money(invoice.due)) for invoice in rows]


def notes():
    """Number, net, gross, what came off the due and what went to the balance, of all credit notes."""
    return [
        (note.number, money(note.amount), money(note.total), money(note.reduced_due), money(note.moved_to_balance))
        for note in CreditNote.objects.order_by("issued_at", "sequence")
    ]


def balance():
    return money(sum(BalanceEntry.objects.values_list("amount", flat=True), Decimal(0)))


def lines_of(number):
    """The same, of the invoice with that number."""
    return lines(Invoice.objects.get(number=number).pk)


def totals():
    """The total of each issued invoice, in order."""
    return [total for _, total, _ in invoices()]
