"""Decides how each line is taxed, and works out an invoice's tax (billing rules 12)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from customers.choices import TaxBehavior
from customers.models import Customer
from invoicing.closing.documents import InvoiceDocument, RatedDocumentLine
from invoicing.closing.load import LoadedCustomer
from invoicing.errors import CannotBill
from invoicing.tax import RateFacts, TaxTerms, rate_for, tax_lines
from subscriptions.schedule.obligations import in_advance


def find_tax_terms(document: InvoiceDocument, issued_at: datetime) -> None:
    """Say of each charge of `document` how it is taxed. CannotBill where tax is enforced and no rate is known."""
    for line in document.lines:
        line.tax_terms = terms_of_line(document.loaded, line, issued_at)
    for charge in document.manual:
        charge.tax_terms = terms_at(
            document.terms.settings.values,
            document.loaded.tax_rates,
            document.loaded.customer,
            charge.manual.tax_config,
            issued_at if charge.manual.in_advance else charge.end,
        )
    for late in document.late:
        # It belongs to the same supply as what it adds to: the end of the service period.
        late.tax_terms = terms_at(
            document.loaded.terms_for(late.subscription_id).settings.values,
            document.loaded.tax_rates,
            document.loaded.customer,
            late.tax_config,
            late.end,
        )


def tax_document(document: InvoiceDocument) -> None:
    """Give each line of `document` its tax, by the terms that it has."""
    taxes = tax_lines([(entry.net, entry.tax_terms) for entry in document.entries], document.currency)
    for entry, tax in zip(document.entries, taxes, strict=True):
        entry.tax = tax


def terms_of_line(loaded: LoadedCustomer, line: RatedDocumentLine, issued_at: datetime) -> TaxTerms | None:
    """How a line is taxed: at the tax point, the service period's end, or, for what is billed in advance, the date of
    issue, `issued_at`. A document that is not issued when it is made is taxed again when it is."""
    # By its price, and not by when it falls due: what is added to a fee in arrears later is for the same supply.
    due_first = in_advance(line.planned.obligation.revision)
    return terms_at(
        loaded.terms_for(line.subscription_id).settings.values,
        loaded.tax_rates,
        loaded.customer,
        line.planned.terms.tax_config,
        issued_at if due_first else line.planned.end,
    )


def terms_at(
    settings: Mapping[str, Any],
    rates: Sequence[RateFacts],
    customer: Customer,
    tax_config: str | None,
    tax_point: datetime,
) -> TaxTerms | None:
    """How a supply to the customer's place is taxed at `tax_point`, by the customer's effective `settings` and its own
    `tax_config` (JSON text). CannotBill where tax is enforced and no rate is known."""
    if not settings["tax_enabled"]:
        return None
    code, behavior = _config(tax_config)
    found = rate_for(
        rates,
        country=customer.country,
        region=customer.state,
        category=code or settings["tax_code"] or "",
        tax_point=tax_point,
    )
    if found is None:
        if settings["tax_enforced"]:
            place = customer.country or "a customer without a country"
            raise CannotBill(
                f"Tax is enforced, but no tax rate is known for {place}. Add the rate, or the customer's address, then "
                "release the customer.",
                code="no_tax_rate",
            )
        return None
    inclusive = (behavior or settings["tax_behavior"]) == TaxBehavior.INCLUSIVE
    return TaxTerms(found.rate, inclusive, found.name)


def code_of(tax_config: str | None) -> str | None:
    """The tax code of a rate card's tax settings (JSON text), None where they name none."""
    return _config(tax_config)[0]


@lru_cache(maxsize=1024)
def _config(text: str | None) -> tuple[str | None, str | None]:
    """The tax code and behaviour of a rate card's tax settings."""
    if text is None:
        return None, None
    config = json.loads(text) or {}
    return (config.get("stripe") or {}).get("code"), config.get("behavior")
