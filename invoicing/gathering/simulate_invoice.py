"""Works out an invoice of made-up lines, without storing anything."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core import clock
from core.admin.words import money_text
from core.errors import InvalidInput, field_error
from core.ids import new_id
from core.jsontext import canonical_json
from core.money import ONE, ZERO, exact_arithmetic, exponent
from customers.effective_settings import terms_of
from customers.models import Customer
from customers.selectors import attributions_of
from invoicing.choices import InvoiceStatus, LineKind, LineManagedBy
from invoicing.closing.details import details_of
from invoicing.closing.load import tax_rates
from invoicing.closing.taxation import terms_at
from invoicing.corrections.credit_rows import tax_columns
from invoicing.gathering.live_totals import apply_terms, set_columns
from invoicing.lifecycle.bounds import beyond_limit, limit_of
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine
from invoicing.money_columns import Totals, add_totals, line_totals
from invoicing.rating import RatedLine, RatingInput, rate
from invoicing.tax import TaxTerms, tax_lines
from subscriptions.pricing import DimensionalPrice, parse_discounts, parse_price


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedLine:
    """A line to be rated: `price` and `discounts` as on the wire, `quantity` used in `[start, end)`, in UTC, after
    `pre_quantity` that the same period had before. `events` is how many events the quantity came in, for a fee per
    event."""

    name: str
    start: datetime
    end: datetime
    invoice_at: datetime
    quantity: Decimal
    price: Mapping[str, Any] | None
    discounts: Mapping[str, Any] | None = None
    pre_quantity: Decimal = ZERO
    events: int = 0
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tax_config: Mapping[str, Any] | None = None
    feature_key: str | None = None
    id: UUID | None = None


def simulate_invoice(
    *, customer: Customer, currency: str, lines: Sequence[SimulatedLine], number: str | None = None
) -> Invoice:
    """The invoice, never saved, that `customer` would get of `lines` under the settings of now; rated and taxed as in a
    close.

    It has `shown_lines`, as stored ones have that were loaded for display. InvalidInput names each bad field;
    CannotBill where tax is enforced and no rate is known.
    """
    with exact_arithmetic():
        return _simulated(customer, currency, lines, number)


def _simulated(customer: Customer, currency: str, lines: Sequence[SimulatedLine], number: str | None) -> Invoice:
    try:
        exponent(currency)
    except InvalidInput as error:
        raise field_error("currency", error.code, error.message) from None
    now = clock.now()
    invoice = Invoice(
        id=new_id(),
        customer=customer,
        currency=currency,
        number=number,
        status=InvoiceStatus.DRAFT_CREATED,
        created_at=now,
        updated_at=now,
    )
    subjects = attributions_of([customer.id]).get(customer.id, ())
    terms = terms_of([customer.id])[customer.id]
    apply_terms(invoice, terms, customer, subjects)
    rates = tax_rates({customer.country}).get(customer.country, ())
    rated, taxed_by = [], []
    for index, line in enumerate(lines):
        rated.append(_rate(line, currency, f"lines.{index}"))
        _refuse_beyond([rated[-1].amount, rated[-1].discounts_total], currency, f"lines.{index}")
        config = None if line.tax_config is None else canonical_json(line.tax_config)
        # Billed in advance, it is taxed at its issue (billing rules 12).
        tax_point = min(line.invoice_at, line.end)
        taxed_by.append(terms_at(terms.settings.values, rates, customer, config, tax_point))
    taxes = tax_lines([(money.net, by) for money, by in zip(rated, taxed_by, strict=True)], currency)
    totals = [
        line_totals(money.amount, money.charges_total, money.discounts_total, tax)
        for money, tax in zip(rated, taxes, strict=True)
    ]
    whole = add_totals(totals, currency)
    _refuse_beyond(whole.values(), currency, "lines")
    set_columns(invoice, whole)
    invoice.due = invoice.total
    invoice.period_start = min((line.start for line in lines), default=None)
    invoice.period_end = max((line.end for line in lines), default=None)
    invoice.shown_lines = [  # type: ignore[attr-defined]
        _line(invoice, position, *each)
        for position, each in enumerate(zip(lines, rated, taxed_by, totals, strict=True), 1)
    ]
    return invoice


def _refuse_beyond(amounts: Iterable[Decimal], currency: str, field: str) -> None:
    """InvalidInput where one of `amounts`, of what `field` names, is too large to be billed."""
    amount = beyond_limit(amounts, currency)
    if amount is not None:
        limit = money_text(limit_of(currency), currency)
        raise field_error(
            field,
            "beyond_limit",
            f"{field} comes to {money_text(amount, currency)}, beyond the safety limit of {limit}: an invoice of it "
            "would not be made.",
        )


def _rate(line: SimulatedLine, currency: str, path: str) -> RatedLine:
    if line.end < line.start:
        raise field_error(f"{path}.period.to", "before_start", "The period must not end before it starts.")
    if line.price is None:
        raise field_error(f"{path}.rateCard.price", "required", "Give the line a price.")
    price = parse_price(line.price, f"{path}.rateCard.price")
    assert price is not None
    if isinstance(price, DimensionalPrice):
        raise field_error(
            f"{path}.rateCard.price.type",
            "no_figures",
            "A dimensional price takes its figures from its meter's rate card. Give the price to simulate itself.",
        )
    discounts = parse_discounts(line.discounts, f"{path}.rateCard.discounts", price=price)
    if price.is_flat:
        return rate(RatingInput(price, line.quantity or ONE, currency, discounts))
    asked = RatingInput(price, line.quantity, currency, discounts, event_count=line.events)
    if not line.pre_quantity:
        return rate(asked)
    # What came before was billed as a part of the same period: minimum and maximum count it (billing rules 3).
    before = rate(RatingInput(price, line.pre_quantity, currency, discounts, is_last_split=False))
    return rate(asked._replace(pre_quantity=line.pre_quantity, is_first_split=False, previously_billed_net=before.net))


def _line(
    invoice: Invoice,
    position: int,
    line: SimulatedLine,
    rated: RatedLine,
    taxed_by: TaxTerms | None,
    totals: Totals,
) -> InvoiceLine:
    stored = InvoiceLine(
        id=line.id or new_id(),
        invoice=invoice,
        position=position,
        kind=LineKind.FLAT if line.price and line.price["type"] == "flat" else LineKind.USAGE,
        managed_by=LineManagedBy.MANUAL,
        name=line.name,
        description=line.description,
        metadata=dict(line.metadata),
        currency=invoice.currency,
        feature_key=line.feature_key,
        period_start=line.start,
        period_end=line.end,
        invoice_at=line.invoice_at,
        price=line.price,
        discounts=line.discounts,
        tax_config=line.tax_config,
        quantity=rated.quantity,
        pre_period_quantity=line.pre_quantity,
        explain=rated.explain,
        created_at=invoice.created_at,
        updated_at=invoice.updated_at,
    )
    set_columns(stored, tax_columns(taxed_by) | totals)
    stored.phase_id = None  # type: ignore[attr-defined]
    details = details_of(stored.pk, rated, line.start, line.end)
    stored.shown_details = [InvoiceDetailedLine(**row) for row in details]  # type: ignore[attr-defined]
    return stored
