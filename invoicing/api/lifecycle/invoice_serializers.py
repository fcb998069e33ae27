"""The invoice on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import clock
from core.ids import to_text
from core.money import to_wire
from core.rest.fields import CurrencyField, MoneyField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from customers.api.app_serializers import profile_apps
from customers.api.supplier_serializers import PartySerializer
from customers.api.workflow_serializers import show_workflow
from invoicing.api.lifecycle.line_serializers import InvoiceReferenceSerializer, LineSerializer, TotalsSerializer
from invoicing.api.lifecycle.party_serializers import InvoiceCustomerSerializer, WorkflowSettingsSerializer, party
from invoicing.choices import FAILED_STATUSES, InvoiceStatus
from invoicing.lifecycle.draft_steps import allowed_acts
from invoicing.models import Invoice
from subscriptions.api.lifecycle.subscription_serializers import PeriodSerializer


def wire_status(status: str) -> str:
    """The status as the clients' types have it. They know no deleted one: only drafts are ever deleted."""
    return "draft" if status == InvoiceStatus.DELETED else status.split(".")[0]


WIRE_STATUSES = tuple(dict.fromkeys(wire_status(status) for status in InvoiceStatus))
EXPANDS = ("lines", "preceding", "workflow.apps")
_NUMBER_TAIL = 10


class ActionSerializer(WireSerializer):
    resulting_state = TextField(required=False)


class ActionsSerializer(WireSerializer):
    """An action that is absent can't be taken now."""

    invoice = ActionSerializer(required=False)
    advance = ActionSerializer(required=False)
    approve = ActionSerializer(required=False)
    delete = ActionSerializer(required=False)
    retry = ActionSerializer(required=False)
    snapshot_quantities = ActionSerializer(required=False)
    void = ActionSerializer(required=False)


class StatusDetailsSerializer(WireSerializer):
    immutable = serializers.BooleanField()
    failed = serializers.BooleanField()
    extended_status = TextField()
    available_actions = ActionsSerializer()


class AmountsSerializer(WireSerializer):
    """Always: total - credited = paid - refunded - movedToBalance + appliedFromBalance + writtenOff + due."""

    total = MoneyField()
    credited = MoneyField()
    paid = MoneyField()
    refunded = MoneyField()
    moved_to_balance = MoneyField()
    applied_from_balance = MoneyField()
    written_off = MoneyField()
    due = MoneyField()


class ValidationIssueSerializer(WireSerializer):
    id = ULIDField()
    created_at = TimeField()
    updated_at = TimeField()
    severity = serializers.ChoiceField(choices=["critical", "warning"])
    component = TextField()
    message = TextField()


class PaymentDueDateSerializer(WireSerializer):
    due_at = TimeField()
    amount = TextField()
    currency = CurrencyField()


class PaymentTermsSerializer(WireSerializer):
    type = serializers.ChoiceField(choices=["due_date", "instant"])
    due_at = PaymentDueDateSerializer(many=True)


class PaymentSerializer(WireSerializer):
    terms = PaymentTermsSerializer()


class PrecedingSerializer(WireSerializer):
    """The voided invoice that this one was issued instead of. The clients' types know one kind of such a reference."""

    type = serializers.ChoiceField(choices=["credit_note_original_invoice"])
    number = TextField()
    issued_at = TimeField()
    url = serializers.URLField()
    id = ULIDField()


