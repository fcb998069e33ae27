"""Taking tax off a customer, in whatever way: of more customers than one person may, a second person decides."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from core import clock
from core.admin.words import counted
from core.approvals.limits import count_alone, done_alone, may_act_alone, need_second_person
from core.audit.actors import current_actor
from core.jsontext import canonical_json
from core.locks import lock_customers
from core.many_ids import among
from customers.effective_settings import terms_of
from customers.models import Customer
from invoicing.closing.load import tax_rates
from invoicing.tax_guards.cuts import Change, any_cuts, forget_cuts, judge_changes, remember_cuts
from invoicing.tax_guards.losses import TaxedBy, TaxLoss, worst
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import ItemRevision, Subscription

# How acts are counted that leave a customer without tax.
TAX_OFF_RULE = "tax_off"


def tax_off_rule() -> str:
    """What one person does alone, as a sentence."""
    above = settings.TAX_OFF_TWO_PERSON_ABOVE
    return (
        f"For more than {above} customers a day, a second person approves that."
        if above
        else ("A second person approves that.")
    )


@contextmanager
def noticing_tax_off(customer: Customer) -> Iterator[None]:
    """`ApprovalNeeded` where what is done inside takes tax off a customer who had it, and one person may not do that
    alone; what one person may take off, adds up over a year. Use it within a transaction, behind the customer's lock.

    A program that says how a customer is billed who never subscribed to anything sets them up: that takes no tax off.
    A key that one person made is that person.
    """
    # Where nobody needs to be asked, there may be something that two let begin anew.
    nobody = may_act_alone() and not any_cuts([customer.pk])
    if nobody or (current_actor().is_program and never_subscribed(customer)):
        yield
        return
    before = _taxed_by(customer)
    yield
    after = _taxed_by(customer)
    if before.alike(after):
        return
    change = Change(before, after, _kept(_supplies([customer.pk])[customer.pk]))
    by_key = " A program's key, with the scope setup:write, does it for whom it sets up, or passes on an address of."
    _decide(customer.pk, change, lambda loss: tax_off_effect(str(customer), loss), by_key)


def _decide(customer_id: uuid.UUID, change: Change, effect: Callable[[TaxLoss], str], by_key: str = "") -> None:
    """Ask for a second person where the change takes tax off; begin anew where one stands behind it; and remember what
    one person alone took off."""
    judged = judge_changes({customer_id: change})
    if not judged:
        return
    loss = judged[customer_id]
    if may_act_alone():
        if loss is not None:
            forget_cuts([customer_id])
        return
    if loss is not None and count_alone(TAX_OFF_RULE, customer_id) > settings.TAX_OFF_TWO_PERSON_ABOVE:
        rule = tax_off_rule() + (by_key if current_actor().kind == "api_key" else "")
        need_second_person(rule=rule, effect=effect(loss))
    remember_cuts([(customer_id, change)])


def _kept(supplies: Iterable[str | None]) -> set[tuple[str | None, str | None]]:
    """Supplies whose own tax settings stay."""
    return {(supply, supply) for supply in supplies}


def tax_off_effect(whose: str, loss: TaxLoss | None) -> str:
    """What the change does to them, as a sentence."""
    return f"The next invoices of {whose} would be {(loss or TaxLoss.OFF).of_invoices}."


def never_subscribed(customer: Customer) -> bool:
    """Whether the customer had no subscription ever: they are being set up."""
    return not Subscription.objects.filter(customer=customer).exists()


def foresee_tax_off(
    customers: Sequence[Customer],
    before: Mapping[uuid.UUID, Mapping[str, Any]],
    after: Mapping[uuid.UUID, Mapping[str, Any]],
) -> list[Customer]:
    """The same for pages that show a change of settings before anybody confirms it: effective settings `before` and
    `after`, by customer. Nothing is counted. Who waits for a second person then. A constant number of queries."""
    if may_act_alone() or not customers:
        return []
    losing = who_loses_tax(customers, before, after)
    if not losing:
        return []
    done = done_alone(TAX_OFF_RULE, besides=[customer.pk for customer in losing])
    if done + len(losing) > settings.TAX_OFF_TWO_PERSON_ABOVE:
        whose = str(next(iter(losing))) if len(losing) == 1 else counted(len(losing), "customer")
        effect = tax_off_effect(whose, worst(losing.values()))
        need_second_person(rule=tax_off_rule(), effect=effect, many=len(losing))
        return list(losing)
    return []


def who_loses_tax(
    customers: Sequence[Customer],
    before: Mapping[uuid.UUID, Mapping[str, Any]],
    after: Mapping[uuid.UUID, Mapping[str, Any]],
) -> dict[Customer, TaxLoss]:
    """Those of `customers` who lose tax, and how, where `after` takes the place of their effective settings `before`,
    whoever does that. At most four queries."""
    judged = judge_changes(changes_of(customers, before, after))
    return {customer: loss for customer in customers if (loss := judged.get(customer.pk)) is not None}


def changes_of(
    customers: Sequence[Customer],
    before: Mapping[uuid.UUID, Mapping[str, Any]],
    after: Mapping[uuid.UUID, Mapping[str, Any]],
) -> dict[uuid.UUID, Change]:
    """What that is to each of them, of those alone whose tax settings differ. Two queries."""
    rates = tax_rates({customer.country for customer in customers})
    supplies = _supplies([customer.pk for customer in customers])
    found = {}
    for customer in customers:
        known = rates.get(customer.country, ())
        was, will = TaxedBy(before[customer.pk], customer, known), TaxedBy(after[customer.pk], customer, known)
        if not was.alike(will):
            found[customer.pk] = Change(was, will, _kept(supplies[customer.pk]))
    return found


def check_item_tax(customer_id: uuid.UUID, changes: Sequence[tuple[str, Any, Any]]) -> None:
    """`ApprovalNeeded` where items (name, tax settings before and after as on the wire) lose their tax by settings of
    their own, as `noticing_tax_off` for the whole customer."""
    differing = [(name, _as_text(was), _as_text(will)) for name, was, will in changes if was != will]
    if not differing:
        return
    lock_customers([customer_id])
    taxed = _taxed_by(Customer(pk=customer_id))
    for name, before, after in differing:
        _decide(customer_id, Change(taxed, taxed, {(before, after)}), partial(_item_effect, name))


def _item_effect(name: str, loss: TaxLoss) -> str:
    return f"{name} would be {loss.of_supplies}."


def _as_text(config: Any) -> str | None:
    return None if config is None else canonical_json(config)


def _taxed_by(customer: Customer) -> TaxedBy:
    """How the customer is taxed now, as it is stored."""
    stored = Customer.objects.get(pk=customer.pk)
    values = terms_of([stored.pk])[stored.pk].settings.values
    return TaxedBy(values, stored, tax_rates({stored.country}).get(stored.country, ()))


def _supplies(customer_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[str | None]]:
    """By customer the tax settings of what they are charged, now or later, also of what is over and yet to be billed,
    as JSON text; and always None, for what has none. One query."""
    now = clock.now()
    theirs = among(Subscription.objects.filter(still_billed(now)), "customer_id", customer_ids)
    unbilled = Q(active_to__gt=F("item__subscription__reconcile_from"))
    still = Q(active_to__isnull=True) | Q(active_to__gt=now) | unbilled
    rows = ItemRevision.objects.filter(still, item__subscription__in=theirs, tax_config__isnull=False)
    found: dict[uuid.UUID, set[str | None]] = {pk: {None} for pk in customer_ids}
    for customer_id, config in rows.order_by().values_list("item__subscription__customer_id", "tax_config").distinct():
        found[customer_id].add(canonical_json(config))
    return found
