"""Find anything: by number, key, name, e-mail, exact amount, id or a payment provider's id."""

import re
from typing import Any

from django.db.models import Model, Q, QuerySet
from unfold.dataclasses import SearchResult

from core import ids
from core.admin.display import admin_url
from core.admin.search import amount_of
from core.admin.words import amount_text
from customers.models import Customer, CustomerAppData
from invoicing.bank_statements.match import number_reader
from invoicing.models import CreditNote, Invoice, Payment, Refund
from subscriptions.models import AddOn, Coupon, Plan, Subscription

PER_KIND = 10
_PRINTED = re.compile(r"[A-Z0-9/-]+-[0-9]{6,}", re.ASCII)


def find(user: Any, term: str) -> list[SearchResult]:
    """What the term may mean, at most ten of each kind, of the kinds that `user` may read."""
    results: list[SearchResult] = []
    if user.has_perm("customers.view_customer"):
        results += [_customer(customer) for customer in _customers(term)]
    if user.has_perm("invoicing.view_invoice"):
        results += [_invoice(invoice) for invoice in _invoices(term)]
    if user.has_perm("invoicing.view_payment"):
        results += [_payment(payment) for payment in _payments(term)]
    if user.has_perm("invoicing.view_creditnote"):
        notes = _numbered(CreditNote.objects.select_related("customer"), term)
        results += [_result(note, f"Credit note · {note.customer}", "undo") for note in notes]
    if user.has_perm("subscriptions.view_subscription"):
        results += [_result(found, "Subscription", "autorenew") for found in _by_id(Subscription, term, "customer")]
    if user.has_perm("subscriptions.view_plan"):
        plans = Plan.objects.filter(Q(key__iexact=term) | Q(name__istartswith=term), deleted_at__isnull=True)
        results += [_result(plan, f"Plan {plan.key}", "inventory_2") for plan in plans[:PER_KIND]]
    if user.has_perm("subscriptions.view_addon"):
        addons = AddOn.objects.filter(Q(key__iexact=term) | Q(name__istartswith=term), deleted_at__isnull=True)
        results += [_result(addon, f"Add-on {addon.key}", "add_box") for addon in addons[:PER_KIND]]
    if user.has_perm("subscriptions.view_coupon"):
        coupons = Coupon.objects.filter(code__iexact=term)
        results += [_result(coupon, "Coupon", "sell") for coupon in coupons[:PER_KIND]]
    return results


def _customers(term: str) -> list[Customer]:
    known = _by_id(Customer, term)
    if known:
        return known
    starts = Q(name__istartswith=term) | Q(key__istartswith=term) | Q(primary_email__istartswith=term)
    found = list(Customer.objects.filter(starts)[:PER_KIND])
    at_provider = CustomerAppData.objects.filter(external_id=term).select_related("customer")
    return found + [data.customer for data in at_provider[:PER_KIND] if data.customer not in found]


def _invoices(term: str) -> list[Invoice]:
    known = _by_id(Invoice, term, "customer")
    if known:
        return known
    invoices = Invoice.objects.select_related("customer")
    found = _numbered(invoices, term)
    amount = amount_of(term)
    if amount is None:
        return found
    by_amount = invoices.filter(total=amount, issued_at__isnull=False).order_by("-issued_at")
    return found + list(by_amount[:PER_KIND])


def _numbered(documents: QuerySet[Any], term: str) -> list[Any]:
    """Those with the number that the term is; else with one that it may be read as: `acme2 1`, `ACME2000001`."""
    found = list(documents.filter(number=term.upper())[:PER_KIND])
    readable = any(character.isdigit() for character in term) and amount_of(term) is None
    if found or not readable or _PRINTED.fullmatch(term.upper()):
        return found
    numbers = [number for one in number_reader().read(term) for number in one.numbers]
    return list(documents.filter(number__in=numbers)[:PER_KIND]) if numbers else []


def _payments(term: str) -> list[Payment]:
    """By the bank's or the customer's reference, by the provider's id, also that of a refund. Each by its own index."""
    payments = Payment.objects.select_related("invoice__customer").order_by("-created_at", "-id")
    found = list(payments.filter(Q(external_id=term) | Q(reference=term))[:PER_KIND])
    refunds = Refund.objects.filter(external_id=term).select_related("payment__invoice__customer")
    return found + [refund.payment for refund in refunds[:PER_KIND] if refund.payment not in found]


def _by_id(model: type[Model], term: str, *related: str) -> list[Any]:
    known = ids.from_text(term)
    if known is None:
        return []
    rows: QuerySet[Any] = model._default_manager.filter(pk=known)
    return list(rows.select_related(*related) if related else rows)


def _customer(customer: Customer) -> SearchResult:
    known_as = ", ".join(part for part in (customer.key, customer.primary_email) if part)
    return SearchResult(customer.name, f"Customer · {known_as}", admin_url(customer), "groups")


def _invoice(invoice: Invoice) -> SearchResult:
    total = f"{amount_text(invoice.total, invoice.currency)} {invoice.currency}"
    description = f"{invoice.customer} · {total} · {invoice.get_status_display()}"
    return SearchResult(str(invoice), description, admin_url(invoice), "receipt_long")


def _payment(payment: Payment) -> SearchResult:
    amount = f"{amount_text(payment.amount, payment.currency)} {payment.currency}"
    known_as = payment.reference or payment.external_id or ""
    description = f"Payment · {payment.invoice.customer} · {payment.get_status_display()} · {known_as}"
    return SearchResult(f"{amount} for {payment.invoice}", description, admin_url(payment), "payments")


def _result(obj: Model, description: str, icon: str) -> SearchResult:
    return SearchResult(str(obj), description, admin_url(obj), icon)
