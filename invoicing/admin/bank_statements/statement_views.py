"""The pages of a bank statement besides its own: importing it, deciding on a row, booking and leaving out."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from core.admin.display import admin_url, money
from core.admin.refusals import explain
from core.admin.verb_pages import VerbAdmin
from core.admin.verbs import Effect, OptionalReasonForm
from core.admin.words import amount_text, counted
from core.audit.actors import current_actor
from core.audit.reasons import because
from core.errors import BillingError
from core.money import ZERO
from invoicing.admin.bank_statements.statement_forms import FOUND_PER_PAGE, ImportForm, RowForm, invoice_words
from invoicing.admin.bank_statements.statement_search import payable_by, search_payable
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.plan_bookings import PlannedBooking, plan_bookings, totals_of
from invoicing.bank_statements.read_csv import OPTIONAL, REQUIRED
from invoicing.bank_statements.review_statement import confirm_statement, decide_row
from invoicing.choices import RowDecision, StatementStatus
from invoicing.models import BankStatement, BankStatementRow

IMPORT = "invoicing.add_bankstatement"
DECIDE = "invoicing.change_bankstatement"
BOOK = "invoicing.confirm_bankstatement"
MAX_AT_ONCE = 300
ROWS_PER_PAGE = 100
SAMPLE = 20
EXAMPLE = (
    "date,amount,currency,reference,payer,transaction_id\n2026-03-18,1250.00,EUR,INV-000042 thank you,Acme Ltd,TX-9001"
)


_DECIDED = {
    RowDecision.BOOK: "is to be booked",
    RowDecision.SKIP: "is left out",
    RowDecision.OPEN: "is to be decided later",
}


class StatementViews(VerbAdmin):
    """What the statement's admin does beyond lists and pages. Only a POST changes anything."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        row = "<uuid:statement_id>/rows/<uuid:row_id>/"
        return [
            path("import/", wrap(self.import_view), name=f"{name}_import"),
            path("<uuid:statement_id>/book/", wrap(self.book_view), name=f"{name}_book"),
            path("<uuid:statement_id>/leave-out/", wrap(self.leave_out_view), name=f"{name}_leave_out"),
            path(row, wrap(self.row_view), name=f"{name}_row"),
            path(f"{row}invoices/", wrap(self.invoices_view), name=f"{name}_invoices"),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Takes a file; what can't be read is said on the same page, and nothing is kept of it."""
        _require(request, IMPORT)
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                statement = import_statement(
                    app=form.cleaned_data["app"],
                    file_name=file.name,
                    content=file.read(),
                    imported_by=current_actor().label,
                )
            except BillingError as error:
                form.add_error("file", explain(error))
            else:
                rows = statement.rows.count()
                messages.success(request, f"{counted(rows, 'row')} of {statement} are there to be reviewed.")
                return HttpResponseRedirect(admin_url(statement))
        context = {
            "title": "Import a bank statement",
            "form": form,
            "required": REQUIRED,
            "optional": OPTIONAL,
            "example": EXAMPLE,
            "back": self._list_url(),
        }
        return self._page(request, "backoffice/statement_import.html", context)

    def row_view(self, request: HttpRequest, statement_id: uuid.UUID, row_id: uuid.UUID) -> HttpResponse:
        """Asks what is to happen with one row, and shows what booking it would do to the invoice."""
        _require(request, DECIDE)
        row = _row(statement_id, row_id)
        back = _to_row(row)
        refusal = _why_not_decide(row)
        if refusal:
            messages.error(request, refusal)
            return HttpResponseRedirect(back)
        if "effects" in request.GET:
            form = RowForm(request.GET, row=row, invoices=payable_by(row))
            form.full_clean()
            return TemplateResponse(request, "admin/verb_effects.html", {"effects": _effects(row, form.cleaned_data)})
        form = RowForm(request.POST or None, row=row, invoices=payable_by(row))
        if request.method == "POST" and form.is_valid():
            decision = RowDecision(form.cleaned_data["decision"])
            try:
                decide_row(
                    row=row,
                    decision=decision,
                    invoice=form.cleaned_data["invoice"],
                    reason=form.cleaned_data.get("reason", ""),
                )
            except BillingError as error:
                form.add_error(None, explain(error))
            else:
                messages.success(request, f"Row {row.position} {_DECIDED[decision]}. Nothing is booked yet.")
                return HttpResponseRedirect(back)
        answers = form.cleaned_data if form.is_bound else {"invoice": row.invoice, "decision": RowDecision.BOOK}
        context = {
            "title": f"Row {row.position} of {row.statement}",
            "row": row,
            "form": form,
            "effects": _effects(row, answers),
            "back": back,
        }
        return self._page(request, "backoffice/statement_row.html", context)

    def invoices_view(self, request: HttpRequest, statement_id: uuid.UUID, row_id: uuid.UUID) -> HttpResponse:
        """The invoices that the row could pay, for the search field on its page."""
        _require(request, DECIDE)
        _require(request, "invoicing.view_invoice")
        page = int(request.GET.get("page", "")) if request.GET.get("page", "").isdigit() else 1
        start = max(0, min(page, 50) - 1) * FOUND_PER_PAGE
        found = list(
            search_payable(_row(statement_id, row_id), request.GET.get("term", ""))[start : start + FOUND_PER_PAGE + 1]
        )
        shown = [{"id": str(invoice.pk), "text": invoice_words(invoice)} for invoice in found[:FOUND_PER_PAGE]]
        return JsonResponse({"results": shown, "pagination": {"more": len(found) > FOUND_PER_PAGE}})

    def book_view(self, request: HttpRequest, statement_id: uuid.UUID) -> HttpResponse:
        """Asks before it books: how many, how much, and where it goes; then the result of each row."""
        _require(request, BOOK)
        statement = _statement(statement_id)
        if statement.status != StatementStatus.REVIEW:
            messages.error(request, f"{statement} is not under review: {statement.get_status_display().lower()}.")
            return HttpResponseRedirect(admin_url(statement))
        rows, more = _chosen(request, statement)
        if not rows:
            messages.error(request, "Choose rows to book first, or decide on them one by one. Nothing was booked.")
            return HttpResponseRedirect(admin_url(statement))
        planned = plan_bookings(rows)
        ready = [booking for booking in planned if not booking.problem]
        form = OptionalReasonForm(request.POST if "confirmed" in request.POST else None)
        form.fields["reason"].widget.attrs.pop("autofocus")  # the sums above it are to be read first
        if request.method == "POST" and "confirmed" in request.POST and form.is_valid() and ready:
            with because(form.cleaned_data["reason"]):
                results = _book(statement, ready)
            context = {
                "title": f"Book {statement}: result",
                "statement": statement,
                "results": results,
                "done": sum(1 for row, _ in results if row.payment_id is not None),
                "left": statement.rows.filter(payment=None).exclude(decision=RowDecision.SKIP).count(),
                "back": admin_url(statement),
            }
            return self._page(request, "backoffice/statement_result.html", context)
        context = {
            "title": f"Book {statement}",
            "statement": statement,
            "form": form,
            "rows": rows,
            "ready": ready,
            "sample": ready[:SAMPLE],
            "beyond": max(0, len(ready) - SAMPLE),
            "refused": [booking for booking in planned if booking.problem],
            "totals": totals_of(planned),
            "more": more,
            "back": admin_url(statement),
        }
        return self._page(request, "backoffice/statement_book.html", context)

    def leave_out_view(self, request: HttpRequest, statement_id: uuid.UUID) -> HttpResponse:
        """Leaves the chosen rows out. It moves no money and can be taken back row by row."""
        _require(request, DECIDE)
        statement = _statement(statement_id)
        done = 0
        if request.method == "POST":
            rows, _ = _chosen(request, statement)
            for row in rows:
                try:
                    decide_row(row=row, decision=RowDecision.SKIP)
                    done += 1
                except BillingError as error:
                    messages.error(request, f"Row {row.position}: {explain(error)}")
            if done:
                messages.success(request, f"{counted(done, 'row')} left out. Nothing is booked.")
            elif not rows:
                messages.error(request, "Choose rows to leave out first. Nothing was changed.")
        return HttpResponseRedirect(admin_url(statement))


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _statement(statement_id: uuid.UUID) -> BankStatement:
    found = BankStatement.objects.select_related("app").filter(pk=statement_id).first()
    if found is None:
        raise Http404
    return found


def _row(statement_id: uuid.UUID, row_id: uuid.UUID) -> BankStatementRow:
    rows = BankStatementRow.objects.select_related("statement__app", "invoice__customer")
    found = rows.filter(pk=row_id, statement=statement_id).first()
    if found is None:
        raise Http404
    return found


def _why_not_decide(row: BankStatementRow) -> str:
    if row.payment_id is not None:
        return f"Row {row.position} is booked already."
    if row.statement.status != StatementStatus.REVIEW:
        return f"{row.statement} is not under review: {row.statement.get_status_display().lower()}."
    return ""


def _to_row(row: BankStatementRow) -> str:
    """The statement's page, at the row."""
    before = row.statement.rows.filter(position__lt=row.position).count()
    return f"{admin_url(row.statement)}?p={before // ROWS_PER_PAGE + 1}#row-{row.position}"


def _chosen(request: HttpRequest, statement: BankStatement) -> tuple[list[BankStatementRow], bool]:
    """The rows that were ticked, else those marked to be booked; and whether there are more than are taken at once."""
    rows = statement.rows.select_related("invoice__customer", "statement").order_by("position")
    ticked = []
    for text in request.POST.getlist("row"):
        try:
            ticked.append(uuid.UUID(text))
        except ValueError:
            raise Http404 from None
    if request.method == "POST":
        return list(rows.filter(pk__in=ticked[:MAX_AT_ONCE])), len(ticked) > MAX_AT_ONCE
    marked = list(rows.filter(decision=RowDecision.BOOK, payment__isnull=True)[: MAX_AT_ONCE + 1])
    return marked[:MAX_AT_ONCE], len(marked) > MAX_AT_ONCE


def _book(statement: BankStatement, ready: list[PlannedBooking]) -> list[tuple[BankStatementRow, str]]:
    """Decide and book; then each row with what came of it. A row that fails leaves the others alone."""
    causes: dict[uuid.UUID, str] = {}
    for booking in ready:
        if booking.row.decision != RowDecision.BOOK:
            try:
                decide_row(row=booking.row, decision=RowDecision.BOOK)
            except BillingError as error:
                causes[booking.row.pk] = explain(error)
    try:
        confirm_statement(statement=statement, only=[booking.row.pk for booking in ready])
    except BillingError as error:
        causes |= {booking.row.pk: explain(error) for booking in ready}
    rows = statement.rows.select_related("invoice__customer", "payment").order_by("position")
    after = rows.filter(pk__in=[booking.row.pk for booking in ready])
    return [(row, causes.get(row.pk) or _came_of(row)) for row in after]


def _came_of(row: BankStatementRow) -> str:
    if row.payment is None or row.invoice is None:
        return row.note
    owed = row.invoice.due
    left = f"{amount_text(owed, row.currency)} {row.currency} is still due" if owed else "nothing is due any more"
    extra = row.payment.to_balance
    to_balance = f"; {amount_text(extra, row.currency)} {row.currency} went to the balance" if extra else ""
    return f"{row.invoice}: {left}{to_balance}."


def _effects(row: BankStatementRow, answers: dict[str, Any]) -> list[Effect]:
    """What booking the row would do to the invoice that is chosen; nothing where none is to be booked."""
    invoice = answers.get("invoice")
    if invoice is None or answers.get("decision") != RowDecision.BOOK:
        return []
    row.invoice = invoice
    [planned] = plan_bookings([row])
    if planned.problem:
        return []
    currency = row.currency
    effects = [
        Effect(f"Due on {invoice}", money(invoice.due, currency), money(planned.still_due, currency)),
        Effect("Paid", money(invoice.paid, currency), money(invoice.paid + row.amount, currency)),
    ]
    if planned.to_balance:
        label = f"To the balance of {invoice.customer}"
        effects.append(Effect(label, money(ZERO, currency), money(planned.to_balance, currency)))
    return effects
