"""Whom other settings of a profile would take tax off: asked by place and own settings, not one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet

from core import clock
from core.approvals.limits import may_act_alone
from customers.models import Customer
from invoicing.closing.load import tax_rates
from invoicing.tax_guards.cuts import NO_CUTS, Change, Cuts, cuts_among, forget_cuts, loss_of, remember_cuts
from invoicing.tax_guards.losses import ANY_SUPPLY, TAX_FIELDS, TaxedBy, TaxLoss, lowers_tax

_GROUPED_BY = ("country", "state", *(f"billing_override__{name}" for name in TAX_FIELDS))
_ANYTHING = tuple((supply, supply) for supply in ANY_SUPPLY)


class Losing(NamedTuple):
    """`many` customers of one place and the same own settings, and how they lose tax."""

    customers: QuerySet[Customer]
    many: int
    loss: TaxLoss


class _Group(NamedTuple):
    """Customers of one place and the same own settings, whose rate falls by the change; `values` say which."""

    values: Mapping[str, Any]
    many: int
    change: Change

    def among(self, customers: QuerySet[Customer]) -> QuerySet[Customer]:
        theirs = {name: value for name, value in self.values.items() if value is not None}
        unset = {f"{name}__isnull": True for name, value in self.values.items() if value is None}
        return customers.filter(**theirs, **unset)


def losing_under(customers: QuerySet[Customer], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Losing]:
    """Those of `customers` whose tax is lost where `after` takes the place of the profile's settings `before`, with
    what single persons took off within a year. What they set themselves stays theirs. Two queries, one of which reads
    all of `customers` once; three more where a rate falls."""
    losing, bearable, now = [], {}, clock.now()
    for group in _falling(customers, before, after):
        if loss := loss_of(group.change, NO_CUTS, now=now):
            losing.append(Losing(group.among(customers), group.many, loss))
        else:
            bearable[tuple(group.values.values())] = group.change
    cuts = cuts_among(customers) if bearable else {}
    if cuts:
        rows = customers.filter(pk__in=list(cuts)).order_by().values_list("pk", *_GROUPED_BY)
        pushed = [pk for pk, *group in rows if _is_too_much(bearable.get(tuple(group)), cuts[pk], now)]
        if pushed:
            losing.append(Losing(customers.filter(pk__in=pushed), len(pushed), TaxLoss.STEPS))
    return losing


def note_cuts(customers: QuerySet[Customer], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Remember whose rate falls by that, where one person does it: as many rows as one may reach. Where two do, begin
    anew with who loses tax. Before the change, behind the lock of all customers."""
    if may_act_alone():
        for group in losing_under(customers, before, after):
            forget_cuts(group.customers)
        return
    for falling in _falling(customers, before, after):
        reached = falling.among(customers).order_by().values_list("pk", flat=True)
        remember_cuts((pk, falling.change) for pk in reached.iterator())


def _is_too_much(change: Change | None, cuts: Cuts, now: datetime) -> bool:
    """Whether a change that one person may make by itself is too much with what was taken off before."""
    if change is None:
        return False
    changed_to = [(supply, supply) for supply in cuts.supplies]
    return loss_of(replace(change, supplies=[*change.supplies, *changed_to]), cuts, now=now) is not None


def _falling(customers: QuerySet[Customer], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[_Group]:
    if all(before[name] == after[name] for name in TAX_FIELDS):
        return
    groups = list(customers.order_by().values(*_GROUPED_BY).annotate(many=Count("pk")))
    rates, now = tax_rates({group["country"] for group in groups}), clock.now()
    for group in groups:
        many = group.pop("many")
        place = Customer(country=group["country"], state=group["state"])
        was, will = (
            TaxedBy(_laid_over(settings, group), place, rates.get(place.country, ())) for settings in (before, after)
        )
        if lowers_tax(was, will, _ANYTHING, now=now):
            yield _Group({name: group[name] for name in _GROUPED_BY}, many, Change(was, will, _ANYTHING))


def _laid_over(settings: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under those of the group's own; a text that is empty says nothing."""
    own = {name: group[f"billing_override__{name}"] for name in TAX_FIELDS}
    return {**settings, **{name: value for name, value in own.items() if value not in (None, "")}}
