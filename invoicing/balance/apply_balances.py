"""Uses customers' balances: applied to what is due on an invoice when it is issued, after tax (billing rules 3)."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from core.ids import new_id
from core.many_ids import among
from core.money import ZERO
from invoicing.choices import BalanceKind
from invoicing.models import BalanceEntry


@dataclass(slots=True)
class Balances:
    """What is left of some customers' balances, by customer and currency, while a batch uses them."""

    left: dict[tuple[uuid.UUID, str], Decimal]

    @classmethod
    def of(cls, customer_ids: Collection[uuid.UUID]) -> "Balances":
        """The balances of these customers, who are locked. One query; none for nobody."""
        if not customer_ids:
            return cls({})
        rows = (
            among(BalanceEntry.objects.order_by(), "customer_id", customer_ids)
            .values_list("customer_id", "currency")
            .annotate(balance=Sum("amount"))
        )
        return cls({(customer_id, currency): balance for customer_id, currency, balance in rows})

    def take(self, customer_id: uuid.UUID, currency: str, due: Decimal) -> Decimal:
        """As much of `due` as the balance covers; it is used up by that much."""
        balance = self.left.get((customer_id, currency), ZERO)
        used = min(balance, due)
        if used <= 0:
            return ZERO
        self.left[(customer_id, currency)] = balance - used
        return used


def applied_row(invoice: Mapping[str, Any], amount: Decimal, at: datetime) -> dict[str, Any]:
    """The ledger's row for `amount` (positive) of the balance that an invoice has used."""
    return {
        "id": new_id(),
        "customer_id": invoice["customer_id"],
        "currency": invoice["currency"],
        "kind": BalanceKind.APPLIED.value,
        "amount": -amount,
        "at": at,
        "invoice_id": invoice["id"],
        "credit_note_id": None,
        "payment_id": None,
        "refund_id": None,
        "reason": "",
    }
