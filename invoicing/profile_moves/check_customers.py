"""Checks whether customers can be moved to a billing profile, and what stays behind (billing rules 5).

Everything is read for a whole batch at once: the number of queries does not depend on the number of customers.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, Sum

from core.admin.words import joined
from core.ids import to_text
from core.money import ZERO, to_wire
from customers.choices import CollectionMethod
from customers.effective_settings import Terms, profile_values, terms_of
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.choices import OPEN_STATUSES, UNISSUED_STATUSES, InvoiceStatus, LineKind, LineStatus, WindowKind
from invoicing.gateways import CheckProblem, PaymentMethodCheck
from invoicing.models import BalanceEntry, BilledWindow, Invoice, InvoiceLine
from invoicing.profile_moves.causes import Cause, CauseCode, Link
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription

_SHOWN = 5
_NO_ANSWER = PaymentMethodCheck()
_PROBLEMS = {
    CheckProblem.NO_CUSTOMER_ID: CauseCode.NO_CUSTOMER_ID,
    CheckProblem.NO_PAYMENT_METHOD: CauseCode.NO_PAYMENT_METHOD,
    CheckProblem.UNREACHABLE: CauseCode.APP_UNREACHABLE,
}


@dataclass(slots=True)
class _Facts:
    """What is known of one customer."""

    customer: Customer
    terms: Terms
    method: str
    currencies: set[str] = field(default_factory=set)
    # By the name of the profile, or of the app, that each has frozen: the customer may have another one by now.
    drafts: dict[str, list[Link]] = field(default_factory=dict)
    unpaid: dict[str, list[Link]] = field(default_factory=dict)
    balances: list[str] = field(default_factory=list)
    owed_by: set[str] = field(default_factory=set)
    paid_until: datetime | None = None
    paid_to: set[str] = field(default_factory=set)
    unused: list[Link] = field(default_factory=list)
    # Lines that are billed in parts: their names, and when the last of their periods ends.
    in_parts: list[str] = field(default_factory=list)
    in_parts_until: datetime | None = None


def check_customers(
    customer_ids: Collection[uuid.UUID],
    *,
    target: BillingProfile,
    answers: Mapping[uuid.UUID, PaymentMethodCheck],
    now: datetime,
) -> dict[uuid.UUID, tuple[Cause, ...]]:
    """What stands in the way of moving each of these customers to `target`, as of `now`; blocks come first.

    `answers` are those of the target's app (`ask_app`); a customer without one is taken to be fine there. What only
    matters between suppliers is looked at where the supplier changes. Of drafts and invoices it is said what they have
    frozen, whatever bills the customer now. Nine queries.
    """
    facts = _facts_of(customer_ids, target)
    _add_currencies(facts, now)
    _add_invoices(facts)
    crossing = [key for key, known in facts.items() if known.terms.profile.supplier_id != target.supplier_id]
    if crossing:
        _add_balances(facts, crossing)
        _add_unused_periods(facts, crossing, target, now)
        _add_open_parts(facts, crossing)
    return {
        key: tuple(_causes(known, target, answers.get(key, _NO_ANSWER), crosses=key in set(crossing)))
        for key, known in facts.items()
    }


def _facts_of(customer_ids: Collection[uuid.UUID], target: BillingProfile) -> dict[uuid.UUID, _Facts]:
    terms = terms_of(customer_ids)
    own = dict(
        CustomerOverride.objects.filter(customer_id__in=customer_ids, collection_method__isnull=False).values_list(
            "customer_id", "collection_method"
        )
    )
    method = profile_values(target)["collection_method"]
    return {
        customer.id: _Facts(customer, terms[customer.id], own.get(customer.id) or method)
        for customer in Customer.objects.filter(pk__in=customer_ids).order_by("id")
    }


def _add_currencies(facts: Mapping[uuid.UUID, _Facts], now: datetime) -> None:
    live = Subscription.objects.filter(still_billed(now), customer_id__in=list(facts))
    for customer_id, currency in live.order_by().values_list("customer_id", "currency").distinct():
        facts[customer_id].currencies.add(currency)
    for known in facts.values():
        if not known.currencies and known.customer.currency:
            known.currencies.add(known.customer.currency)


def _add_invoices(facts: Mapping[uuid.UUID, _Facts]) -> None:
    open_now = Q(status__in=UNISSUED_STATUSES) | Q(status__in=OPEN_STATUSES, due__gt=0)
    rows = Invoice.objects.filter(open_now, customer_id__in=list(facts)).order_by("created_at", "id")
    found = rows.values_list("id", "customer_id", "number", "profile__name", "app__name")
    for invoice_id, customer_id, number, profile, app in found:
        known, text = facts[customer_id], to_text(invoice_id)
        if number is None:
            known.drafts.setdefault(profile or "", []).append(Link("invoice", text, f"Draft {text[-10:]}"))
        else:
            known.unpaid.setdefault(app or "", []).append(Link("invoice", text, number))


def _add_balances(facts: Mapping[uuid.UUID, _Facts], crossing: Collection[uuid.UUID]) -> None:
    entries = BalanceEntry.objects.filter(customer_id__in=crossing).order_by("currency")
    rows = entries.values_list("customer_id", "currency", "invoice__supplier_snapshot__name").annotate(
        moved=Sum("amount"), came_in=Sum("amount", filter=Q(amount__gt=0))
    )
    left: dict[tuple[uuid.UUID, str], Decimal] = {}
    owed_by: dict[tuple[uuid.UUID, str], set[str]] = {}
    for customer_id, currency, supplier, moved, came_in in rows:
        key = (customer_id, currency)
        left[key] = left.get(key, ZERO) + moved
        if came_in and supplier:
            owed_by.setdefault(key, set()).add(supplier)
    for (customer_id, currency), balance in left.items():
        if balance:
            known = facts[customer_id]
            known.balances.append(f"{to_wire(balance)} {currency}")
            # Whose invoices it came from: an entry of none is owed by whoever bills the customer now.
            known.owed_by |= owed_by.get((customer_id, currency)) or {str(known.terms.profile.supplier)}


def _add_unused_periods(
    facts: Mapping[uuid.UUID, _Facts], crossing: Collection[uuid.UUID], target: BillingProfile, now: datetime
) -> None:
    # A one-time fee has a window without an end: nothing of it is left to use.
    fees = InvoiceLine.objects.filter(window=OuterRef("pk"), kind=LineKind.FLAT)
    windows = BilledWindow.objects.filter(
        Exists(fees),
        item__subscription__customer_id__in=crossing,
        kind=WindowKind.CHARGE,
        span__endswith__gt=now,
        span__upper_inf=False,
    ).exclude(invoice__supplier=target.supplier_id)
    rows = windows.order_by("invoice__created_at", "pk").values_list(
        "item__subscription__customer_id",
        "span",
        "invoice_id",
        "invoice__number",
        "invoice__supplier_snapshot__name",
    )
    for customer_id, span, invoice_id, number, supplier in rows:
        known = facts[customer_id]
        known.paid_to.add(supplier or str(known.terms.profile.supplier))
        known.paid_until = max(known.paid_until or span.upper, span.upper)
        text = to_text(invoice_id)
        link = Link("invoice", text, number or f"Draft {text[-10:]}")
        if link not in known.unused:
            known.unused.append(link)


def _add_open_parts(facts: Mapping[uuid.UUID, _Facts], crossing: Collection[uuid.UUID]) -> None:
    groups = InvoiceLine.objects.filter(
        status=LineStatus.SPLIT,
        deleted_at__isnull=True,
        invoice__status=InvoiceStatus.GATHERING,
        invoice__customer_id__in=crossing,
    )
    rows = groups.order_by("period_end", "id").values_list("invoice__customer_id", "name", "period_end")
    for customer_id, name, end in rows:
        known = facts[customer_id]
        known.in_parts_until = end
        if name not in known.in_parts:
            known.in_parts.append(name)


def _causes(known: _Facts, target: BillingProfile, answer: PaymentMethodCheck, *, crosses: bool) -> Iterable[Cause]:
    yield from _blocks(known, target, answer, crosses=crosses)
    if known.drafts:
        said = " ".join(_staying(profile, links) for profile, links in known.drafts.items())
        yield Cause(CauseCode.OPEN_DRAFTS, said, _first_of(known.drafts))
    if known.unpaid:
        said = " ".join(_still_collected(app, links) for app, links in known.unpaid.items())
        yield Cause(CauseCode.UNPAID_INVOICES, said, _first_of(known.unpaid))
    threshold = target.progressive_threshold_currency if target.progressive_billing else ""
    if threshold and known.currencies and threshold not in known.currencies:
        theirs = ", ".join(sorted(known.currencies))
        yield Cause(
            CauseCode.THRESHOLD_CURRENCY,
            f"The threshold of “{target}” is in {threshold}; it will not act on what is billed in {theirs}.",
        )


def _staying(profile: str, drafts: Sequence[Link]) -> str:
    said = "1 draft stays" if len(drafts) == 1 else f"{len(drafts)} drafts stay"
    return f"{said} on “{profile}”, with its terms."


def _still_collected(app: str, unpaid: Sequence[Link]) -> str:
    numbers = ", ".join(link.label for link in unpaid[:_SHOWN])
    more = f" and {len(unpaid) - _SHOWN} more" if len(unpaid) > _SHOWN else ""
    verb = "is" if len(unpaid) == 1 else "are"
    return f"{numbers}{more} {verb} unpaid and {verb} still collected through “{app}”."


def _first_of(groups: Mapping[str, Sequence[Link]]) -> tuple[Link, ...]:
    return tuple(link for links in groups.values() for link in links[:_SHOWN])


def _blocks(known: _Facts, target: BillingProfile, answer: PaymentMethodCheck, *, crosses: bool) -> Iterable[Cause]:
    who = Link("customer", to_text(known.customer.id), known.customer.name)
    if known.customer.deleted_at is not None:
        yield Cause(CauseCode.CUSTOMER_DELETED, f"{known.customer} was deleted.", (who,))
    if known.method == CollectionMethod.CHARGE_AUTOMATICALLY and answer.problem is not None:
        yield Cause(_PROBLEMS[answer.problem], answer.message or _what_to_do(answer.problem, target), (who,))
    others = known.currencies - {answer.currency.upper()} if answer.currency else set()
    if answer.currency and others:
        yield Cause(
            CauseCode.OTHER_CURRENCY,
            f"“{target.app}” bills this customer in {answer.currency.upper()}, and here they are billed in "
            f"{', '.join(sorted(others))}.",
            (who,),
        )
    if not crosses:
        return
    if known.balances:
        yield Cause(
            CauseCode.BALANCE,
            f"A balance of {' and '.join(known.balances)} is owed by {joined(sorted(known.owed_by))}: use it up or pay "
            "it out first.",
            (who,),
        )
    if known.paid_until is not None:
        yield Cause(
            CauseCode.UNUSED_PERIODS,
            f"Billed in advance by {joined(sorted(known.paid_to))} until {known.paid_until:%-d %B %Y %H:%M} UTC: wait "
            "until then, or credit what is unused.",
            tuple(known.unused[:_SHOWN]),
        )
    if known.in_parts_until is not None:
        yield Cause(
            CauseCode.OPEN_PARTS,
            f"A part of {joined(known.in_parts)} is billed, and the rest until {known.in_parts_until:%-d %B %Y %H:%M} "
            "UTC is not: wait until then.",
            (who,),
        )


def _what_to_do(problem: CheckProblem, target: BillingProfile) -> str:
    if problem == CheckProblem.NO_CUSTOMER_ID:
        return f"No customer id at “{target.app}” is known: set it on the customer's page."
    if problem == CheckProblem.NO_PAYMENT_METHOD:
        return f"No valid default payment method at “{target.app}”: the customer must add one."
    return f"“{target.app}” gave no answer: try again."
