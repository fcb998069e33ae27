"""Bills at once what a customer has used in running periods up to a moment, by hand (billing rules 7)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput, PreconditionFailed
from core.locks import lock_customers
from customers.effective_settings import Terms, terms_of
from customers.models import Customer
from invoicing.closing.close import returns_none
from invoicing.closing.close_customers import bill_customer
from invoicing.closing.park_customer import parked_customer
from invoicing.errors import CustomerParked
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.lifecycle.selectors import invoices_for_display
from invoicing.models import Invoice, InvoiceLine
from invoicing.payments.collect import collect_invoices
from invoicing.progressive.split_periods import split_periods
from invoicing.progressive.splittable import NOTHING_YET, WORDS, Unsplittable


@dataclass(frozen=True, slots=True)
class LeftWhole:
    """A line that waits for the end of its period, and why."""

    name: str
    currency: str
    start: datetime
    end: datetime
    zone: str
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """The invoices over the parts, each with `shown_lines` where they are only previewed, and what was left whole."""

    invoices: list[Invoice]
    whole: list[LeftWhole]


def why_not_split_now(customer: Customer, terms: Terms) -> str:
    """Why nothing of a customer on these terms is split, with the way to change that; "" where it can be."""
    if terms.settings.values["progressive_billing"]:
        return ""
    origin = terms.settings.origins["progressive_billing"] or "default profile"
    return (
        f"{customer} is not billed progressively ({origin}). Turn progressive billing on in the profile "
        f"“{terms.profile.name}”, or for this customer alone in their effective settings."
    )


def split_now(*, customer: Customer, as_of: datetime | None = None, preview: bool = False) -> Split:
    """Split the customer's usage that is running at `as_of` (UTC; by default now, never later) and bill the parts up to
    then, and nothing else: what is due already waits for its close.

    PreconditionFailed where the customer is not billed progressively, CustomerParked where they are parked.
    InvalidInput where `as_of` lies in the future or not after the last split, or where nothing can be split; with
    `preview`, the last comes back without invoices. With `preview`, all is undone again, and nothing charged.
    """
    now = clock.now()
    is_chosen, as_of = as_of is not None, as_of or now
    if as_of > now:
        raise InvalidInput(
            "It can't be split in the future. Nothing was invoiced. Choose now or an earlier time.",
            problems=[FieldProblem("asOf", "in_the_future", "must not lie in the future")],
        )
    with transaction.atomic(), uncounted(when=preview):
        sync_customers([customer.id], as_of=as_of)
        lock_customers([customer.id])
        parked = parked_customer(customer.id)
        if parked is not None:
            raise CustomerParked(customer=str(customer), cause=parked.cause)
        why_not = why_not_split_now(customer, terms_of([customer.id])[customer.id])
        if why_not:
            raise PreconditionFailed(f"{why_not} Nothing was invoiced.", code="not_progressive")
        split = split_periods(customer.id, as_of=as_of, is_chosen=is_chosen)
        whole = _left_whole({**dict.fromkeys(split.empty, NOTHING_YET), **_words(split.whole)})
        if not split.parts:
            if preview:
                transaction.set_rollback(True)
                return Split([], whole)
            raise InvalidInput(
                f"{customer} has nothing to split as of {as_of:%Y-%m-%d %H:%M} UTC. Nothing was invoiced."
                + "".join(f" {line.name}: {line.why}." for line in whole),
                code="nothing_to_split",
            )
        made = bill_customer(customer.id, as_of=as_of, select=split.takes, give_back=returns_none).invoices
        ids = [document.id for document in made]
        record(
            verb="split_now",
            target=customer,
            did=f"split the running usage of {customer} at {as_of:%Y-%m-%d %H:%M} UTC and invoiced what was used",
            customer_id=customer.id,
        )
        if preview:
            shown = list(invoices_for_display(lines=True).filter(pk__in=ids).order_by("created_at", "id"))
            transaction.set_rollback(True)
            return Split(shown, whole)
    collect_invoices(ids, as_of=clock.now())
    return Split(list(Invoice.objects.filter(pk__in=ids).order_by("created_at", "id")), whole)


def _words(whole: Mapping[uuid.UUID, Unsplittable]) -> dict[uuid.UUID, str]:
    return {line_id: WORDS[cause] for line_id, cause in whole.items()}


def _left_whole(reasons: Mapping[uuid.UUID, str]) -> list[LeftWhole]:
    """The waiting lines of these ids in the order of the gathering invoice. One query."""
    lines = InvoiceLine.objects.counted().filter(pk__in=reasons).select_related("subscription")
    return [
        LeftWhole(
            line.name,
            line.currency,
            line.period_start,
            line.period_end,
            line.subscription.time_zone if line.subscription else "UTC",
            reasons[line.pk],
        )
        for line in lines.order_by("currency", "subscription_id", "position", "id")
    ]
