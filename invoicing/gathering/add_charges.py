"""Adds charges by hand to a customer's gathering invoice: one-off invoices, now or at a date (billing rules 6)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from core import clock
from core.admin.words import money_text
from core.audit.services.record import record
from core.errors import InvalidInput, field_error
from core.ids import new_id
from core.locks import lock_customers
from core.money import ONE, exact_arithmetic, exponent
from customers.errors import CustomerDeleted
from customers.models import Customer
from invoicing.choices import LineKind, LineManagedBy
from invoicing.closing.manual_lines import rate_by_hand
from invoicing.lifecycle.bounds import beyond_limit, limit_of
from invoicing.lifecycle.gathering_invoice import gathering_invoice
from invoicing.lifecycle.wake import wake
from invoicing.models import Invoice, InvoiceLine
from invoicing.rating import RatedLine

MOST_LINES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A charge to be added: `price` (flat) and `discounts` as on the wire, for `[start, end)` in UTC, to be invoiced
    at `invoice_at`: now, where that has passed."""

    name: str
    start: datetime
    end: datetime
    invoice_at: datetime
    price: Mapping[str, Any] | None
    quantity: Decimal = ONE
    discounts: Mapping[str, Any] | None = None
    tax_config: Mapping[str, Any] | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    feature_key: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What was added, and to which gathering invoice; `is_new`: to one that was made for it."""

    invoice: Invoice
    lines: tuple[InvoiceLine, ...]
    is_new: bool


@transaction.atomic
def add_charges(*, customer: Customer, currency: str, charges: Sequence[Charge], reason: str = "") -> Added:
    """Let these charges, in `currency`, wait on the customer's gathering invoice until they are due; a close then rates
    and taxes them with everything else. A parked customer's wait for the release, too.

    InvalidInput names each bad field, and nothing is added: no price or one that is not flat, a negative amount, a
    currency that is not the customer's, more than the safety bound. CustomerDeleted for a deleted customer.
    """
    if not charges:
        raise InvalidInput("Say at least one charge. Nothing was added.", code="no_lines")
    lock_customers([customer.pk])
    customer.refresh_from_db()
    if customer.deleted_at is not None:
        raise CustomerDeleted(f"{customer} is deleted. Nothing was added.")
    _refuse_currency(customer, currency)
    with exact_arithmetic():
        nets = [check_charge(charge, currency, f"lines.{index}").net for index, charge in enumerate(charges)]
    now = clock.now()
    invoice, is_new = gathering_invoice(customer.pk, currency)
    lines = tuple(line_of(charge, invoice.pk, currency) for charge in charges)
    InvoiceLine.objects.bulk_create(lines)
    wake(customer.pk, currency, min(charge.invoice_at for charge in charges))
    for charge, line, net in zip(charges, lines, nets, strict=True):
        at = "now" if charge.invoice_at <= now else f"on {charge.invoice_at:%-d %B %Y %H:%M} UTC"
        record(
            verb="add_charge",
            target=line,
            did=f"added the one-off charge “{charge.name}” of {money_text(net, currency)} for {customer}, due {at}",
            reason=reason,
            customer_id=customer.pk,
        )
    return Added(invoice, lines, is_new)


def check_charge(charge: Charge, currency: str, path: str) -> RatedLine:
    """What the charge comes to, before tax. InvalidInput names what is wrong with it by its path under `path`."""
    card = f"{path}.rateCard"
    if not charge.name.strip():
        raise field_error(f"{path}.name", "required", "Give the charge a name. Nothing was added.")
    if charge.end < charge.start:
        raise field_error(
            f"{path}.period.to", "before_start", "The period must not end before it starts. Nothing was added."
        )
    if charge.price is None:
        raise field_error(f"{card}.price", "required", "Give the charge a price. Nothing was added.")
    if charge.price.get("type") != "flat" or charge.feature_key:
        raise field_error(
            f"{card}.price.type" if charge.price.get("type") != "flat" else f"{card}.featureKey",
            "not_flat",
            "Only a flat price can be charged by hand: usage is counted for subscriptions, each event once. Nothing "
            "was added. Put the price on the customer's subscription.",
        )
    if charge.quantity <= 0:
        raise field_error(f"{path}.quantity", "not_positive", "The quantity must be above zero. Nothing was added.")
    rated = rate_by_hand(charge.price, charge.discounts, charge.quantity, currency, card)
    amount = beyond_limit([rated.amount, rated.discounts_total], currency)
    if amount is not None:
        raise field_error(
            f"{card}.price.amount",
            "beyond_limit",
            f"The charge comes to {money_text(amount, currency)}, beyond the safety limit of "
            f"{money_text(limit_of(currency), currency)}. Nothing was added.",
        )
    return rated


def _refuse_currency(customer: Customer, currency: str) -> None:
    try:
        exponent(currency)
    except InvalidInput as error:
        raise field_error("currency", error.code, error.message) from None
    if customer.currency and currency != customer.currency:
        raise field_error(
            "currency",
            "other_currency",
            f"{customer} is billed in {customer.currency}, not in {currency}. Nothing was added.",
        )


def line_of(charge: Charge, invoice_id: uuid.UUID, currency: str) -> InvoiceLine:
    """The charge as a line of that invoice, neither stored nor rated yet."""
    return InvoiceLine(
        id=new_id(),
        invoice_id=invoice_id,
        kind=LineKind.FLAT,
        managed_by=LineManagedBy.MANUAL,
        name=charge.name,
        description=charge.description,
        metadata=dict(charge.metadata),
        currency=currency,
        period_start=charge.start,
        period_end=charge.end,
        invoice_at=charge.invoice_at,
        price=charge.price,
        discounts=charge.discounts,
        tax_config=charge.tax_config,
        quantity=charge.quantity,
    )
