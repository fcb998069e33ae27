"""`/late-usage`: what came after its window was billed, and what is decided about it (billing rules 6)."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.rest.fields import CurrencyField, DecimalStringField, MoneyField, ObjectField, TextField, TimeField, ULIDField
from core.rest.filters import AnyIdFilter, AnyOfFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from invoicing.api.period_field import BilledPeriodField
from invoicing.choices import LateUsageState
from invoicing.issued.reissue_late_usage import reissue_late_usage
from invoicing.late_usage.decide import Shown, bill_late_usage, waive_late_usage
from invoicing.models import LateUsageCase
from invoicing.rating import read_explanation, readable
from subscriptions.api.lifecycle.subscription_serializers import PeriodSerializer


class LateUsageSerializer(WireSerializer):
    """`quantity` is what came late for the period beyond `billedQuantity`, and `net` what the whole period comes to
    with it, less what was billed net: below zero it is a credit. `explain` is how, `readable` says it in sentences.
    What is billed has the adjustment as `lineId`, on the gathering invoice `invoiceId` first, then on a standard one.
    """

    id = ULIDField()
    created_at = TimeField()
    updated_at = TimeField()
    customer_id = ULIDField()
    subscription_id = ULIDField()
    item_id = ULIDField()
    name = TextField()
    feature_key = TextField(required=False)
    period = BilledPeriodField()
    currency = CurrencyField()
    billed_quantity = DecimalStringField(source="settled_quantity")
    quantity = DecimalStringField()
    net = MoneyField()
    state = serializers.ChoiceField(choices=LateUsageState.values)
    decided_at = TimeField(required=False)
    decided_by = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    line_id = ULIDField(required=False)
    invoice_id = serializers.SerializerMethodField()
    credit_note_id = ULIDField(required=False)
    explain = ObjectField()
    readable = serializers.SerializerMethodField()

    @extend_schema_field(TextField(required=False))
    def get_decided_by(self, case: LateUsageCase) -> str | None:
        return case.decided_by or None

    @extend_schema_field(TextField(required=False))
    def get_reason(self, case: LateUsageCase) -> str | None:
        return case.reason or None

    @extend_schema_field(ULIDField(required=False))
    def get_invoice_id(self, case: LateUsageCase) -> Any:
        return None if case.line is None else ULIDField().to_representation(case.line.invoice_id)

    @extend_schema_field(serializers.ListField(child=TextField()))
    def get_readable(self, case: LateUsageCase) -> list[str]:
        return readable(read_explanation(case.explain))


class ReissuedChargeSerializer(WireSerializer):
    """What one charge came to on the voided invoice and comes to on the new one, net."""

    name = TextField()
    period = PeriodSerializer(source="*")
    before = MoneyField()
    after = MoneyField()


class ReissuedLateUsageSerializer(WireSerializer):
    """The case, whose `lineId` is the charge on the new invoice; the voided invoice, and the one that bills it anew; by
    how much that is more (gross; below zero: less), and each charge side by side."""

    late_usage = LateUsageSerializer()
    voided_invoice_id = ULIDField()
    replacement_invoice_id = ULIDField()
    difference = MoneyField()
    charges = ReissuedChargeSerializer(many=True)


class LateUsageDecisionSerializer(WireSerializer):
    """With `quantity` and `net`, it is decided only if these are still the figures."""

    reason = TextField(max_length=1000)
    quantity = DecimalStringField(required=False)
    net = DecimalStringField(required=False)


class LateUsageFilterSet(WireFilterSet):
    state = django_filters.MultipleChoiceFilter(choices=LateUsageState.choices)
    customers = AnyIdFilter(field_name="customer_id")
    subscriptions = AnyIdFilter(field_name="subscription_id")
    invoices = AnyIdFilter(field_name="line__invoice_id")
    currency = AnyOfFilter(field_name="currency")


class LateUsageViewSet(WireViewSet):
    """The newest first."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    serializer_class = LateUsageSerializer
    filterset_class = LateUsageFilterSet
    lookup_url_kwarg = "lateUsageId"

    def get_queryset(self) -> QuerySet[LateUsageCase]:
        return LateUsageCase.objects.select_related("line").order_by("-created_at", "-id")

    @extend_schema(operation_id="listLateUsage")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="getLateUsage")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="late usage"))

    @extend_schema(operation_id="billLateUsage", request=LateUsageDecisionSerializer)
    @action(detail=True, methods=["post"])
    def bill(self, request: Request, **kwargs: str) -> Response:
        """Bill it with the customer's next invoice; what is less than nothing is credited by a credit note."""
        return self._decide(bill_late_usage)

    @extend_schema(operation_id="waiveLateUsage", request=LateUsageDecisionSerializer)
    @action(detail=True, methods=["post"])
    def waive(self, request: Request, **kwargs: str) -> Response:
        """Leave it: its quantity counts as billed from now on, and no money moves."""
        return self._decide(waive_late_usage)

    @extend_schema(
        operation_id="reissueLateUsage", request=LateUsageDecisionSerializer, responses=ReissuedLateUsageSerializer
    )
    @action(detail=True, methods=["post"])
    def reissue(self, request: Request, **kwargs: str) -> Response:
        """Void the invoice that bills its period, and bill all of it at once on another one, with what came late."""
        case, reason, shown = self._asked()
        done = reissue_late_usage(case=case, reason=reason, shown=shown)
        voided, replacement = done.reissued.voided, done.reissued.replacement
        answer = {
            "late_usage": self.get_queryset().get(pk=done.case.pk),
            "voided_invoice_id": voided.pk,
            "replacement_invoice_id": replacement.pk,
            "difference": replacement.total - voided.total,
            "charges": done.reissued.lines,
        }
        return self.show(answer, ReissuedLateUsageSerializer)

    def _decide(self, verb: Any) -> Response:
        case, reason, shown = self._asked()
        decided = verb(case=case, reason=reason, shown=shown)
        return self.show(self.get_queryset().get(pk=decided.pk))

    def _asked(self) -> tuple[LateUsageCase, str, Shown | None]:
        """The case that is addressed, and what is said of it."""
        case = find(self.get_queryset(), self.addressed, what="late usage")
        body = self.read_body(LateUsageDecisionSerializer)
        shown = None
        if "quantity" in body or "net" in body:
            for name in ("quantity", "net"):
                if name not in body:
                    raise field_error(name, "required", "quantity and net come together.")
            shown = Shown(body["quantity"], body["net"])
        return case, body["reason"], shown
