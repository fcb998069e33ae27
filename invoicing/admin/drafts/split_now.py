"""Billing by hand what a customer has used in running periods: what would be billed, and what would not and why, is
shown before it is confirmed (billing rules 7)."""

from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from core import clock
from core.admin.verbs import Answers, ReasonForm, Review, Verb, Warned
from core.admin.words import counted, joined, moment_text, money_text
from customers.effective_settings import terms_of_loaded
from customers.models import Customer
from invoicing.admin.payments.charge_words import not_charged
from invoicing.choices import LineStatus
from invoicing.closing.park_customer import parked_customer
from invoicing.gathering.split_now import split_now, why_not_split_now


class SplitForm(ReasonForm):
    moment = forms.SplitDateTimeField(
        label="Bill what was used up to (UTC)",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Not in the future, and after the last split.",
    )
    field_order = ("moment", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].widget.attrs.pop("autofocus", None)

    def clean_moment(self) -> datetime:
        moment: datetime = self.cleaned_data["moment"]
        if moment > clock.now():
            raise forms.ValidationError("It lies in the future. Choose now or an earlier time.")
        return moment


class SplitNow(Verb[Customer]):
    slug = "split-now"
    label = "Split now"
    # As for invoicing what is due, which splits, too, where the customer is billed progressively.
    permission = "invoicing.invoice_now_invoice"
    form = SplitForm

    def asks(self, customer: Customer) -> str:
        return f"Up to when is the running usage of {customer} to be billed?"

    def consequences(self, customer: Customer) -> list[str]:
        return [
            "Usage is billed up to that time on an invoice of its own. The rest of the period goes on, and its tiers, "
            "free units, minimum and maximum count over all parts.",
            "Fees, and what else is due, wait for their time: “Invoice what is due” bills those.",
            "Once a part is billed, the usage discount of that line can't be changed in this period.",
        ]

    def initial(self, customer: Customer) -> dict[str, Any]:
        return {"moment": clock.now().replace(microsecond=0)}

    def shows(self, customer: Customer) -> bool:
        return customer.deleted_at is None

    def why_not(self, request: HttpRequest, customer: Customer) -> str:
        if not self.shows(customer):
            return "The customer is deleted."
        known = customer.__dict__
        # The customer's page knows both already.
        why_not = why_not_split_now(customer, known.get("shown_terms") or terms_of_loaded(customer))
        if why_not:
            return why_not
        if "parked_cause" not in known:
            parked = parked_customer(customer.pk)
            known["parked_cause"] = parked.cause if parked else None
        return f"The customer is parked: {known['parked_cause']} Release them first." if known["parked_cause"] else ""

    def review(self, request: HttpRequest, customer: Customer, answers: Answers) -> Review:
        found = split_now(customer=customer, as_of=answers["moment"], preview=True)
        documents: list[Any] = list(found.invoices)
        zones = dict(customer.subscriptions.values_list("pk", "time_zone"))
        for document in documents:
            document.parts_shown = [line for line in document.shown_lines if line.status == LineStatus.VALID]
            for line in document.parts_shown:
                line.zone = zones.get(line.subscription_id, "UTC")
        context = {"documents": documents, "whole": found.whole, "moment": answers["moment"]}
        why_not = "" if documents else "Nothing can be split at that time."
        figures = ", ".join(f"{invoice.total} {invoice.currency}" for invoice in documents)
        return Review("backoffice/split_now_review.html", context, why_not=why_not, seen=figures)

    def perform(self, request: HttpRequest, customer: Customer, answers: Answers) -> str:
        found = split_now(customer=customer, as_of=answers["moment"])
        sums = joined(money_text(invoice.total, invoice.currency) for invoice in found.invoices)
        said = (
            f"{counted(len(found.invoices), 'invoice')} made, over {sums}, for what was used up to "
            f"{moment_text(answers['moment'])} UTC."
        )
        problem = not_charged([invoice.pk for invoice in found.invoices])
        return Warned(f"{said} {problem}") if problem else said
