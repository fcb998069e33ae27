"""Invoicing at once what waits for a customer: the documents with their money are shown before it is confirmed."""

from typing import Any

from django.http import HttpRequest

from core.admin.verbs import Answers, Review, Verb, Warned
from core.admin.words import counted, joined, money_text
from core.errors import BillingError
from customers.models import Customer
from invoicing.admin.payments.charge_words import not_charged
from invoicing.choices import InvoiceStatus
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.models import Invoice


class InvoiceNow(Verb[Customer]):
    slug = "invoice-now"
    label = "Invoice what is due"
    permission = "invoicing.invoice_now_invoice"

    def asks(self, customer: Customer) -> str:
        return f"Is what is due of {customer} to be invoiced now?"

    def consequences(self, customer: Customer) -> list[str]:
        return [
            "It does not wait for the customer's rhythm of collection.",
            "Usage that is running is billed up to now where the customer is billed progressively; otherwise it waits.",
        ]

    def shows(self, customer: Customer) -> bool:
        return customer.deleted_at is None

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        if not self.shows(customer):
            return "The customer is deleted."
        waits = Invoice.objects.filter(customer=customer, status=InvoiceStatus.GATHERING)
        return "" if waits.exists() else "Nothing waits to be invoiced."

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        try:
            made: list[Any] = invoice_pending_lines(customer=customer, preview=True)
        except BillingError as error:
            return Review("backoffice/invoice_now_review.html", {"documents": []}, why_not=error.message)
        figures = ", ".join(f"{invoice.total} {invoice.currency}" for invoice in made)
        return Review("backoffice/invoice_now_review.html", {"documents": made}, seen=figures)

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        made = invoice_pending_lines(customer=customer)
        sums = joined(money_text(invoice.total, invoice.currency) for invoice in made)
        said = f"{counted(len(made), 'invoice')} made, over {sums}."
        problem = not_charged([invoice.pk for invoice in made])
        return Warned(f"{said} {problem}") if problem else said
