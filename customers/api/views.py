"""Customers: create, list, get, replace, delete. The floors above serve them,
with what they add."""

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.lookups import find
from core.rest.views import WireViewSet
from customers.api.filters import CustomerFilterSet
from customers.api.serializers import CustomerInputSerializer, CustomerSerializer, customer_input
from customers.models import Customer
from customers.selectors import customers_for_display, find_customer
from customers.services.create_customer import create_customer
from customers.services.customer_input import CustomerInput


class CustomerViewSet(WireViewSet):
    """A deleted customer is shown by its id, with `deletedAt`; its key is free for another."""

    required_scopes = {
        "GET": "customers:read",
        "POST": "customers:write",
        "PUT": "customers:write",
        "DELETE": "customers:write",
    }
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilterSet
    order_by_fields = {"id": "id", "name": "name", "createdAt": "created_at"}
    lookup_url_kwarg = "customerIdOrKey"

    def get_queryset(self) -> QuerySet[Customer]:
        return customers_for_display()

    @extend_schema(operation_id="listCustomers")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createCustomer", request=CustomerInputSerializer, responses={201: CustomerSerializer})
    def create(self, request: Request) -> Response:
        customer = create_customer(customer=customer_input(self.read_body(CustomerInputSerializer)))
        return self.present(customer, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getCustomer")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        living = Q(deleted_at=None)
        return self.show(find(self.get_queryset(), self.addressed, what="customer", key="key", keyed=living))

    @extend_schema(operation_id="updateCustomer", request=CustomerInputSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        customer = find_customer(self.addressed)
        replacement = customer_input(self.read_body(CustomerInputSerializer))
        return self.present(self.replace(customer, replacement))

    @extend_schema(operation_id="deleteCustomer", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        self.remove(find_customer(self.addressed))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def replace(self, customer: Customer, replacement: CustomerInput) -> Customer:
        """Replace them. The package that knows of open business (`invoicing`) does it, since that binds the
        currency."""
        raise NotImplementedError

    def remove(self, customer: Customer) -> None:
        """Delete them. The package that knows of open business (`invoicing`) does it, since that forbids it."""
        raise NotImplementedError

    def present(self, customer: Customer, status: int = status.HTTP_200_OK) -> Response:
        return self.show(self.get_queryset().get(pk=customer.pk), status=status)
