"""What staff can do to collect an invoice or to give up on it: charge, ask, record, refund, write off."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from core import clock
from core.admin.verbs import Answers, Effect, Failed, OptionalReasonForm, ReasonForm, Verb
from core.admin.words import amount_text, counted, joined, money_text
from core.money import ZERO, exponent
from customers.choices import AppStatus, CollectionMethod
from invoicing.admin.payments.money_effects import Booking, due_in_all, effects_of
from invoicing.choices import IN_FLIGHT, OPEN_STATUSES, SETTLEABLE_STATUSES, InvoiceStatus, PaymentStatus, RefundStatus
from invoicing.gateways import REMOTE_GATEWAYS
from invoicing.models import Invoice, Payment
from invoicing.payments.ask_provider import OPEN_CHARGES, OPEN_REFUNDS, ask_provider
from invoicing.payments.collect_invoice import collect_invoice, why_never
from invoicing.payments.receipts import LONGEST_REFERENCE, split_receipt
from invoicing.payments.record_payment import record_payment
from invoicing.payments.refund import refund_invoice
from invoicing.payments.refundable import refundable
from invoicing.payments.write_off import mark_uncollectible, write_off

LATEST_RECEIPTS = 5
_UNDER_WAY = "A charge is under way: wait for its outcome, or ask the provider."


class AmountForm(forms.Form):
    """Asks for an amount in the currency of the invoice, which the page names."""

    amount = forms.DecimalField(
        error_messages={"invalid": "Write the amount with a point and nothing between thousands, such as 1250.00."},
        max_digits=30,
        decimal_places=12,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autofocus": True, "autocomplete": "off"}),
    )

    def clean_amount(self) -> Decimal:
        """No zeros behind the places that the currency has: to some, 1.000 is a thousand."""
        amount: Decimal = self.cleaned_data["amount"]
        most: int = self.initial["places"]
        # Other digits there are the service's to refuse.
        if -int(amount.as_tuple().exponent) > most and amount == round(amount, most):
            raise forms.ValidationError(
                f"Amounts of this currency have no more places than {most}, and nothing stands between thousands."
            )
        return amount


class ReceiptForm(AmountForm, OptionalReasonForm):
    """A payment that arrived: how much, when, and the reference on the bank statement."""

    received_on = forms.DateField(label="Received on (UTC)", widget=UnfoldAdminSingleDateWidget)
    reference = forms.CharField(
        max_length=LONGEST_REFERENCE,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"As on the bank statement, at most {LONGEST_REFERENCE} characters.",
    )
    another = forms.BooleanField(
        label="It is another payment than those recorded, even if it looks the same",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )
    field_order = ("amount", "received_on", "reference", "another", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "another" not in self.initial:
            del self.fields["another"]


class RefundForm(AmountForm, ReasonForm):
    """How much goes back, and why."""

    field_order = ("amount", "reason")


def _receipt_words(payment: Payment) -> str:
    """A receipt by amount, day and reference: whoever records it twice sees it."""
    on = f" on {payment.received_at.day} {payment.received_at:%b %Y}" if payment.received_at else ""
    return f"{amount_text(payment.amount, payment.currency)} {payment.currency}{on}, “{payment.reference}”"


def _charge_under_way(invoice: Invoice) -> bool:
    return invoice.payments.filter(status__in=IN_FLIGHT).exists()


class OnIssued(Verb[Invoice]):
    """What is offered on issued invoices only."""

    def shows(self, invoice: Invoice) -> bool:
        return invoice.issued_at is not None

    def in_all(self, invoices: Sequence[Invoice]) -> str:
        return due_in_all(invoices)


class Collect(OnIssued):
    slug = "collect"
    label = "Charge now"
    permission = "invoicing.collect_invoice"
    tone = "primary"
    form = OptionalReasonForm
    bulk = True

    def asks(self, invoice: Invoice) -> str:
        return f"Is {money_text(invoice.due, invoice.currency)} to be charged now?"

    def consequences(self, invoice: Invoice) -> list[str]:
        notes = ["One charge is tried at the invoice's billing app. A decline changes none of the figures below."]
        if invoice.payments.filter(status=PaymentStatus.ACTION_REQUIRED).exists():
            notes.append(
                "The charge that waits for the customer's confirmation is ended first, so that only one succeeds."
            )
        return notes

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if invoice.issued_at is None:
            return "It is not issued yet."
        if invoice.due > 0 and invoice.status == InvoiceStatus.UNCOLLECTIBLE:
            return (
                f"It is uncollectible: {money_text(invoice.due, invoice.currency)} stays due, and is charged no more."
            )
        if invoice.status not in OPEN_STATUSES or invoice.due <= 0:
            return "Nothing is due on it."
        if invoice.collection_method != CollectionMethod.CHARGE_AUTOMATICALLY:
            return "The customer pays by themselves: there is nothing to charge."
        if _charge_under_way(invoice):
            return _UNDER_WAY
        app = invoice.app
        if app is not None and app.type in REMOTE_GATEWAYS and app.status != AppStatus.READY:
            return f"{app} can't charge ({app.get_status_display().lower()}): it needs a new API key first."
        return why_never(invoice)

    def effects(self, invoice: Invoice, answers: Answers) -> list[Effect]:
        return effects_of(invoice, Booking(due=-invoice.due, paid=invoice.due, status=InvoiceStatus.PAID))

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        collected = collect_invoice(invoice=invoice)
        if collected.status == InvoiceStatus.PAID:
            return f"{collected} is paid."
        due = collected.next_collection_at
        if (due is not None and due <= clock.now()) or collected.payments.filter(to_cancel=True).exists():
            return f"{collected} will be charged within seconds."
        return Failed(f"The charge did not succeed: {collected.get_status_display()}. {collected.status_note}".strip())


class AskProvider(Verb[Invoice]):
    slug = "ask-provider"
    label = "Ask for the outcome"
    permission = "invoicing.reconcile_payment"
    tone = "primary"
    form = OptionalReasonForm

    def asks(self, invoice: Invoice) -> str:
        return f"Is {invoice.app} to be asked now what became of the open payments of {invoice}?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            "It is asked by itself too, at growing intervals; this only brings the next time forward.",
            "Asking charges nobody. What it answers is booked once, whoever hears it first.",
        ]

    def shows(self, invoice: Invoice) -> bool:
        if invoice.app is None or invoice.app.type not in REMOTE_GATEWAYS:
            return False
        charges = invoice.payments.filter(status__in=OPEN_CHARGES)
        return charges.exists() or invoice.refunds.filter(status__in=OPEN_REFUNDS).exists()

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        asked = ask_provider(invoice=invoice)
        return f"{invoice.app} is asked within seconds about {counted(asked, 'open payment')} of {invoice}."


class RecordPayment(OnIssued):
    slug = "record-payment"
    label = "Record payment"
    permission = "invoicing.record_payment"
    form = ReceiptForm

    def asks(self, invoice: Invoice) -> str:
        lost = f"{money_text(invoice.written_off, invoice.currency)} written off" if invoice.written_off else ""
        due = f"{money_text(invoice.due, invoice.currency)} due" if invoice.due or not lost else ""
        return f"How much of the {joined(part for part in (due, lost) if part)} on {invoice} has arrived?"

    def consequences(self, invoice: Invoice) -> list[str]:
        rest = "With a part of it the invoice stays open for the rest."
        if not invoice.due:
            rest = "So much of the loss is taken back; the rest stays written off."
        received = invoice.payments.filter(attempt=None).order_by("-received_at", "-id")[:LATEST_RECEIPTS]
        return [
            *(f"Recorded already: {_receipt_words(payment)}." for payment in received),
            rest,
            "What is too much goes to the customer's balance.",
        ]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        given_up = invoice.status == InvoiceStatus.UNCOLLECTIBLE and (invoice.due > 0 or invoice.written_off > 0)
        return "" if given_up or (invoice.status in OPEN_STATUSES and invoice.due > 0) else "Nothing is due on it."

    def initial(self, invoice: Invoice) -> dict[str, Any]:
        start: dict[str, Any] = {
            "amount": Decimal(amount_text(invoice.due or invoice.written_off, invoice.currency).replace(",", "")),
            "received_on": clock.now().date(),
            "places": exponent(invoice.currency),
        }
        # Asked for only where there is a payment to mistake it for.
        return start | ({"another": False} if invoice.payments.filter(attempt=None).exists() else {})

    def effects(self, invoice: Invoice, answers: Answers) -> list[Effect]:
        amount: Decimal = answers.get("amount") or ZERO
        if amount <= 0:
            return effects_of(invoice, Booking())
        split = split_receipt(amount, due=invoice.due, written_off=invoice.written_off)
        settled = invoice.due == split.on_due and invoice.written_off == split.recovered
        return effects_of(
            invoice,
            Booking(
                paid=amount,
                due=-split.on_due,
                written_off=-split.recovered,
                moved_to_balance=split.to_balance,
                balance=split.to_balance,
                status=InvoiceStatus.PAID if settled else None,
            ),
        )

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        day = answers["received_on"]
        moved_before = invoice.moved_to_balance
        payment = record_payment(
            invoice=invoice,
            amount=answers["amount"],
            received_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
            reference=answers["reference"],
            unless_alike=not answers.get("another"),
        )
        left = f"{money_text(invoice.due, invoice.currency)} is still due" if invoice.due else "paid in full"
        if invoice.written_off:
            left = f"{money_text(invoice.written_off, invoice.currency)} stays written off"
        too_much = invoice.moved_to_balance - moved_before
        if too_much:
            left = f"{left}, and {money_text(too_much, invoice.currency)} went to the customer's balance"
        return f"{money_text(payment.amount, invoice.currency)} recorded for {invoice}: {left}."


class Refund(OnIssued):
    slug = "refund"
    label = "Refund"
    permission = "invoicing.refund_payment"
    tone = "danger"
    form = RefundForm

    def asks(self, invoice: Invoice) -> str:
        most = money_text(refundable(invoice), invoice.currency)
        return f"How much of {invoice} is to go back to {invoice.customer}? At most {most} can."

    def consequences(self, invoice: Invoice) -> list[str]:
        notes = ["The money leaves the customer's balance at once, so that it can't be used twice."]
        if invoice.app is not None and invoice.app.type in REMOTE_GATEWAYS:
            notes.append(f"What {invoice.app} charged goes back there; what it refuses is on the balance again.")
        return [*notes, "What came by bank transfer is only recorded as given back here: send the money yourself."]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if invoice.paid <= 0:
            return "Nothing is paid on it."
        if invoice.moved_to_balance <= 0:
            return "None of it is on the customer's balance: only what was overpaid or credited can go back."
        if refundable(invoice) <= 0:
            return "What it moved to the customer's balance is used up or given back already."
        return ""

    def initial(self, invoice: Invoice) -> dict[str, Any]:
        return {
            "amount": Decimal(amount_text(refundable(invoice), invoice.currency).replace(",", "")),
            "places": exponent(invoice.currency),
        }

    def effects(self, invoice: Invoice, answers: Answers) -> list[Effect]:
        amount: Decimal = answers.get("amount") or ZERO
        if not ZERO < amount <= refundable(invoice):
            amount = ZERO
        return effects_of(invoice, Booking(refunded=amount, moved_to_balance=-amount, balance=-amount))

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        refund = refund_invoice(invoice=invoice, amount=answers["amount"], reason=answers["reason"])
        how = money_text(refund.amount, invoice.currency)
        if refund.status == RefundStatus.PENDING:
            return f"{how} of {invoice} goes back within seconds: {refund.payment.app} is asked for it."
        return f"{how} of {invoice} is recorded as given back: send the money to the customer."


class GiveUp(OnIssued):
    """What ends the collection of an invoice that nobody pays."""

    tone = "danger"
    bulk = True

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if invoice.status not in SETTLEABLE_STATUSES or invoice.due <= 0:
            return "Nothing is due on it."
        return _UNDER_WAY if _charge_under_way(invoice) else ""


class MarkUncollectible(GiveUp):
    slug = "mark-uncollectible"
    label = "Mark uncollectible"
    permission = "invoicing.mark_uncollectible_invoice"

    def asks(self, invoice: Invoice) -> str:
        return f"Is {invoice} over {money_text(invoice.due, invoice.currency)} not to be collected any more?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            "No charge is tried and no reminder is sent any more.",
            "What is due stays due, and is booked should it come in after all.",
        ]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if invoice.status == InvoiceStatus.UNCOLLECTIBLE:
            return "It is uncollectible already."
        return super().why_not(request, invoice)

    def effects(self, invoice: Invoice, answers: Answers) -> list[Effect]:
        return effects_of(invoice, Booking(status=InvoiceStatus.UNCOLLECTIBLE))

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        marked = mark_uncollectible(invoice=invoice, reason=answers["reason"])
        due = money_text(marked.due, marked.currency)
        return f"{marked} is uncollectible: {due} stays due, and nobody is reminded of it any more."


class WriteOff(GiveUp):
    slug = "write-off"
    label = "Write off"
    permission = "invoicing.write_off_invoice"

    def asks(self, invoice: Invoice) -> str:
        return f"Are the {money_text(invoice.due, invoice.currency)} due on {invoice} to be written off as a loss?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            "Nothing is due on it any more; the loss is on record.",
            "Should the money come in after all, record the payment: so much of the loss is taken back.",
        ]

    def effects(self, invoice: Invoice, answers: Answers) -> list[Effect]:
        return effects_of(
            invoice, Booking(due=-invoice.due, written_off=invoice.due, status=InvoiceStatus.UNCOLLECTIBLE)
        )

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        lost = invoice.due
        written_off = money_text(lost, invoice.currency)
        return f"{written_off} of {write_off(invoice=invoice, reason=answers['reason'])} is written off."


COLLECTION_VERBS = (Collect(), AskProvider(), RecordPayment(), Refund(), MarkUncollectible(), WriteOff())
