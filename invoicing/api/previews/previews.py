"""`/customers/{idOrKey}/preview-invoices`: what will be billed, without billing it."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import BillingError
from core.rest.fields import DecimalStringField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.models import Customer
from customers.selectors import find_customer
from invoicing.api.lifecycle.line_serializers import TotalsSerializer
from invoicing.api.previews.outlook_serializers import (
    BalanceMovementSerializer,
    OutlookDocumentSerializer,
    OutlookLineSerializer,
)
from invoicing.errors import CannotBill
from invoicing.previews.outlook import Outlook
from invoicing.previews.preview_customers import preview_customer


class PreviewQuerySerializer(WireSerializer):
    until = TimeField(required=False)


class PreviewLineSerializer(OutlookLineSerializer):
    """`id` is that of the gathering line, where one waits already, which the billed line keeps; on a credit note, that
    of the line of which something comes back."""

    id = ULIDField()
    invoice_at = TimeField()
    quantity = DecimalStringField()
    totals = TotalsSerializer()


class PreviewInvoiceSerializer(OutlookDocumentSerializer):
    """An invoice or a credit note, in order of time. `balanceMovements` are those that it brings about.

    `gatheredFrom`: from then on, up to `until`, there are so many bills that they are shown as one, of which this
    document is. Of a draft that waits already, all of it is shown as it will be.
    """

    customer_id = ULIDField()
    totals = TotalsSerializer(source="line_totals")
    lines = PreviewLineSerializer(many=True)
    balance_movements = BalanceMovementSerializer(many=True, source="movements")
    gathered_from = TimeField(required=False)


class PreviewViewSet(WireViewSet):
    """All invoices, credit notes and balance movements that follow up to `until` (by default now): each close and each
    step of a draft at its time, with the usage known so far; automatic charges are taken to succeed.

    Where `until` is not to come: what a close up to then, and the steps of drafts, would make now. 412 where billing
    stops by then, and for a parked customer, with the cause; `extensions.documents` are then what follows all the same:
    what is billed before that, and drafts, which go on.
    """

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
        customer = find_customer(self.addressed)
        now = clock.now()
        until = self.read_query(PreviewQuerySerializer).get("until", now)
        outlook = preview_customer(customer_id=customer.id, until=until)
        if outlook.problem is not None:
            error = _stopped(outlook, outlook.problem)
            if outlook.documents:
                error.extensions["documents"] = self._shown(outlook)
            raise error
        return Response(self._shown(outlook))

    def _shown(self, outlook: Outlook) -> Any:
        return PreviewInvoiceSerializer(outlook.documents, many=True).data


def _stopped(outlook: Outlook, problem: BillingError) -> BillingError:
    """Why billing stops, and when, where something is billed before that; not of who is stopped already, by a park."""
    if outlook.stopped_at is None or outlook.stopped_at <= clock.now() or not outlook.documents:
        return problem
    return CannotBill(
        f"Billing stops at {outlook.stopped_at:%Y-%m-%dT%H:%M:%SZ}: {problem.message} What is billed before that is "
        "among the `extensions`; an earlier `until` shows it alone.",
        code=problem.code,
    )
