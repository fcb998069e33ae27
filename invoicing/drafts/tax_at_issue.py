"""Taxes what drafts bill in advance at the date of their issue (billing rules 12)."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast

from core.bulk import update_rows
from customers.models import Customer
from invoicing.choices import LineKind
from invoicing.closing.load import tax_rates
from invoicing.closing.taxation import terms_at
from invoicing.corrections.credit_rows import tax_columns
from invoicing.corrections.retax_drafts import retax
from invoicing.lifecycle.issue_dates import IssueDates, tax_point
from invoicing.models import Invoice, InvoiceLine
from subscriptions.pricing import IN_ARREARS


def tax_at_issue(invoice_ids: Collection[uuid.UUID], *, now: datetime, dates: IssueDates) -> None:
    """Give the lines in advance of these drafts the rates of `now`, their tax point (or of the later
    date of issue that `dates` has for their supplier), and add the drafts up again where
    that changes anything. Supplies, place and settings are those that the drafts have frozen.

    In the transaction that issues them. CannotBill where tax is enforced and no rate is known any more. Two queries,
    and a fixed number more where a rate has changed.
    """
    # A price that doesn't say when is in advance, and SQL compares what is missing with nothing.
    due_first = Q(price__paymentTerm__isnull=True) | ~Q(price__paymentTerm=IN_ARREARS)
    in_advance = InvoiceLine.objects.counted().filter(
        due_first,
        invoice_id__in=invoice_ids,
        invoice__issued_at__isnull=True,
        kind=LineKind.FLAT,
    )
    lines = in_advance.order_by("invoice_id", "position", "id").values_list(
        "id",
        "invoice_id",
        Cast("tax_config", TextField()),
        "tax_rate",
        "tax_name",
        "tax_behavior",
        "invoice__supplier_id",
        "invoice__workflow_snapshot",
        "invoice__customer_snapshot",
    )
    found = [(*row[:-2], row[-2]["values"], place_of(row[-1])) for row in lines if row[-2]["values"]["tax_enabled"]]
    rates = tax_rates({place.country for *_, place in found}) if found else {}
    changed: list[tuple[Any, ...]] = []
    drafts: set[uuid.UUID] = set()
    for line_id, invoice_id, config, rate, name, behavior, supplier_id, settings, place in found:
        issued_at = tax_point(dates, supplier_id, now)
        terms = terms_at(settings, rates.get(place.country, ()), place, None if config == "null" else config, issued_at)
        taxed = tax_columns(terms)
        if taxed != {"tax_rate": rate, "tax_name": name, "tax_behavior": behavior}:
            changed.append((line_id, *taxed.values(), now))
            drafts.add(invoice_id)
    update_rows(InvoiceLine, ("tax_rate", "tax_name", "tax_behavior", "updated_at"), changed)
    if drafts:
        # Their numbers are taken next: should this take some of credit notes, all series are locked together.
        issuers = Invoice.objects.filter(pk__in=invoice_ids, issued_at__isnull=True).order_by()
        billed_by = set(issuers.exclude(supplier=None).values_list("supplier_id", flat=True))
        retax(drafts, now=now, billed_by=billed_by)


def place_of(snapshot: dict[str, Any]) -> Customer:
    """Where the customer was, as far as tax asks."""
    address = snapshot.get("address") or {}
    return Customer(country=address.get("country", ""), state=address.get("state", ""))
