"""What staff can do to correct an issued invoice, each with the money shown first: credit, void, void and reissue."""

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.http import HttpRequest

from core.admin.display import money
from core.admin.verbs import Answers, Effect, ReasonForm, Review, Verb, Warned
from core.admin.words import joined, money_text
from core.money import ZERO
from invoicing.admin.issued.correction_forms import MOST_LINES, CreditForm, WindowsForm
from invoicing.admin.payments.charge_words import not_charged
from invoicing.admin.payments.money_effects import Booking, effects_of
from invoicing.choices import InvoiceStatus, RefundStatus
from invoicing.corrections.creditable_lines import creditable_lines
from invoicing.issued.credit_invoice import Credited, credit_invoice, why_not_credit
from invoicing.issued.reissue_invoice import Reissued, reissue_invoice
from invoicing.issued.void_invoice import void_invoice, why_not_void
from invoicing.models import CreditNote, Invoice


class Correction(Verb[Invoice]):
    """What is offered on issued invoices only."""

    def shows(self, invoice: Invoice) -> bool:
        return invoice.issued_at is not None


class Credit(Correction):
    slug = "credit"
    label = "Credit"
    permission = "invoicing.credit_invoice"
    form = CreditForm

    def asks(self, invoice: Invoice) -> str:
        return f"What of {invoice} is {invoice.customer} not to owe?"

    def consequences(self, invoice: Invoice) -> list[str]:
        notes = [
            "A credit note gives it back, at the tax of the lines: first off what is due, then as chosen below.",
            "The periods stay billed: what is credited is not billed again.",
        ]
        if sum(1 for each in creditable_lines(invoice) if each.left > 0) > MOST_LINES:
            notes.append(f"Amounts can be written beside the first {MOST_LINES} lines here, and beside all over REST.")
        return notes

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        return why_not_credit(invoice)

    def initial(self, invoice: Invoice) -> dict[str, Any]:
        return {"what": "lines", "refund_to": "balance", "lines": creditable_lines(invoice)}

    def review(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> Review:
        credited = self._credit(invoice, answers, preview=True)
        note, lines = credited.note, credited.lines
        context = {
            "note": note,
            "lines": lines,
            "sums": _credit_effects(invoice, credited),
            "notes": _credit_notes(credited),
        }
        seen = [(line.name, line.amount, line.total) for line in lines]
        figures = (seen, note.total, note.reduced_due, credited.invoice.due, credited.invoice.refunded)
        return Review("backoffice/credit_review.html", context, seen=_short(figures))

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        credited = self._credit(invoice, answers, preview=False)
        note, worth = credited.note, money_text(credited.note.total, credited.note.currency)
        return " ".join([f"{note} credits {worth} of {credited.invoice}.", *_credit_notes(credited)])

    def _credit(self, invoice: Invoice, answers: Answers, *, preview: bool) -> Credited:
        return credit_invoice(
            invoice=invoice,
            lines=answers["credits"],
            refund=answers["refund_to"] == "payment_method",
            reason=answers["reason"],
            preview=preview,
        )


class Void(Correction):
    slug = "void"
    label = "Void"
    permission = "invoicing.void_invoice"
    tone = "danger"
    form = WindowsForm

    def asks(self, invoice: Invoice) -> str:
        worth = money_text(invoice.total, invoice.currency)
        return f"Is {invoice} over {worth} to be void, so that {invoice.customer} owes nothing for it?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            "It keeps its number and its dates, and can't be changed or voided back.",
            "What it gives back of earlier invoices comes by credit note instead.",
            "Should money for it come in all the same, it goes to the customer's balance.",
        ]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        return _why_not_void(invoice)

    def effects(self, invoice: Invoice, answers: Answers) -> list[Effect]:
        return _void_effects(invoice)

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        rebill = answers["windows"] == "rebill"
        voided = void_invoice(invoice=invoice, rebill=rebill, reason=answers["reason"])
        after = "billed again at the next close" if rebill else "waived"
        return " ".join([f"{voided.invoice} is void; its periods are {after}.", *_given_back(voided.notes)])


