"""What the desk asks for to correct an issued invoice."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from core.admin.verbs import ReasonForm
from core.admin.words import money_text
from core.ids import to_text
from invoicing.corrections.creditable_lines import CreditableLine
from invoicing.issued.credit_invoice import LineCredit

# More would be a page that nobody reads; such an invoice is credited whole, or over REST.
MOST_LINES = 100


class CreditForm(ReasonForm):
    """Everything that is left, or an amount beside each line; and where the money goes."""

    what = forms.ChoiceField(
        label="What is credited",
        choices=(("lines", "the amounts below"), ("whole", "everything that is left on the invoice")),
        initial="lines",
        widget=UnfoldAdminRadioSelectWidget,
    )
    refund_to = forms.ChoiceField(
        label="What was paid of it already",
        choices=(
            ("balance", "goes to the customer's balance, which the next invoices use"),
            ("payment_method", "is refunded by the payments that brought it in"),
        ),
        initial="balance",
        widget=UnfoldAdminRadioSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines: list[CreditableLine] = self.initial.get("lines", [])
        self.lines = {f"line_{to_text(each.line.pk)}": each for each in lines if each.left > 0}
        for name, each in list(self.lines.items())[:MOST_LINES]:
            currency = each.line.currency
            left = money_text(each.left, currency)
            of = "" if each.left == each.net else f" of {money_text(each.net, currency)}"
            self.fields[name] = forms.DecimalField(
                label=each.line.name if _is_inclusive(each) else f"{each.line.name}, net",
                required=False,
                max_digits=30,
                decimal_places=12,
                widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
                help_text=f"{_period(each)}: {left}{of} is left, {_taxed(each)}.",
            )
            # One of them is needed, whichever.
            self.fields[name].shown_for, self.fields[name].needed = "what lines", True  # type: ignore[attr-defined]
        self.order_fields(["what", *self.lines, "refund_to", "reason"])

    def clean(self) -> dict[str, Any]:
        """`credits` are the amounts by line; None for everything."""
        answers = super().clean() or {}
        credits: list[LineCredit] | None = None
        if answers.get("what") != "whole":
            typed: dict[str, Decimal | None] = {name: answers.get(name) for name in self.lines}
            credits = [
                LineCredit(self.lines[name].line.pk, amount) for name, amount in typed.items() if amount is not None
            ]
            if not credits and not any(name in self.errors for name in self.lines):
                self.add_error(None, "Write an amount beside a line, or choose everything that is left.")
        return answers | {"credits": credits}


def _period(each: CreditableLine) -> str:
    """Lines of one item have one name: the time tells them apart."""
    return f"{each.line.period_start:%-d %b %Y} to {each.line.period_end:%-d %b %Y}"


def _is_inclusive(each: CreditableLine) -> bool:
    return each.tax_terms is not None and each.tax_terms.inclusive


def _taxed(each: CreditableLine) -> str:
    if each.tax_terms is None:
        return "without tax"
    return "the tax included" if _is_inclusive(each) else "without the tax that comes on top"


class WindowsForm(ReasonForm):
    """Whether the periods of a voided invoice, or of a deleted draft, are billed again."""

    windows = forms.ChoiceField(
        label="The periods on it",
        choices=(
            ("rebill", "are billed again at the next close"),
            ("waive", "are waived: nothing is billed for them"),
        ),
        initial="rebill",
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("windows", "reason")
