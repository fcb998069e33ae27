"""What staff can do to an invoice: each verb with its permission, its question, and why it can't be done now."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Sum
from django.http import HttpRequest

from core import clock
from core.admin.verbs import Answers, Failed, OptionalReasonForm, Verb, Warned
from core.admin.words import joined, moment_text, money_text
from core.money import ZERO
from invoicing.admin.drafts.anomaly_words import shown_anomalies
from invoicing.admin.drafts.edit_draft import EditDraft
from invoicing.admin.issued.correction_forms import WindowsForm
from invoicing.admin.issued.correction_verbs import CORRECTION_VERBS
from invoicing.admin.payments.charge_words import not_charged
from invoicing.admin.payments.collection_verbs import COLLECTION_VERBS
from invoicing.choices import DELETABLE_STATUSES, DRAFT_STATUSES, STOPPED_STATUSES, InvoiceStatus, LineKind
from invoicing.drafts.advance_invoice import advance_invoice
from invoicing.drafts.approve_invoice import OWN_DRAFT, approve_invoice, made_by_current_actor
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.retry_invoice import retry_invoice, why_not_retry
from invoicing.lifecycle.draft_steps import TO_APPROVE, TO_COLLECT, TO_RETRY, can_advance, next_step_at
from invoicing.models import Invoice


def gives_back_elsewhere(draft: Invoice) -> Decimal:
    """What a draft gives back of other invoices: gross, negative."""
    back = draft.lines.filter(kind=LineKind.CREDIT, deleted_at__isnull=True).exclude(amends__invoice=draft)
    return back.aggregate(total=Sum("total"))["total"] or ZERO


class OnDraft(Verb[Invoice]):
    """What is offered on drafts only."""

    def shows(self, invoice: Invoice) -> bool:
        return invoice.status in DRAFT_STATUSES


class ApprovalForm(OptionalReasonForm):
    """A reason may be given; and the total that the reader sees, so that nobody approves another one."""

    total = forms.DecimalField(widget=forms.HiddenInput, required=False)


class Approve(OnDraft):
    slug = "approve"
    label = "Approve and issue"
    permission = "invoicing.approve_invoice"
    tone = "primary"
    form = ApprovalForm
    form_many = OptionalReasonForm
    bulk = True

    def initial(self, invoice: Invoice) -> dict[str, Any]:
        return {"total": invoice.total}

    def asks(self, invoice: Invoice) -> str:
        total = money_text(invoice.total, invoice.currency)
        return f"Is the draft for {invoice.customer} over {total} right, to be issued now?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            *(text for _, text in shown_anomalies(invoice)),
            "It gets the next number of its series and can't be changed any more.",
            "It is charged at once where the frozen terms say so, or else sent to the customer.",
        ]

    def sample(self, invoice: Invoice) -> str:
        named = [label.lower() for label, _ in shown_anomalies(invoice)]
        return "; ".join([money_text(invoice.total, invoice.currency), *named])

    def in_all(self, invoices: Sequence[Invoice]) -> str:
        if not invoices:
            return ""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for invoice in invoices:
            sums[invoice.currency] += invoice.total
        said = f"Together {joined(money_text(total, currency) for currency, total in sorted(sums.items()))}."
        unusual = Counter(label.lower() for invoice in invoices for label, _ in shown_anomalies(invoice))
        if not unusual:
            return said
        return f"{said} Unusual: {joined(f'{label} ({many:,})' for label, many in unusual.items())}."

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if invoice.issued_at is not None:
            return "It is issued already."
        if invoice.status not in TO_APPROVE:
            return f"It does not wait for approval: {invoice.get_status_display().lower()}."
        return OWN_DRAFT if made_by_current_actor(invoice) else ""

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        issued = approve_invoice(invoice=invoice, shown=answers.get("total"))
        said = f"{issued} over {money_text(issued.total, issued.currency)} is issued."
        problem = not_charged([issued.pk])
        return Warned(f"{said} {problem}") if problem else said


class Advance(OnDraft):
    slug = "advance"
    label = "Next step"
    permission = "invoicing.advance_invoice"
    form = OptionalReasonForm
    bulk = True

    def asks(self, invoice: Invoice) -> str:
        return f"Is the next step to be taken now? It stands at: {invoice.get_status_display()}."

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if can_advance(invoice, clock.now()):
            return ""
        if invoice.status == InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED:
            return "It waits for approval."
        if invoice.status not in DRAFT_STATUSES:
            return "Only drafts have a next step."
        if invoice.status in TO_RETRY:
            return "A step of it failed: retry that step."
        due = next_step_at(invoice)
        if due is None:
            return f"It takes no step by itself: {invoice.get_status_display().lower()}."
        if invoice.status in TO_COLLECT:
            return f"Its usage is collected on {moment_text(due)} UTC."
        return f"It is a draft until {moment_text(due)} UTC."

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        return _now(advance_invoice(invoice=invoice))


class Retry(OnDraft):
    slug = "retry"
    label = "Retry the step that failed"
    permission = "invoicing.advance_invoice"
    tone = "primary"
    form = OptionalReasonForm
    bulk = True

    def shows(self, invoice: Invoice) -> bool:
        return invoice.status in TO_RETRY

    def asks(self, invoice: Invoice) -> str:
        return f"Is the step at which the draft of {invoice.customer} stopped to be tried again?"

    def consequences(self, invoice: Invoice) -> list[str]:
        step = "Its quantities are collected" if invoice.status in TO_COLLECT else "It is issued, and charged"
        return [f"It stopped because: {invoice.status_note}", f"{step}, nothing else: what was done before stays."]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        if invoice.status == InvoiceStatus.PAYMENT_FAILED:
            return "Its charge failed: collect it again."
        return why_not_retry(invoice)

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        return _now(retry_invoice(invoice=invoice, reason=answers["reason"]))


def _now(invoice: Invoice) -> str:
    """Where it stands after a step."""
    said = f"Now: {invoice.get_status_display()}."
    if invoice.status in STOPPED_STATUSES:
        return Failed(f"{said} {invoice.status_note}".strip())
    problem = not_charged([invoice.pk])
    return Warned(f"{said} {problem}") if problem else said


class DeleteDraft(OnDraft):
    slug = "delete-draft"
    label = "Delete draft"
    permission = "invoicing.delete_draft_invoice"
    tone = "danger"
    form = WindowsForm

    def shows(self, invoice: Invoice) -> bool:
        return invoice.status in DELETABLE_STATUSES

    def asks(self, invoice: Invoice) -> str:
        return f"Is the draft for {invoice.customer} over {money_text(invoice.total, invoice.currency)} to be deleted?"

    def consequences(self, invoice: Invoice) -> list[str]:
        back = -gives_back_elsewhere(invoice)
        amount = money_text(back, invoice.currency)
        comes_back = f"The {amount} of earlier invoices that it gives back come by credit note instead."
        return ["It had no number, so the series stays without a gap.", *([comes_back] if back else [])]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        return "" if self.shows(invoice) else "Only drafts can be deleted."

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        delete_draft(invoice=invoice, rebill=answers["windows"] == "rebill", reason=answers["reason"])
        after = "billed again at the next close" if answers["windows"] == "rebill" else "waived"
        return f"The draft is deleted; its periods are {after}."


INVOICE_VERBS = (Approve(), Retry(), Advance(), EditDraft(), *COLLECTION_VERBS, *CORRECTION_VERBS, DeleteDraft())
