"""`/billing/invoices`: list, get, move on, delete; and the simulation of an invoice."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.ids import to_text
from core.rest.lookups import find, missing
from core.rest.views import WireViewSet
from customers.models import Customer
from customers.selectors import find_customer
from invoicing.api.issued.void_inputs import ReissueInvoiceSerializer, VoidInvoiceSerializer, choices_of
from invoicing.api.lifecycle.draft_updates import DraftUpdateSerializer, changes_of
from invoicing.api.lifecycle.invoice_filters import InvoiceFilterSet
from invoicing.api.lifecycle.invoice_inputs import (
    DeleteDraftQuerySerializer,
    InvoicePendingLinesSerializer,
    SimulationSerializer,
    simulated_line,
)
from invoicing.api.lifecycle.invoice_serializers import EXPANDS, InvoiceSerializer, ReissuedSerializer
from invoicing.api.lifecycle.line_serializers import LineExplanationSerializer
from invoicing.drafts.advance_invoice import advance_invoice
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.edit_draft import edit_draft, why_not_edit
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.drafts.snapshot_quantities import snapshot_quantities
from invoicing.errors import WrongInvoiceState
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.gathering.live_totals import show_live
from invoicing.gathering.simulate_invoice import simulate_invoice
from invoicing.issued.reissue_invoice import reissue_invoice
from invoicing.issued.void_invoice import void_invoice
from invoicing.lifecycle.selectors import invoices_for_display
from invoicing.models import Invoice
from invoicing.rating import read_explanation, readable

SCOPES = {"GET": "billing:read"} | dict.fromkeys(("POST", "PUT", "DELETE"), "billing:write")
_EXPAND = OpenApiParameter("expand", enum=EXPANDS, many=True)
_DELETED_LINES = OpenApiParameter("includeDeletedLines", bool)


class InvoiceViewSet(WireViewSet):
    """A gathering invoice shows what it comes to now: usage of open periods up to this moment, settings in force."""

    required_scopes = SCOPES
    serializer_class = InvoiceSerializer
    filterset_class = InvoiceFilterSet
    order_by_fields = {
        "createdAt": "created_at",
        "updatedAt": "updated_at",
        "issuedAt": "issued_at",
        "periodStart": "period_start",
        "status": "status",
        "customer.name": "customer__name",
    }
    default_order = "DESC"
    lookup_url_kwarg = "invoiceId"

    def get_queryset(self) -> QuerySet[Invoice]:
        return invoices_for_display(lines="lines" in self.expanded())

    def get_serializer_context(self) -> dict[str, Any]:
        expanded = self.expanded()
        shown = {"lines": "lines" in expanded, "apps": "workflow.apps" in expanded}
        return {**super().get_serializer_context(), **shown}

    def expanded(self) -> list[str]:
        """What the request asks to see of each invoice."""
        request: Request | None = self.request
        expanded = request.query_params.getlist("expand") if request else []
        if not expanded and self.action == "retrieve":
            # The JavaScript client's `get` has no way to ask for lines.
            return ["lines"]
        return expanded

    @extend_schema(operation_id="listInvoices")
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        show_live(page or [])
        context = self.get_serializer_context()
        return self.get_paginated_response(InvoiceSerializer(page, many=True, context=context).data)

    @extend_schema(operation_id="getInvoice", parameters=[_EXPAND, _DELETED_LINES])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """One invoice, with its lines unless `expand` asks for something else."""
        deleted_lines = request.query_params.get("includeDeletedLines") == "true"
        invoices = invoices_for_display(lines="lines" in self.expanded(), deleted_lines=deleted_lines)
        return self.present(find(invoices, self.addressed, what="invoice"))

    @extend_schema(operation_id="updateInvoice", request=DraftUpdateSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        """Replace what can be changed of a draft: charges by hand, quantities, discounts, description, metadata."""
        body = self.read_body(DraftUpdateSerializer)
        invoice = self.addressed_invoice()
        why_not = why_not_edit(invoice)
        if why_not:
            raise WrongInvoiceState(f"{why_not} Nothing was changed.")
        served = InvoiceSerializer(
            invoices_for_display(lines=True).get(pk=invoice.pk),
            context={**self.get_serializer_context(), "lines": True},
        ).data
        changes = changes_of(invoice, body, served)
        read_at = body.get("updated_at", invoice.updated_at)
        return self.whole(edit_draft(invoice=invoice, changes=changes, reason=body["reason"], read_at=read_at))

    @extend_schema(operation_id="deleteInvoice", parameters=[DeleteDraftQuerySerializer], responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        query = self.read_query(DeleteDraftQuerySerializer)
        delete_draft(invoice=self.addressed_invoice(), **query)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="invoicePendingLinesAction",
        request=InvoicePendingLinesSerializer,
        responses={201: InvoiceSerializer(many=True)},
        filters=False,
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def invoice(self, request: Request) -> Response:
        """Invoice what is due of a customer now, without waiting for the schedule."""
        body = self.read_body(InvoicePendingLinesSerializer)
        customer = Customer.objects.filter(pk=body["customer_id"], deleted_at=None).first()
        if customer is None:
            raise field_error("customerId", "customer_not_found", "There is no such customer.")
        made = invoice_pending_lines(
            customer=customer,
            as_of=body.get("as_of"),
            line_ids=body.get("filters", {}).get("line_ids"),
            progressive=body.get("progressive_billing_override"),
        )
        invoices = invoices_for_display(lines=True).filter(pk__in=[invoice.pk for invoice in made])
        context = {**self.get_serializer_context(), "lines": True}
        shown = InvoiceSerializer(invoices.order_by("created_at", "id"), many=True, context=context).data
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="explainInvoiceLine",
        parameters=[OpenApiParameter("lineId", str, OpenApiParameter.PATH)],
        responses=LineExplanationSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], url_path="lines/(?P<lineId>[^/.]+)/explain", pagination_class=None)
    def explain(self, request: Request, *, lineId: str, **kwargs: str) -> Response:  # noqa: N803 - the path's name
        """How a line came to its amount: as it was billed, or as it would be now on a gathering invoice."""
        invoice = find(invoices_for_display(lines=True), self.addressed, what="invoice")
        show_live([invoice])
        lines = {to_text(line.pk): line for line in invoice.shown_lines}  # type: ignore[attr-defined]
        line = lines.get(lineId.upper())
        if line is None or line.explain is None:
            raise missing("explained line of this invoice", lineId)
        shown = {"line_id": line.pk, "explain": line.explain, "readable": readable(read_explanation(line.explain))}
        return self.show(shown, LineExplanationSerializer)

    @extend_schema(operation_id="advanceInvoiceAction", request=None)
    @action(detail=True, methods=["post"])
    def advance(self, request: Request, **kwargs: str) -> Response:
        return self.whole(advance_invoice(invoice=self.addressed_invoice()))

    @extend_schema(operation_id="approveInvoiceAction", request=None)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, **kwargs: str) -> Response:
        return self.whole(approve_invoice(invoice=self.addressed_invoice()))

    @extend_schema(operation_id="retryInvoiceAction", request=None)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, **kwargs: str) -> Response:
        """Try the step at which it stopped again, that step alone: its collection, its issue or its charge."""
        return self.whole(retry_invoice(invoice=self.addressed_invoice()))

    @extend_schema(operation_id="snapshotQuantitiesInvoiceAction", request=None)
    @action(detail=True, methods=["post"], url_path="snapshot-quantities")
    def snapshot_quantities(self, request: Request, **kwargs: str) -> Response:
        return self.whole(snapshot_quantities(invoice=self.addressed_invoice()))

    @extend_schema(operation_id="voidInvoiceAction", request=VoidInvoiceSerializer)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, **kwargs: str) -> Response:
        """Take an issued invoice back while nothing of it is paid or credited. It keeps its number."""
        choices = choices_of(self.read_body(VoidInvoiceSerializer))
        return self.whole(void_invoice(invoice=self.addressed_invoice(), **choices).invoice)

    @extend_schema(operation_id="reissueInvoice", request=ReissueInvoiceSerializer, responses=ReissuedSerializer)
    @action(detail=True, methods=["post"])
    def reissue(self, request: Request, **kwargs: str) -> Response:
        """Void an invoice and bill its periods at once on another one, by the facts as they are now."""
        body = self.read_body(ReissueInvoiceSerializer)
        reissued = reissue_invoice(invoice=self.addressed_invoice(), reason=body["reason"])
        found = invoices_for_display(lines=True).in_bulk([reissued.voided.pk, reissued.replacement.pk])
        pair = {"voided": found[reissued.voided.pk], "replacement": found[reissued.replacement.pk]}
        context = {**self.get_serializer_context(), "lines": True}
        return Response(ReissuedSerializer(pair, context=context).data)

    def addressed_invoice(self) -> Invoice:
        return find(Invoice.objects.all(), self.addressed, what="invoice")

    def whole(self, invoice: Invoice) -> Response:
        """The invoice after an action, with its lines."""
        return show_whole(self, invoices_for_display(lines=True).get(pk=invoice.pk))

    def present(self, invoice: Invoice) -> Response:
        show_live([invoice])
        return self.show(invoice)


class SimulationViewSet(WireViewSet):
    """Rates lines that are not stored, under the customer's settings of now."""

    required_scopes = {"POST": "billing:read"}
    serializer_class = InvoiceSerializer
    lookup_url_kwarg = "customerId"

    @extend_schema(operation_id="simulateInvoice", request=SimulationSerializer)
    def simulate(self, request: Request, **kwargs: str) -> Response:
        customer = find_customer(self.addressed)
        body = self.read_body(SimulationSerializer)
        invoice = simulate_invoice(
            customer=customer,
            currency=body["currency"],
            number=body.get("number"),
            lines=[simulated_line(line) for line in body["lines"]],
        )
        return show_whole(self, invoice)


def show_whole(view: WireViewSet, invoice: Invoice) -> Response:
    """An invoice with its lines, whatever the request says of `expand`."""
    context = {**view.get_serializer_context(), "lines": True}
    return Response(InvoiceSerializer(invoice, context=context).data)
