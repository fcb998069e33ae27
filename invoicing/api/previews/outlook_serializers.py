"""What a preview shows of the documents and balance movements to come, on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import CurrencyField, MoneyField, TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from invoicing.api.period_field import BilledPeriodField
from invoicing.choices import BalanceKind, LineKind
from invoicing.previews.outlook import CREDIT_NOTE, INVOICE


class OutlookTotalsSerializer(WireSerializer):
    """`amount` is net, before discounts and commitments, as that of an invoice or a credit note; `total` is gross."""

    amount = MoneyField()
    discounts_total = MoneyField(required=False)
    charges_total = MoneyField(required=False)
    taxes_total = MoneyField()
    total = MoneyField()


class OutlookLineSerializer(WireSerializer):
    """`amount` is net of tax; negative where an invoice gives something back, positive on a credit note."""

    name = TextField()
    kind = serializers.ChoiceField(choices=LineKind.values)
    subscription_id = ULIDField(required=False)
    running_number = serializers.IntegerField(required=False)
    period = BilledPeriodField()
    amount = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()


class OutlookDocumentSerializer(WireSerializer):
    """An invoice or a credit note that will be made; it has no `number` yet.

    `at` is when it is issued: of a draft, when its review is over, or, where it `needsApproval`, when it is drafted.
    Of an invoice, `appliedFromBalance` is paid by the customer's balance and `due` is left. A credit note is made out
    `over` the invoice of that number (absent where that is still to come, too): `reducedDue` comes off what is due
    there, `movedToBalance` goes to the balance. `problem`: why a draft can't be issued before somebody mends it.
    """

    keep_null = frozenset({"number"})

    type = serializers.ChoiceField(choices=[INVOICE, CREDIT_NOTE])
    number = serializers.SerializerMethodField()
    at = TimeField()
    currency = CurrencyField()
    totals: WireSerializer = OutlookTotalsSerializer()
    lines = OutlookLineSerializer(many=True)
    is_draft = serializers.BooleanField()
    needs_approval = serializers.BooleanField()
    applied_from_balance = MoneyField(required=False)
    due = MoneyField(required=False)
    over = TextField(required=False)
    reduced_due = MoneyField(required=False)
    moved_to_balance = MoneyField(required=False)
    problem = TextField(required=False)

    @extend_schema_field(TextField(allow_null=True))
    def get_number(self, document: Any) -> None:
        return None


class BalanceMovementSerializer(WireSerializer):
    """`amount` is negative where the balance is used; `balance` is what it comes to with this movement."""

    type = serializers.ChoiceField(choices=BalanceKind.values, source="kind")
    at = TimeField()
    amount = MoneyField()
    currency = CurrencyField()
    balance = MoneyField()


class OutlookSerializer(WireSerializer):
    """The fields of what has an `outlook`: all that follows until `shownUntil`, in order of time, by what is known now.
    Usage to come is not, and automatic charges are taken to succeed. From `gatheredFrom` on up to the change so many
    bills lie that they are shown as one. `stopsBecause` says why nothing more can be foretold."""

    documents = OutlookDocumentSerializer(many=True, source="outlook.documents", required=False)
    balance_movements = BalanceMovementSerializer(many=True, source="outlook.movements", required=False)
    shown_until = TimeField(source="outlook.until", required=False)
    gathered_from = TimeField(source="outlook.gathered_from", required=False)
    stops_because = TextField(source="outlook.cause", required=False)
