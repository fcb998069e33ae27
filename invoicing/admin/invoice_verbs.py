"""What staff can do to an invoice: each verb with its permission, its question, and why it can't be done now."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminRadioSelectWidget

from core import clock
from core.admin.verbs import OptionalReasonForm, ReasonForm, Verb
from core.admin.words import amount_text, moment_text
from invoicing.admin.collection_verbs import COLLECTION_VERBS
from invoicing.choices import DRAFT_STATUSES, InvoiceStatus
from invoicing.models import Invoice
from invoicing.services.advance_invoice import TO_RETRY, advance_invoice
from invoicing.services.approve_invoice import OWN_DRAFT, TO_APPROVE, approve_invoice, made_by_current_actor
from invoicing.services.delete_draft import delete_draft


class DeleteDraftForm(ReasonForm):
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


def _worth(invoice: Invoice) -> str:
    return f"{amount_text(invoice.total, invoice.currency)} {invoice.currency}"


def _approve(request: HttpRequest, invoice: Invoice, answers: Mapping[str, Any]) -> str:
    issued = approve_invoice(invoice=invoice)
    return f"{issued} over {_worth(issued)} is issued."


def _why_not_approve(request: HttpRequest, invoice: Invoice) -> str:
    if invoice.issued_at is not None:
        return "It is issued already."
    if invoice.status not in TO_APPROVE:
        return f"It does not wait for approval: {invoice.get_status_display().lower()}."
    return OWN_DRAFT if made_by_current_actor(invoice) else ""


def _advance(request: HttpRequest, invoice: Invoice, answers: Mapping[str, Any]) -> str:
    advance_invoice(invoice=invoice)
    return f"Now: {invoice.get_status_display()}."


def _why_not_advance(request: HttpRequest, invoice: Invoice) -> str:
    now = clock.now()
    if invoice.status in TO_RETRY:
        return ""
    if invoice.status == InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED:
        return "It waits for approval."
    if invoice.status == InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL:
        until = invoice.draft_until
        return "" if until is None or until <= now else f"It is a draft until {moment_text(until)} UTC."
    if invoice.status not in DRAFT_STATUSES:
        return "Only drafts have a next step."
    due = invoice.collection_at
    return "" if due is None or due <= now else f"Its usage is collected on {moment_text(due)} UTC."


def _delete(request: HttpRequest, invoice: Invoice, answers: Mapping[str, Any]) -> str:
    delete_draft(invoice=invoice, rebill=answers["windows"] == "rebill", reason=answers["reason"])
    after = "billed again at the next close" if answers["windows"] == "rebill" else "waived"
    return f"The draft is deleted; its periods are {after}."


def _is_draft(invoice: Invoice) -> bool:
    return invoice.status in DRAFT_STATUSES


APPROVE = Verb(
    slug="approve",
    label="Approve and issue",
    permission="invoicing.approve_invoice",
    asks=lambda invoice: f"Is the draft for {invoice.customer} over {_worth(invoice)} right, to be issued now?",
    consequences=lambda invoice: [
        "It gets the next number of its series and can't be changed any more.",
        "It is charged at once where the frozen terms say so, or else sent to the customer.",
    ],
    why_not=_why_not_approve,
    shows=_is_draft,
    perform=_approve,
    form=OptionalReasonForm,
    tone="primary",
    bulk=True,
)
ADVANCE = Verb(
    slug="advance",
    label="Next step",
    permission="invoicing.advance_invoice",
    asks=lambda invoice: f"Is the next step to be taken now? It stands at: {invoice.get_status_display()}.",
    consequences=lambda invoice: ["A step that failed is tried again, that step alone."],
    why_not=_why_not_advance,
    shows=_is_draft,
    perform=_advance,
    form=OptionalReasonForm,
    bulk=True,
)
DELETE_DRAFT = Verb(
    slug="delete-draft",
    label="Delete draft",
    permission="invoicing.delete_draft_invoice",
    asks=lambda invoice: f"Is the draft for {invoice.customer} over {_worth(invoice)} to be deleted?",
    consequences=lambda invoice: ["It had no number, so the series stays without a gap."],
    shows=_is_draft,
    why_not=lambda request, invoice: "" if _is_draft(invoice) else "Only drafts can be deleted.",
    perform=_delete,
    form=DeleteDraftForm,
    tone="danger",
)

INVOICE_VERBS = (APPROVE, ADVANCE, *COLLECTION_VERBS, DELETE_DRAFT)
