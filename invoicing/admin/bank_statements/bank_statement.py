"""Bank statements in the admin: the list, and the page on which their rows are reviewed."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, badge, moment, number
from core.admin.filters import ChoiceFilter
from core.admin.paginator import CappedPaginator
from core.admin.registry import page_of
from core.admin.verbs import Answers, Button, Verb
from core.admin.words import counted
from invoicing.admin.bank_statements.statement_views import BOOK, DECIDE, IMPORT, ROWS_PER_PAGE, StatementViews
from invoicing.bank_statements.review_statement import discard_statement
from invoicing.choices import MatchStatus, RowDecision, StatementStatus
from invoicing.models import BankStatement, BankStatementRow

STATEMENT_TONES = {
    StatementStatus.REVIEW: "amber",
    StatementStatus.CONFIRMED: "green",
    StatementStatus.DISCARDED: "grey",
}
MATCH_TONES = {
    MatchStatus.EXACT: "green",
    MatchStatus.PARTIAL: "amber",
    MatchStatus.OVER: "amber",
    MatchStatus.AMOUNT_ONLY: "amber",
    MatchStatus.AMBIGUOUS: "amber",
    MatchStatus.NOT_OPEN: "amber",
    MatchStatus.UNMATCHED: "red",
    MatchStatus.DUPLICATE: "grey",
    MatchStatus.OUTGOING: "grey",
}
DECISION_TONES = {RowDecision.OPEN: "amber", RowDecision.BOOK: "blue", RowDecision.SKIP: "grey"}
BOOKED = Q(payment__isnull=False)
SHOWN = {
    "open": ("To decide", Q(decision=RowDecision.OPEN, payment__isnull=True)),
    "book": ("To book", Q(decision=RowDecision.BOOK, payment__isnull=True)),
    "booked": ("Booked", BOOKED),
    "skip": ("Left out", Q(decision=RowDecision.SKIP, payment__isnull=True)),
}


class StatementState(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    default_label = "All"
    choices_of = tuple((status.value, status.label) for status in StatementStatus)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset


class Discard(Verb[BankStatement]):
    slug = "discard"
    label = "Discard"
    permission = "invoicing.delete_bankstatement"
    tone = "danger"

    def asks(self, statement: BankStatement) -> str:
        return f"Is {statement} to be put away without booking any of it?"

    def consequences(self, statement: BankStatement) -> list[str]:
        return ["Its rows stay to be read. The same file can be imported again afterwards."]

    def why_not(self, request: HttpRequest, statement: BankStatement) -> str:
        if statement.status != StatementStatus.REVIEW:
            return f"It is not under review: {statement.get_status_display().lower()}."
        return "Rows of it are booked already." if statement.rows.filter(BOOKED).exists() else ""

    def perform(self, request: HttpRequest, statement: BankStatement, answers: Answers) -> str:
        discard_statement(statement=statement, reason=answers["reason"])
        return f"{statement} is put away. The file can be imported again."


@page_of(BankStatement)
class BankStatementAdmin(StatementViews, ReadOnlyAdmin):
    list_display = ("file", "state", "app", "row_count", "open_count", "booked_count", "imported", "by")
    list_filter = (StatementState, "app")
    list_select_related = ("app",)
    search_prefix = ("file_name",)
    search_help_text = "The start of the file's name."
    sortable_by = ()
    change_list_template = "backoffice/statement_list.html"
    page_template = "backoffice/statement.html"
    verbs = (Discard(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankStatement]:
        return super().get_queryset(request).select_related("app")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        statements = list(changes.result_list)
        counts = _counts(statements)
        for statement in statements:
            statement.counts = counts.get(statement.pk, {})
        changes.result_list = statements
        return changes

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_import = request.user.has_perm(IMPORT)
        return super().changelist_view(request, {"may_import": may_import, **(extra_context or {})})

    @display(description="File")
    def file(self, statement: BankStatement) -> str:
        return statement.file_name

    @display(description="State")
    def state(self, statement: BankStatement) -> SafeString:
        return badge(statement.get_status_display(), STATEMENT_TONES[StatementStatus(statement.status)])

    @display(description="Rows")
    def row_count(self, statement: Any) -> SafeString:
        return number(statement.counts.get("all", 0))

    @display(description="To decide")
    def open_count(self, statement: Any) -> SafeString:
        return number(statement.counts.get("open", 0))

    @display(description="Booked")
    def booked_count(self, statement: Any) -> SafeString:
        return number(statement.counts.get("booked", 0))

    @display(description="Imported")
    def imported(self, statement: BankStatement) -> SafeString:
        return moment(statement.created_at)

    @display(description="By")
    def by(self, statement: BankStatement) -> SafeString | str:
        return statement.imported_by or EMPTY

    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        buttons = super().buttons(request, obj)
        if not request.user.has_perm(BOOK):
            return buttons
        ready = _counts([obj]).get(obj.pk, {}).get("book", 0)
        why_not = "" if ready else "No row is marked to be booked."
        if obj.status != StatementStatus.REVIEW:
            why_not = f"It is not under review: {obj.get_status_display().lower()}."
        label = f"Book {counted(ready, 'row')}" if ready else "Book"
        url = reverse("admin:invoicing_bankstatement_book", args=[obj.pk])
        return [Button(label, url, why_not, "primary"), *buttons]

    def page_context(self, request: HttpRequest, obj: BankStatement) -> dict[str, Any]:
        shown = request.GET.get("show", "")
        rows: Any = obj.rows.select_related("invoice__customer", "payment").order_by("position")
        if shown in SHOWN:
            rows = rows.filter(SHOWN[shown][1])
        page = CappedPaginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("p"))
        under_review = obj.status == StatementStatus.REVIEW
        for row in page.object_list:
            row.match_badge = badge(row.match_label, MATCH_TONES[MatchStatus(row.match)])
            row.state_badge = _state(row)
            row.can_change = under_review and row.payment_id is None and row.amount > 0
        counts = _counts([obj]).get(obj.pk, {})
        return {
            "statement": obj,
            "state": self.state(obj),
            "page": page,
            "filters": f"show={shown}" if shown in SHOWN else "",
            "shown": shown,
            "counts": [(key, label, counts.get(key, 0)) for key, (label, _) in SHOWN.items()],
            "all_count": counts.get("all", 0),
            "may_book": under_review and request.user.has_perm(BOOK),
            "may_decide": under_review and request.user.has_perm(DECIDE),
            "timeline": self.timeline(obj),
        }


def _state(row: BankStatementRow) -> SafeString:
    if row.payment_id is not None:
        return badge("Booked", "green")
    decision = RowDecision(row.decision)
    return badge(
        {RowDecision.BOOK: "To book", RowDecision.SKIP: "Left out"}.get(decision, decision.label),
        DECISION_TONES[decision],
    )


def _counts(statements: list[Any]) -> dict[Any, dict[str, int]]:
    """How many rows of each statement stand how; one query for all."""
    rows: Any = (
        BankStatementRow.objects.filter(statement__in=[statement.pk for statement in statements])
        .order_by()
        .values("statement")
        .annotate(all=Count("pk"), **{key: Count("pk", filter=condition) for key, (_, condition) in SHOWN.items()})
    )
    return {row["statement"]: row for row in rows}
