"""`/customers/{idOrKey}/preview-invoices`: what would be billed, without billing it."""

from datetime import timedelta

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import field_error
from core.rest.fields import CurrencyField, DecimalStringField, TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.models import Customer
from customers.selectors import living_customer
from invoicing.api.lifecycle.line_serializers import TotalsSerializer
from invoicing.api.period_field import BilledPeriodField
from invoicing.previews.outlook import CREDIT_NOTE, INVOICE
from invoicing.previews.preview_customers import preview_close

FURTHEST = timedelta(days=400)


class PreviewQuerySerializer(WireSerializer):
    until = TimeField(required=False)


class PreviewLineSerializer(WireSerializer):
    """`id` is that of the gathering line, which the billed line keeps; on a credit note, that of the line of which
    something comes back."""

    id = ULIDField()
    subscription_id = ULIDField()
    running_number = serializers.IntegerField()
    name = TextField()
    period = BilledPeriodField()
    invoice_at = TimeField()
    quantity = DecimalStringField()
    totals = TotalsSerializer()


class PreviewInvoiceSerializer(WireSerializer):
    """An invoice, or (`type`) a credit note over the invoice with the number `over`: what it gives back is positive."""

    type = serializers.ChoiceField(choices=[INVOICE, CREDIT_NOTE])
    over = TextField(required=False)
    customer_id = ULIDField()
    currency = CurrencyField()
    totals = TotalsSerializer()
    lines = PreviewLineSerializer(many=True)


class PreviewViewSet(WireViewSet):
    """The same computation as one close as of `until` (by default now), with the usage known so far: the invoices and
    credit notes that it would make."""

    required_scopes = {"GET": "billing:read"}
    serializer_class = PreviewInvoiceSerializer
    pagination_class = None
    queryset = Customer.objects.none()
    lookup_url_kwarg = "customerIdOrKey"

    @extend_schema(
        operation_id="previewInvoices",
        parameters=[PreviewQuerySerializer],
        responses=PreviewInvoiceSerializer(many=True),
        filters=False,
    )
    def list(self, request: Request, **kwargs: str) -> Response:
        customer = living_customer(self.addressed)
        now = clock.now()
        until = self.read_query(PreviewQuerySerializer).get("until", now)
        if until > now + FURTHEST:
            raise field_error("until", "too_far_away", f"A preview reaches {FURTHEST.days} days ahead at most.")
        previewed = preview_close(customer_id=customer.id, until=until)
        documents = [*previewed.invoices, *previewed.credit_notes]
        return Response(PreviewInvoiceSerializer(documents, many=True).data)
