"""`/suppliers`: the legal entities that issue invoices. Ours beyond the clients' types."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.lookups import find
from core.rest.views import WireViewSet
from customers.api.supplier_serializers import (
    SupplierInputSerializer,
    SupplierSerializer,
    show_supplier,
    supplier_input,
)
from customers.models import Supplier
from customers.services.save_supplier import create_supplier, delete_supplier, update_supplier


class SupplierViewSet(WireViewSet):
    """Profiles share suppliers. Issued invoices and drafts keep the copy that they were made with."""

    required_scopes = {
        "GET": "billing:read",
        "POST": "billing:write",
        "PUT": "billing:write",
        "DELETE": "billing:write",
    }
    serializer_class = SupplierSerializer
    order_by_fields = {"name": "name", "createdAt": "created_at"}
    lookup_url_kwarg = "supplierIdOrKey"

    def get_queryset(self) -> QuerySet[Supplier]:
        return Supplier.objects.all()

    @extend_schema(operation_id="listSuppliers")
    def list(self, request: Request) -> Response:
        suppliers = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        shown = [show_supplier(supplier) for supplier in suppliers]
        return self.get_paginated_response(SupplierSerializer(shown, many=True).data)

    @extend_schema(operation_id="createSupplier", request=SupplierInputSerializer, responses={201: SupplierSerializer})
    def create(self, request: Request) -> Response:
        created = create_supplier(supplier=supplier_input(self.read_body(SupplierInputSerializer)))
        return self.present(created, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getSupplier")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.present(self.found())

    @extend_schema(operation_id="updateSupplier", request=SupplierInputSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        said = supplier_input(self.read_body(SupplierInputSerializer))
        return self.present(update_supplier(supplier=self.found(), replacement=said))

    @extend_schema(operation_id="deleteSupplier", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_supplier(supplier=self.found())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def found(self) -> Supplier:
        return find(self.get_queryset(), self.addressed, what="supplier", key="key")

    def present(self, supplier: Supplier, status: int = status.HTTP_200_OK) -> Response:
        shown: Any = show_supplier(supplier)
        return self.show(shown, status=status)
