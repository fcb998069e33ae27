"""A one-off charge at the finance desk: what it comes to is shown before it waits, or is due at once."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from core import clock
from core.admin.fields import DecimalTextInput
from core.admin.verbs import Answers, ReasonForm, Review, Verb
from core.admin.words import moment_text, money_text
from core.money import to_wire, trimmed
from customers.models import Customer
from invoicing.gathering.add_charges import Charge, add_charges
from invoicing.gathering.simulate_invoice import SimulatedLine, simulate_invoice

NOW: Final = "now"
AT_A_TIME: Final = "at"


class ChargeForm(ReasonForm):
    """Asked about one customer, who comes as `initial["customer"]`."""

    name = forms.CharField(
        label="What for",
        max_length=256,
        widget=UnfoldAdminTextInputWidget,
        help_text="Stands on the invoice, as in “Onsite training, 2 days”.",
    )
    amount = forms.DecimalField(label="Price of one", min_value=0, max_digits=20, widget=DecimalTextInput)
    quantity = forms.DecimalField(label="How many", min_value=0, initial=1, max_digits=20, widget=DecimalTextInput)
    discount = forms.DecimalField(
        label="Discount, in percent",
        required=False,
        min_value=0,
        max_value=100,
        max_digits=6,
        widget=DecimalTextInput,
    )
    currency = forms.CharField(label="Currency", min_length=3, max_length=3, widget=UnfoldAdminTextInputWidget)
    due = forms.ChoiceField(
        label="Invoiced",
        choices=(
            (NOW, "with the next close, or by “Invoice what is due”"),
            (AT_A_TIME, "at a date"),
        ),
        initial=NOW,
        widget=UnfoldAdminRadioSelectWidget,
    )
    moment = forms.SplitDateTimeField(label="Date (UTC)", required=False, widget=UnfoldAdminSplitDateTimeWidget)
    tax_code = forms.CharField(
        label="Tax category",
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: that of the customer's settings.",
    )
    field_order = ("name", "amount", "quantity", "discount", "currency", "due", "moment", "tax_code", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].widget.attrs.pop("autofocus", None)
        customer: Customer = self.initial["customer"]
        if customer.currency:
            del self.fields["currency"]
        moment: Any = self.fields["moment"]
        moment.shown_for, moment.needed = f"due {AT_A_TIME}", True

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        customer: Customer = self.initial["customer"]
        cleaned.setdefault("currency", customer.currency)
        if cleaned.get("due") == AT_A_TIME and not cleaned.get("moment") and "moment" not in self.errors:
            self.add_error("moment", "Say when.")
        return cleaned


class ChargeOnce(Verb[Customer]):
    slug = "charge-once"
    label = "Add a one-off charge"
    permission = "invoicing.charge_once_invoice"
    form = ChargeForm

    def asks(self, customer: Customer) -> str:
        return f"What is {customer} to be charged once?"

    def shows(self, customer: Customer) -> bool:
        return customer.deleted_at is None

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        return "" if self.shows(customer) else "The customer is deleted."

    def initial(self, customer: Customer) -> dict[str, Any]:
        return {"customer": customer, "quantity": 1, "due": NOW}

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        charge = _charge(answers)
        currency = str(answers["currency"])
        invoice = simulate_invoice(customer=customer, currency=currency, lines=[_simulated(charge)])
        net = invoice.amount - invoice.discounts_total
        sums = [
            (f"{trimmed(charge.quantity)} × {money_text(answers['amount'], currency)}", invoice.amount),
            ("Discount", -invoice.discounts_total),
            ("Net", net),
            ("Tax", invoice.taxes_total),
            ("Total", invoice.total),
        ]
        shown = [row for row in sums if row[1] or row[0] in ("Net", "Total")]
        context = {"sums": shown, "currency": currency, "notes": _notes(answers)}
        return Review("backoffice/charge_review.html", context, seen=str(invoice.total))

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        add_charges(
            customer=customer,
            currency=str(answers["currency"]),
            charges=[_charge(answers)],
            reason=answers["reason"],
        )
        due = _due_at(answers)
        when = "is due now: the next close bills it" if due is None else f"is due on {moment_text(due)} UTC"
        return f"“{answers['name']}” waits on the gathering invoice and {when}."


def _charge(answers: Answers) -> Charge:
    at = _due_at(answers) or clock.now()
    discount: Decimal | None = answers.get("discount")
    return Charge(
        name=answers["name"],
        start=at,
        end=at,
        invoice_at=at,
        price={"type": "flat", "amount": to_wire(answers["amount"])},
        quantity=answers["quantity"],
        discounts=None if not discount else {"percentage": {"percentage": trimmed(discount)}},
        tax_config={"stripe": {"code": answers["tax_code"]}} if answers.get("tax_code") else None,
    )


def _simulated(charge: Charge) -> SimulatedLine:
    return SimulatedLine(
        name=charge.name,
        start=charge.start,
        end=charge.end,
        invoice_at=charge.invoice_at,
        quantity=charge.quantity,
        price=charge.price,
        discounts=charge.discounts,
        tax_config=charge.tax_config,
    )


def _due_at(answers: Answers) -> datetime | None:
    """The date that was given; None for now."""
    return answers["moment"] if answers["due"] == AT_A_TIME else None


def _notes(answers: Answers) -> list[str]:
    due = _due_at(answers)
    first = (
        "It waits on the gathering invoice, and the next close bills it together with whatever else is due then."
        if due is None or due <= clock.now()
        else f"It waits on the gathering invoice until {moment_text(due)} UTC; what else is due then is billed with it."
    )
    return [first, "Its tax is worked out again when it is invoiced, by the settings and rates of that day."]
