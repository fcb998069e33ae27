"""`/bank-statements`: import what the bank says, review the matches, book them as payments."""

import uuid

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.audit.actors import current_actor
from core.errors import field_error
from core.rest.fields import CurrencyField, MoneyField, TextField, TimeField, ULIDField
from core.rest.filters import WireFilterSet
from core.rest.lookups import find, missing
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.models import BillingApp
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.read_csv import MAX_ROWS
from invoicing.bank_statements.review_statement import confirm_statement, decide_row, discard_statement
from invoicing.choices import MatchStatus, RowDecision, StatementStatus
from invoicing.models import BankStatement, BankStatementRow, Invoice

# A row of a bank is a few hundred characters long.
MAX_CHARACTERS = MAX_ROWS * 400


class StatementInputSerializer(WireSerializer):
    """`content` is the CSV itself: a header with date, amount, currency, reference and, if known, payer and
    transaction_id; dates as 2026-03-17, amounts as 1234.56."""

    app_id = ULIDField()
    file_name = TextField(max_length=255)
    content = TextField(trim_whitespace=False, max_length=MAX_CHARACTERS)


class StatementSerializer(WireSerializer):
    id = ULIDField()
    app_id = ULIDField()
    file_name = TextField()
    status = serializers.ChoiceField(choices=StatementStatus.values)
    imported_by = TextField(required=False)
    created_at = TimeField()
    closed_at = TimeField(required=False)


class StatementRowSerializer(WireSerializer):
    """`match` is what the import found, `decision` what is to happen; `paymentId` is there once the row is booked.
    `note` says why a row was not matched, or not booked."""

    id = ULIDField()
    position = serializers.IntegerField()
    booked_on = serializers.DateField()
    amount = MoneyField()
    currency = CurrencyField()
    reference = TextField()
    payer = TextField(required=False)
    transaction_id = TextField(required=False)
    match = serializers.ChoiceField(choices=MatchStatus.values)
    note = TextField(required=False)
    decision = serializers.ChoiceField(choices=RowDecision.values)
    invoice_id = ULIDField(required=False)
    payment_id = ULIDField(required=False)


class DecisionSerializer(WireSerializer):
    """`invoiceId`: what the row is to be booked on, where it is not the invoice that was found. `reason`: why a row
    whose match is `duplicate` is another payment; without it such a row can't be booked."""

    shown_only = frozenset(
        {"position", "bookedOn", "amount", "currency", "reference", "payer", "transactionId", "match", "note"}
        | {"paymentId"}
    )

    decision = serializers.ChoiceField(choices=RowDecision.values)
    invoice_id = ULIDField(required=False)
    reason = TextField(required=False, max_length=1000)


class BookingSerializer(WireSerializer):
    """`rowIds`: book these of the rows that are to be booked; left out: all."""

    row_ids = serializers.ListField(child=ULIDField(), required=False, allow_empty=False, max_length=MAX_ROWS)


class DiscardSerializer(WireSerializer):
    reason = TextField(max_length=1000)


class StatementFilterSet(WireFilterSet):
    status = django_filters.MultipleChoiceFilter(choices=StatementStatus.choices)


class StatementRowFilterSet(WireFilterSet):
    match = django_filters.MultipleChoiceFilter(choices=MatchStatus.choices)
    decision = django_filters.MultipleChoiceFilter(choices=RowDecision.choices)


class BankStatementViewSet(WireViewSet):
    """The newest first. Nothing is booked before it is confirmed, no file twice, and no movement twice
    unless somebody says so."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write", "PUT": "billing:write"}
    serializer_class = StatementSerializer
    filterset_class = StatementFilterSet
    lookup_url_kwarg = "statementId"

    def get_queryset(self) -> QuerySet[BankStatement]:
        return BankStatement.objects.order_by("-created_at", "-id")

    @property
    def statement(self) -> BankStatement:
        return find(BankStatement.objects.all(), self.kwargs["statementId"], what="bank statement")

    @extend_schema(operation_id="listBankStatements")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="getBankStatement")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.statement)

    @extend_schema(
        operation_id="importBankStatement", request=StatementInputSerializer, responses={201: StatementSerializer}
    )
    def create(self, request: Request) -> Response:
        body = self.read_body(StatementInputSerializer)
        app = BillingApp.objects.filter(pk=body["app_id"], deleted_at=None).first()
        if app is None:
            raise field_error("appId", "unknown_app", "There is no such app. Nothing was imported.")
        statement = import_statement(
            app=app,
            file_name=body["file_name"],
            content=body["content"].encode(),
            imported_by=current_actor().label,
        )
        return self.show(statement, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="listBankStatementRows", responses=StatementRowSerializer(many=True))
    @action(detail=True, filterset_class=StatementRowFilterSet)
    def rows(self, request: Request, **kwargs: str) -> Response:
        rows = self.statement.rows.order_by("position")
        return self.show_page(self.filter_queryset(rows), StatementRowSerializer)

    @extend_schema(operation_id="decideBankStatementRow", request=DecisionSerializer, responses=StatementRowSerializer)
    @action(detail=True, methods=["put"], url_path="rows/(?P<rowId>[^/]+)")
    def row(self, request: Request, **kwargs: str) -> Response:
        body = self.read_body(DecisionSerializer)
        found = find(BankStatementRow.objects.filter(statement=self.statement), kwargs["rowId"], what="row")
        decided = decide_row(
            row=found,
            decision=body["decision"],
            invoice=_invoice(body.get("invoice_id")),
            reason=body.get("reason", ""),
        )
        return self.show(decided, StatementRowSerializer)

    @extend_schema(operation_id="confirmBankStatement", request=BookingSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, **kwargs: str) -> Response:
        return self.show(
            confirm_statement(statement=self.statement, only=self.read_body(BookingSerializer).get("row_ids"))
        )

    @extend_schema(operation_id="discardBankStatement", request=DiscardSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, **kwargs: str) -> Response:
        reason = self.read_body(DiscardSerializer)["reason"]
        return self.show(discard_statement(statement=self.statement, reason=reason))


def _invoice(invoice_id: uuid.UUID | None) -> Invoice | None:
    if invoice_id is None:
        return None
    invoice = Invoice.objects.filter(pk=invoice_id).first()
    if invoice is None:
        raise missing("invoice", invoice_id)
    return invoice
