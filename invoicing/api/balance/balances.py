"""`/customers/{idOrKey}/balance` and its ledger; `/credit-notes`."""

from typing import Any

from django.db.models import F, QuerySet, Sum, Window
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.money import ZERO, round_money
from core.rest.fields import CurrencyField, MoneyField, ObjectField, TextField, TimeField, ULIDField
from core.rest.filters import AnyIdFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.selectors import find_customer
from invoicing.api.period_field import BilledPeriodField
from invoicing.choices import BalanceKind, CreditReason
from invoicing.models import BalanceEntry, CreditNote
from invoicing.rating import read_explanation, readable


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
    """`reducedDue` of the total came off what was still due on the invoice, `movedToBalance` went to the balance."""

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

    required_scopes = {"GET": "billing:read"}
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
