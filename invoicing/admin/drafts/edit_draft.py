"""Editing a draft at the finance desk: what each line comes to, before and after, is shown before it is confirmed."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from core import clock
from core.admin.fields import DecimalTextInput
from core.admin.verbs import Answers, Effect, ReasonForm, Review, Verb
from core.admin.words import money_text
from core.money import to_wire, trimmed
from invoicing.choices import DRAFT_STATUSES
from invoicing.drafts.edit_draft import DraftChanges, can_be_set, edit_draft, is_by_hand, why_not_edit
from invoicing.gathering.add_charges import Charge
from invoicing.models import Invoice, InvoiceLine
from invoicing.rating.by_hand import SetByHand

_QUANTITY: Final = "quantity_"
_DISCOUNT: Final = "discount_"
_REMOVE: Final = "remove_"


def editable_lines(invoice: Invoice) -> list[InvoiceLine]:
    """The lines of a draft on which something can be set by hand, in order."""
    lines = InvoiceLine.objects.counted().filter(invoice=invoice).order_by("position", "id")
    return [line for line in lines if can_be_set(line)]


def _percentage(discounts: Any) -> Decimal | None:
    found = ((discounts or {}).get("percentage") or {}).get("percentage")
    return None if found is None else Decimal(str(found))


class EditDraftForm(ReasonForm):
    """Asked about one draft, which comes as `initial["invoice"]`: of each of its lines, and of a new charge."""

    description = forms.CharField(
        label="Text on the invoice", required=False, max_length=1024, widget=UnfoldAdminTextInputWidget
    )
    new_name = forms.CharField(
        label="A charge to add", required=False, max_length=256, widget=UnfoldAdminTextInputWidget
    )
    new_amount = forms.DecimalField(
        label="Price of one", required=False, min_value=0, max_digits=20, widget=DecimalTextInput
    )
    new_quantity = forms.DecimalField(
        label="How many", required=False, min_value=0, max_digits=20, widget=DecimalTextInput
    )
    # What was read, so that nobody's edit is overwritten unseen.
    read_at = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].widget.attrs.pop("autofocus", None)
        self.lines = editable_lines(self.initial["invoice"])
        names = []
        for number, line in enumerate(self.lines, start=1):
            words = f"{line.name}, {money_text(line.amount - line.discounts_total, line.currency)} net"
            quantity, discount = f"{_QUANTITY}{number}", f"{_DISCOUNT}{number}"
            self.fields[quantity] = forms.DecimalField(
                label=f"{words}: quantity", min_value=0, max_digits=26, widget=DecimalTextInput
            )
            self.fields[discount] = forms.DecimalField(
                label="Discount, in percent",
                required=False,
                min_value=0,
                max_value=100,
                max_digits=6,
                widget=DecimalTextInput,
            )
            self.initial[quantity] = trimmed(_quantity(line))
            percentage = _percentage(line.discounts)
            self.initial[discount] = "" if percentage is None else trimmed(percentage)
            names += [quantity, discount]
            if is_by_hand(line):
                self.fields[f"{_REMOVE}{number}"] = forms.BooleanField(
                    label="Take it off", required=False, widget=UnfoldBooleanWidget
                )
                names.append(f"{_REMOVE}{number}")
        self.initial["description"] = self.initial["invoice"].description or ""
        self.initial["read_at"] = self.initial["invoice"].updated_at.isoformat()
        self.order_fields([*names, "new_name", "new_amount", "new_quantity", "description", "reason", "read_at"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("new_name") and cleaned.get("new_amount") is None and "new_amount" not in self.errors:
            self.add_error("new_amount", "Give the charge a price.")
        if cleaned.get("new_amount") is not None and not cleaned.get("new_name"):
            self.add_error("new_name", "Say what is charged for.")
        return cleaned


class EditDraft(Verb[Invoice]):
    slug = "edit-draft"
    label = "Edit draft"
    permission = "invoicing.edit_draft_invoice"
    form = EditDraftForm

    def asks(self, invoice: Invoice) -> str:
        return f"What is to be changed on the draft for {invoice.customer}?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            "What is set here counts instead of what was computed, also once its quantities are collected anew; the "
            "true quantity stays beside it.",
            "Should the draft be deleted and its periods billed again, what was set on lines of subscriptions is gone.",
        ]

    def shows(self, invoice: Invoice) -> bool:
        return invoice.status in DRAFT_STATUSES

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        return why_not_edit(invoice)

    def initial(self, invoice: Invoice) -> dict[str, Any]:
        return {"invoice": invoice}

    def review(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> Review:
        before = Invoice.objects.get(pk=invoice.pk)
        after = edit_draft(
            invoice=invoice,
            changes=changes_of(invoice, answers),
            reason=answers["reason"],
            read_at=datetime.fromisoformat(answers["read_at"]),
            preview=True,
        )
        currency = invoice.currency
        sums = [
            ("Net, before discounts", before.amount, after.amount),
            ("Discounts", -before.discounts_total, -after.discounts_total),
            ("Tax", before.taxes_total, after.taxes_total),
            ("Total", before.total, after.total),
        ]
        effects = [
            Effect(name, money_text(was, currency), money_text(becomes, currency)) for name, was, becomes in sums
        ]
        return Review("backoffice/edit_review.html", {"effects": effects}, seen=str(after.total))

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        edited = edit_draft(
            invoice=invoice,
            changes=changes_of(invoice, answers),
            reason=answers["reason"],
            read_at=datetime.fromisoformat(answers["read_at"]),
        )
        return f"The draft is changed: it comes to {money_text(edited.total, edited.currency)}."


def changes_of(invoice: Invoice, answers: Answers) -> DraftChanges:
    """What the answers change of the draft."""
    chosen: dict[Any, SetByHand] = {}
    charges: dict[Any, Charge] = {}
    removed = []
    for number, line in enumerate(editable_lines(invoice), start=1):
        quantity, percentage = answers[f"{_QUANTITY}{number}"], answers.get(f"{_DISCOUNT}{number}")
        if answers.get(f"{_REMOVE}{number}"):
            removed.append(line.pk)
        elif quantity != _quantity(line) or (percentage or 0) != (_percentage(line.discounts) or 0):
            if is_by_hand(line):
                charges[line.pk] = _charge_of(line, quantity, percentage)
            else:
                chosen[line.pk] = _set(line, quantity, percentage)
    return DraftChanges(
        lines=chosen,
        charges=charges,
        added=[_new(answers)] if answers.get("new_name") else [],
        removed=removed,
        description=answers["description"],
    )


def _quantity(line: InvoiceLine) -> Decimal:
    """The quantity before free units, as it can be set."""
    return Decimal((line.explain or {})["quantity"]["window"])


def _set(line: InvoiceLine, quantity: Decimal, percentage: Decimal | None) -> SetByHand:
    """What is set on a subscription's line: nothing where it is as computed again. Free units stay."""
    stored = line.explain or {}
    before = stored.get("byHand", {"quantity": stored["quantity"]["window"], "discounts": stored.get("discounts")})
    discounts = _discounted(line.discounts, percentage)
    return SetByHand(
        None if quantity == Decimal(before["quantity"]) else quantity,
        None if (percentage or 0) == (_percentage(before.get("discounts")) or 0) else discounts,
    )


def _discounted(discounts: Any, percentage: Decimal | None) -> dict[str, Any]:
    rest = {name: value for name, value in (discounts or {}).items() if name != "percentage"}
    return {**rest, "percentage": {"percentage": trimmed(percentage)}} if percentage else rest


def _charge_of(line: InvoiceLine, quantity: Decimal, percentage: Decimal | None) -> Charge:
    return Charge(
        name=line.name,
        start=line.period_start,
        end=line.period_end,
        invoice_at=line.invoice_at,
        price=line.price,
        quantity=quantity,
        discounts=_discounted(line.discounts, percentage) or None,
        tax_config=line.tax_config,
        description=line.description,
        metadata=line.metadata,
    )


def _new(answers: Answers) -> Charge:
    now = clock.now()
    return Charge(
        name=answers["new_name"],
        start=now,
        end=now,
        invoice_at=now,
        price={"type": "flat", "amount": to_wire(answers["new_amount"])},
        quantity=answers.get("new_quantity") or Decimal(1),
    )
