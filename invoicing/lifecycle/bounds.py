"""Owns what is too large to be billed: amounts beyond the safety bound of their currency (docs/operations.md)."""

from collections.abc import Iterable
from decimal import Decimal

from django.conf import settings

from core.admin.words import money_text
from core.limits import default_limit
from invoicing.errors import CannotBill

MEND_DRAFT = "correct the prices or quantities that it bills, or delete the draft; then do this again."

RAISE_IT = "If the amount is right, raise the limit (AMOUNT_LIMITS, see the operations guide)"


def limit_of(currency: str) -> Decimal:
    """The largest amount of `currency`, either way, that is billed or booked; in its main unit."""
    limit: Decimal | None = settings.AMOUNT_LIMITS.get(currency)
    return default_limit(currency) if limit is None else limit


def beyond_limit(amounts: Iterable[Decimal], currency: str) -> Decimal | None:
    """That of these amounts which is furthest beyond the bound of `currency`, either way; None where none is."""
    furthest = max(amounts, key=Decimal.copy_abs, default=Decimal(0))
    return furthest if furthest.copy_abs() > limit_of(currency) else None


def refuse_beyond(what: str, amounts: Iterable[Decimal], currency: str, *, otherwise: str) -> None:
    """CannotBill where one of `amounts` is beyond the bound: `what` names what comes to so much, `otherwise` says how
    to mend it where the amount is wrong."""
    amount = beyond_limit(amounts, currency)
    if amount is not None:
        limit = money_text(limit_of(currency), currency)
        raise CannotBill(
            f"{what} comes to {money_text(amount, currency)}, beyond the safety limit of {limit}. Nothing was billed. "
            f"{RAISE_IT}; otherwise {otherwise}",
            code="beyond_limit",
        )
