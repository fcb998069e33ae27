"""`/credit-notes`: what was given back over issued invoices; and crediting one, whole or by line and amount."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.fields import (
    CurrencyField,
    DecimalStringField,
    MoneyField,
    ObjectField,
    TextField,
    TimeField,
    ULIDField,
)
from core.rest.filters import AnyIdFilter, WireFilterSet
from core.rest.lookups import find, missing
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from invoicing.api.period_field import BilledPeriodField
from invoicing.choices import CreditReason
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.models import CreditNote, Invoice
from invoicing.rating import read_explanation, readable

REFUND_TO = ("balance", "payment_method")


class LineCreditSerializer(WireSerializer):
    """`amount` is net, at the tax treatment of the line."""

    line_id = ULIDField()
    amount = DecimalStringField()


class CreditInputSerializer(WireSerializer):
    """Without `lines`, all that is left on the invoice is credited. What is due is lowered first; `refundTo` says where
    the rest goes."""

    invoice_id = ULIDField()
    lines = serializers.ListField(child=LineCreditSerializer(), required=False, max_length=1000)
    refund_to = serializers.ChoiceField(choices=REFUND_TO, required=False, default="balance")
    reason = TextField(max_length=1024)


class CreditNoteLineSerializer(WireSerializer):
    """What comes back of one invoice line, at that line's tax. `explain` is the explanation that `amount` can be
    computed again from, `readable` says it in sentences."""

    id = ULIDField()
    line_id = ULIDField(source="invoice_line_id")
    name = TextField()
    period = BilledPeriodField()
    amount = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()
    explain = ObjectField(required=False)
    readable = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=TextField(), required=False))
    def get_readable(self, line: Any) -> list[str] | None:
        return None if line.explain is None else readable(read_explanation(line.explain))


class CreditNoteTotalsSerializer(WireSerializer):
    amount = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()


class CreditNoteSerializer(WireSerializer):
    """`reducedDue` of the total came off what was still due on the invoice, or written off there. `movedToBalance` went
    to the balance; what of it was refunded then is in the `amounts` of the invoice."""

    id = ULIDField()
    number = TextField()
    invoice_id = ULIDField()
    customer_id = ULIDField()
    currency = CurrencyField()
    issued_at = TimeField()
    reason_code = serializers.ChoiceField(choices=CreditReason.values)
    reason = TextField(required=False)
    totals = CreditNoteTotalsSerializer(source="*")
    reduced_due = MoneyField()
    moved_to_balance = MoneyField()
    lines = CreditNoteLineSerializer(source="lines.all", many=True)


class CreditNoteFilterSet(WireFilterSet):
    invoices = AnyIdFilter(field_name="invoice_id")
    customers = AnyIdFilter(field_name="customer_id")


class CreditNoteViewSet(WireViewSet):
    """The newest first."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    serializer_class = CreditNoteSerializer
    filterset_class = CreditNoteFilterSet
    order_by_fields = {"issuedAt": "issued_at"}
    default_order = "DESC"
    lookup_url_kwarg = "creditNoteId"

    def get_queryset(self) -> QuerySet[CreditNote]:
        return CreditNote.objects.prefetch_related("lines")

    @extend_schema(operation_id="listCreditNotes")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="getCreditNote")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="credit note"))

    @extend_schema(
        operation_id="createCreditNote", request=CreditInputSerializer, responses={201: CreditNoteSerializer}
    )
    def create(self, request: Request) -> Response:
        """Issue a credit note over an issued invoice. It opens no billed period; see `/billing/invoices/{id}/void`."""
        body = self.read_body(CreditInputSerializer)
        invoice = Invoice.objects.filter(pk=body["invoice_id"]).first()
        if invoice is None:
            raise missing("invoice", body["invoice_id"])
        credited = credit_invoice(
            invoice=invoice,
            lines=[LineCredit(**line) for line in body["lines"]] if "lines" in body else None,
            refund=body["refund_to"] == "payment_method",
            reason=body["reason"],
        )
        return self.show(self.get_queryset().get(pk=credited.note.pk), status=status.HTTP_201_CREATED)