class InvoiceSerializer(WireSerializer):
    """Expects the app and, with the context's `lines`, `shown_lines`: see `invoices_for_display`.

    The context's `apps` shows the apps whole. `amounts`, `replacedBy` and `beginsLater` (what waits on
    a gathering invoice for periods that have not begun, in no total) are ours beyond the clients' types.
    """

    id = ULIDField()
    type = serializers.SerializerMethodField()
    number = serializers.SerializerMethodField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)
    status = serializers.SerializerMethodField()
    status_details = serializers.SerializerMethodField()
    validation_issues = serializers.SerializerMethodField()
    supplier = serializers.SerializerMethodField()
    customer = serializers.SerializerMethodField()
    currency = CurrencyField()
    totals = TotalsSerializer(source="*")
    amounts = AmountsSerializer(source="*")
    begins_later = MoneyField(required=False, allow_null=True)
    period = serializers.SerializerMethodField()
    collection_at = TimeField(required=False)
    quantity_snapshoted_at = serializers.SerializerMethodField()
    draft_until = TimeField(required=False)
    issued_at = TimeField(required=False)
    due_at = TimeField(required=False)
    voided_at = TimeField(required=False)
    sent_to_customer_at = TimeField(required=False)
    workflow = serializers.SerializerMethodField()
    payment = serializers.SerializerMethodField()
    preceding = serializers.SerializerMethodField()
    replaced_by = serializers.SerializerMethodField()
    lines = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=["standard"]))
    def get_type(self, invoice: Invoice) -> str:
        return "standard"

    def get_number(self, invoice: Invoice) -> str:
        """A draft answers `DRAFT-` and the end of its id, a gathering invoice `GATHER-`: no numbers of a series."""
        return shown_number(invoice)

    @extend_schema_field(serializers.ChoiceField(choices=WIRE_STATUSES))
    def get_status(self, invoice: Invoice) -> str:
        return wire_status(invoice.status)

    @extend_schema_field(StatusDetailsSerializer)
    def get_status_details(self, invoice: Invoice) -> dict[str, Any]:
        return {
            "immutable": invoice.issued_at is not None or invoice.deleted_at is not None,
            "failed": invoice.status in FAILED_STATUSES,
            "extendedStatus": invoice.status,
            "availableActions": _actions(invoice),
        }

    @extend_schema_field(ValidationIssueSerializer(many=True, required=False))
    def get_validation_issues(self, invoice: Invoice) -> list[dict[str, Any]] | None:
        if not invoice.status_note:
            return None
        issue = {
            "id": invoice.id,
            "created_at": invoice.updated_at,
            "updated_at": invoice.updated_at,
            "severity": "critical",
            "component": "billing",
            "message": invoice.status_note,
        }
        return [ValidationIssueSerializer(issue).data]

    @extend_schema_field(PartySerializer)
    def get_supplier(self, invoice: Invoice) -> dict[str, Any]:
        return PartySerializer(party(invoice.supplier_snapshot)).data

    @extend_schema_field(InvoiceCustomerSerializer)
    def get_customer(self, invoice: Invoice) -> dict[str, Any]:
        return InvoiceCustomerSerializer(party(invoice.customer_snapshot)).data

    @extend_schema_field(PeriodSerializer(required=False))
    def get_period(self, invoice: Invoice) -> dict[str, Any] | None:
        if invoice.period_start is None or invoice.period_end is None:
            return None
        return PeriodSerializer({"start": invoice.period_start, "end": invoice.period_end}).data

    @extend_schema_field(TimeField(required=False))
    def get_quantity_snapshoted_at(self, invoice: Invoice) -> str | None:
        at = invoice.quantity_snapshoted_at
        return None if at is None else TimeField().to_representation(at)

    @extend_schema_field(WorkflowSettingsSerializer)
    def get_workflow(self, invoice: Invoice) -> dict[str, Any]:
        settings = {
            "source_billing_profile_id": invoice.profile_id,
            "workflow": show_workflow(invoice.workflow_snapshot["values"]),
        }
        shown: dict[str, Any] = WorkflowSettingsSerializer(settings).data
        if self.context.get("apps") and invoice.app is not None:
            shown["apps"] = profile_apps(invoice.app, whole=True)
        return shown

    @extend_schema_field(PaymentSerializer(required=False))
    def get_payment(self, invoice: Invoice) -> dict[str, Any] | None:
        if invoice.due_at is None:
            return None
        due = {"due_at": invoice.due_at, "amount": to_wire(invoice.total), "currency": invoice.currency}
        return PaymentSerializer({"terms": {"type": "due_date", "due_at": [due]}}).data

    @extend_schema_field(PrecedingSerializer(many=True, required=False))
    def get_preceding(self, invoice: Invoice) -> list[dict[str, Any]] | None:
        replaced, request = invoice.replaces, self.context.get("request")
        if replaced is None:
            return None
        path = f"/api/v1/billing/invoices/{to_text(replaced.pk)}"
        url = path if request is None else request.build_absolute_uri(path)
        found = {"number": replaced.number, "issued_at": replaced.issued_at, "id": replaced.pk, "url": url}
        return [PrecedingSerializer({"type": "credit_note_original_invoice"} | found).data]

    @extend_schema_field(InvoiceReferenceSerializer(required=False))
    def get_replaced_by(self, invoice: Invoice) -> dict[str, Any] | None:
        later = getattr(invoice, "replacement_id", None)
        if later is None:
            return None
        number = invoice.replacement_number  # type: ignore[attr-defined]
        return InvoiceReferenceSerializer({"id": later} | ({} if number is None else {"number": number})).data

    @extend_schema_field(LineSerializer(many=True, required=False))
    def get_lines(self, invoice: Invoice) -> list[dict[str, Any]] | None:
        if not self.context.get("lines"):
            return None
        context = {"reference": {"id": to_text(invoice.id), "number": shown_number(invoice)}}
        lines: Any = invoice.shown_lines  # type: ignore[attr-defined]
        return LineSerializer(lines, many=True, context=context).data  # type: ignore[return-value]


class ReissuedSerializer(WireSerializer):
    """The two of a void and reissue; each names the other."""

    voided = InvoiceSerializer()
    replacement = InvoiceSerializer()


def shown_number(invoice: Invoice) -> str:
    """The number that the wire shows, which its types require of every invoice."""
    if invoice.number is not None:
        return invoice.number
    prefix = "GATHER" if invoice.status == InvoiceStatus.GATHERING else "DRAFT"
    return f"{prefix}-{to_text(invoice.id)[-_NUMBER_TAIL:]}"


def _actions(invoice: Invoice) -> dict[str, Any]:
    acts = allowed_acts(invoice, clock.now())
    return {act.value: {} if after is None else {"resultingState": after.value} for act, after in acts.items()}