class Reissue(Correction):
    slug = "reissue"
    label = "Void and reissue"
    permission = "invoicing.void_invoice"
    tone = "danger"
    form = ReasonForm

    def asks(self, invoice: Invoice) -> str:
        return f"Is {invoice} to be void, and what it bills to be billed anew at once?"

    def consequences(self, invoice: Invoice) -> list[str]:
        return [
            "The new invoice is made by the facts as they are now: correct the customer, the terms or the usage first.",
            "Each of the two names the other. The next page shows them side by side.",
        ]

    def why_not(self, request: HttpRequest, invoice: Invoice) -> str:
        return _why_not_void(invoice)

    def review(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> Review:
        return reissue_review(invoice, reissue_invoice(invoice=invoice, reason=answers["reason"], preview=True))

    def perform(self, request: HttpRequest, invoice: Invoice, answers: Answers) -> str:
        return reissued_words(reissue_invoice(invoice=invoice, reason=answers["reason"]))


CORRECTION_VERBS = (Credit(), Void(), Reissue())


def _why_not_void(invoice: Invoice) -> str:
    """Both verbs of one page ask it: once is enough, and the services look again behind the lock."""
    known = invoice.__dict__
    if "why_not_void" not in known:
        known["why_not_void"] = why_not_void(invoice)
    return str(known["why_not_void"])


def _credit_effects(invoice: Invoice, credited: Credited) -> list[Effect]:
    after = credited.invoice
    moved = after.moved_to_balance - invoice.moved_to_balance
    booking = Booking(
        credited=after.credited - invoice.credited,
        due=after.due - invoice.due,
        written_off=after.written_off - invoice.written_off,
        refunded=after.refunded - invoice.refunded,
        moved_to_balance=moved,
        balance=moved,
        status=InvoiceStatus(after.status),
    )
    return effects_of(invoice, booking)


def _credit_notes(credited: Credited) -> list[str]:
    """Where it goes, in sentences."""
    note, currency = credited.note, credited.note.currency
    refunded = sum((refund.amount for refund in credited.refunds), ZERO)
    rest = note.moved_to_balance - refunded
    said = []
    if note.reduced_due:
        said.append(f"{money_text(note.reduced_due, currency)} comes off what is owed.")
    if refunded:
        remote = {refund.payment.app for refund in credited.refunds if refund.status == RefundStatus.PENDING}
        how = "is recorded as given back: send the money to the customer"
        if remote:
            how = f"goes back within seconds: {joined(sorted(map(str, remote)))} is asked for it"
        said.append(f"{money_text(refunded, currency)} {how}.")
    if rest:
        said.append(f"{money_text(rest, currency)} goes to the customer's balance.")
    return said


def _void_effects(invoice: Invoice) -> list[Effect]:
    applied = invoice.applied_from_balance
    booking = Booking(due=-invoice.due, from_balance=-applied, balance=applied, status=InvoiceStatus.VOIDED)
    return effects_of(invoice, booking)


def _given_back(notes: Sequence[CreditNote], *, number: bool = True) -> list[str]:
    return [
        f"{money_text(note.total, note.currency)} of earlier invoices, which it gave back, comes by "
        f"{note if number else 'credit note'}."
        for note in notes
    ]


def _reissue_sums(before: Invoice, after: Invoice) -> list[tuple[str, Any, Any, bool]]:
    rows: list[tuple[str, Decimal, Decimal]] = [
        ("Tax", before.taxes_total, after.taxes_total),
        ("Total", before.total, after.total),
        ("From the balance", before.applied_from_balance, after.applied_from_balance),
        ("Due", before.due, after.due),
    ]
    return [
        (label, money(was, before.currency), money(becomes, before.currency), was != becomes)
        for label, was, becomes in rows
        if was or becomes or label in ("Total", "Due")
    ]


def reissue_review(before: Invoice, reissued: Reissued) -> Review:
    """The page that shows an invoice, as it is `before`, beside what is to be issued instead."""
    after = reissued.replacement
    notes = _given_back(reissued.notes, number=False)
    if after.issued_at is None:
        notes.append("The new invoice begins as a draft, as the customer's settings say.")
    sums = _reissue_sums(before, after)
    context = {"before": before, "after": after, "lines": reissued.lines, "sums": sums, "notes": notes}
    context["difference"] = after.total - before.total
    lines = [(line.name, line.start, line.before, line.after) for line in reissued.lines]
    return Review("backoffice/reissue_review.html", context, seen=_short((lines, [row[1:] for row in sums])))


def reissued_words(reissued: Reissued) -> str:
    """What was done, with a warning where the charge of the new invoice did not succeed."""
    after = reissued.replacement
    worth = money_text(after.total, after.currency)
    new = f"{after} over {worth} is issued instead" if after.issued_at else f"a draft over {worth} is made instead"
    said = " ".join([f"{reissued.voided} is void; {new}.", *_given_back(reissued.notes)])
    problem = not_charged([after.pk])
    return Warned(f"{said} {problem}") if problem else said


def _short(figures: object) -> str:
    return sha256(repr(figures).encode()).hexdigest()[:16]
