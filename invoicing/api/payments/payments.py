"""`/payments`: what was collected, received, declined; and recording what a customer has paid by themselves."""

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.fields import CurrencyField, DecimalStringField, MoneyField, TextField, TimeField, ULIDField
from core.rest.filters import AnyIdFilter, TimeFilter, WireFilterSet
from core.rest.lookups import find, missing
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from invoicing.choices import PaymentStatus
from invoicing.models import Invoice, Payment
from invoicing.payments.receipts import LONGEST_REFERENCE
from invoicing.payments.record_payment import record_payment


class PaymentInputSerializer(WireSerializer):
    """`currency` is the invoice's: it is asked for so that a mix-up is noticed. A payment of the same amount, day and
    reference as one that is recorded for the invoice is a 409, unless `another` says that it is another one."""

    invoice_id = ULIDField()
    amount = DecimalStringField(zero=False, negative=False)
    currency = CurrencyField()
    received_at = TimeField()
    reference = TextField(required=False, allow_blank=True, max_length=LONGEST_REFERENCE)
    another = serializers.BooleanField(required=False)


class PaymentRecordSerializer(WireSerializer):
    """`toBalance` of the amount was more than the invoice owed. `attempt` counts automatic charges only."""

    id = ULIDField()
    invoice_id = ULIDField()
    app_id = ULIDField()
    amount = MoneyField()
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=PaymentStatus.values)
    to_balance = MoneyField()
    attempt = serializers.IntegerField(required=False)
    external_id = TextField(required=False)
    reference = TextField(required=False)
    received_at = TimeField(required=False)
    failure_code = TextField(required=False)
    failure_message = TextField(required=False)
    created_at = TimeField()


class PaymentFilterSet(WireFilterSet):
    invoices = AnyIdFilter(field_name="invoice_id")
    customers = AnyIdFilter(field_name="invoice__customer_id")
    status = django_filters.MultipleChoiceFilter(choices=PaymentStatus.choices)
    receivedAfter = TimeFilter(field_name="received_at", lookup_expr="gte")
    receivedBefore = TimeFilter(field_name="received_at", lookup_expr="lte")


class PaymentViewSet(WireViewSet):
    """The newest first. What is too much for the invoice goes to the customer's balance."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    serializer_class = PaymentRecordSerializer
    filterset_class = PaymentFilterSet
    lookup_url_kwarg = "paymentId"

    def get_queryset(self) -> QuerySet[Payment]:
        return Payment.objects.order_by("-created_at", "-id")

    @extend_schema(operation_id="listPayments")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="getPayment")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="payment"))

    @extend_schema(
        operation_id="recordPayment", request=PaymentInputSerializer, responses={201: PaymentRecordSerializer}
    )
    def create(self, request: Request) -> Response:
        body = self.read_body(PaymentInputSerializer)
        invoice = Invoice.objects.filter(pk=body["invoice_id"]).first()
        if invoice is None:
            raise missing("invoice", body["invoice_id"])
        if body["currency"] != invoice.currency:
            raise ValidationError({"currency": [f"The invoice is in {invoice.currency}."]})
        payment = record_payment(
            invoice=invoice,
            amount=body["amount"],
            received_at=body["received_at"],
            reference=body.get("reference", ""),
            unless_alike=not body.get("another", False),
        )
        return self.show(payment, status=status.HTTP_201_CREATED)
