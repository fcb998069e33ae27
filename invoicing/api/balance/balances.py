"""`/customers/{idOrKey}/balance` and its ledger."""

from django.db.models import F, QuerySet, Sum, Window
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.money import ZERO, round_money
from core.rest.fields import CurrencyField, MoneyField, TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.selectors import find_customer
from invoicing.choices import BalanceKind
from invoicing.models import BalanceEntry


class BalanceQuerySerializer(WireSerializer):
    """Left out, the currency is the customer's own."""

    currency = CurrencyField(required=False)


class BalanceSerializer(WireSerializer):
    """Gross money that the customer has with us."""

    balance = MoneyField()
    currency = CurrencyField()


class BalanceEntrySerializer(WireSerializer):
    """`amount` is negative where the balance is used; `balance` is what it came to with this entry."""

    id = ULIDField()
    type = serializers.ChoiceField(choices=BalanceKind.values, source="kind")
    amount = MoneyField()
    currency = CurrencyField()
    at = TimeField()
    invoice_id = ULIDField(required=False)
    credit_note_id = ULIDField(required=False)
    reason = TextField(required=False)
    balance = MoneyField()


class BalanceViewSet(WireViewSet):
    """One balance a customer and currency (billing rules 3)."""

    required_scopes = {"GET": "billing:read"}
    serializer_class = BalanceSerializer
    lookup_url_kwarg = "customerIdOrKey"

    def get_queryset(self) -> QuerySet[BalanceEntry]:
        if getattr(self, "swagger_fake_view", False):
            return BalanceEntry.objects.none()
        customer = find_customer(self.addressed)
        currency: str | None = self.read_query(BalanceQuerySerializer).get("currency", customer.currency)
        if currency is None:
            raise field_error("currency", "required", f"{customer.name} has no currency yet: name one.")
        self.currency = currency
        return BalanceEntry.objects.filter(customer=customer, currency=currency)

    @extend_schema(operation_id="getCustomerBalance", parameters=[BalanceQuerySerializer])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        balance = self.get_queryset().aggregate(sum=Sum("amount"))["sum"] or ZERO
        return self.show({"balance": round_money(balance, self.currency), "currency": self.currency})

    @extend_schema(
        operation_id="listCustomerBalanceLedger",
        parameters=[BalanceQuerySerializer],
        responses=BalanceEntrySerializer(many=True),
    )
    def ledger(self, request: Request, **kwargs: str) -> Response:
        """The newest first."""
        running = Window(Sum("amount"), order_by=[F("at").asc(), F("id").asc()])
        return self.show_page(
            self.get_queryset().annotate(balance=running).order_by("-at", "-id"), BalanceEntrySerializer
        )
