"""`/billing/customers/{id}/invoices/pending-lines`: charges by hand, which wait on the gathering invoice."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.ids import to_text
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.selectors import find_customer
from invoicing.api.lifecycle.invoice_inputs import ChargesSerializer, charge_of
from invoicing.api.lifecycle.invoice_serializers import InvoiceSerializer
from invoicing.api.lifecycle.line_serializers import LineSerializer
from invoicing.gathering.add_charges import add_charges
from invoicing.gathering.live_totals import show_live
from invoicing.lifecycle.selectors import invoices_for_display


class AddedChargesSerializer(WireSerializer):
    lines = LineSerializer(many=True)
    invoice = InvoiceSerializer()
    is_invoice_new = serializers.BooleanField()


class PendingLineViewSet(WireViewSet):
    """Charges that are due at their `invoiceAt`: billed by the next close after it, or at once by
    `/billing/invoices/invoice`."""

    required_scopes = {"POST": "billing:write"}
    serializer_class = AddedChargesSerializer
    lookup_url_kwarg = "customerId"

    @extend_schema(
        operation_id="createPendingInvoiceLine", request=ChargesSerializer, responses={201: AddedChargesSerializer}
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        customer = find_customer(self.addressed)
        body = self.read_body(ChargesSerializer)
        added = add_charges(
            customer=customer, currency=body["currency"], charges=[charge_of(line) for line in body["lines"]]
        )
        invoice = invoices_for_display(lines=True).get(pk=added.invoice.pk)
        show_live([invoice])
        shown = InvoiceSerializer(invoice, context={**self.get_serializer_context(), "lines": True}).data
        ids = {to_text(line.pk) for line in added.lines}
        lines = [line for line in shown["lines"] if line["id"] in ids]
        return Response(
            {"lines": lines, "invoice": shown, "isInvoiceNew": added.is_new}, status=status.HTTP_201_CREATED
        )
