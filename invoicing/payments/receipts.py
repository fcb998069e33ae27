"""Divides money that arrives among what an invoice owes, what was given up on it, and the customer's balance. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

# How many characters of a reference are kept, typed, imported or sent over REST: as wide as the column of payments.
LONGEST_REFERENCE: Final = 500


@dataclass(frozen=True, slots=True)
class ReceiptSplit:
    """Where the parts of a receipt go; they add up to it."""

    on_due: Decimal
    recovered: Decimal
    to_balance: Decimal


def split_receipt(amount: Decimal, *, due: Decimal, written_off: Decimal) -> ReceiptSplit:
    """First what is due, then what was written off; what is left goes to the balance (billing rules 11)."""
    on_due = min(amount, due)
    recovered = min(amount - on_due, written_off)
    return ReceiptSplit(on_due, recovered, amount - on_due - recovered)
