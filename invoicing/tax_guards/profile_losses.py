"""Whom other settings of a profile would take tax off: asked by place and own settings, not one by one."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet

from core import clock
from customers.models import Customer
from invoicing.closing.load import tax_rates
from invoicing.tax_guards.losses import ANY_SUPPLY, TaxedBy, TaxLoss, loses_tax

# The settings that decide whether there is a tax.
TAX_FIELDS = ("tax_enabled", "tax_enforced", "tax_code")
_OWN = tuple(f"billing_override__{name}" for name in TAX_FIELDS)


class Losing(NamedTuple):
    """`many` customers of one place and the same own settings, and how they lose tax."""

    customers: QuerySet[Customer]
    many: int
    loss: TaxLoss


def losing_under(customers: QuerySet[Customer], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Losing]:
    """Those of `customers` whose tax is lost where `after` takes the place of the profile's settings `before`. What
    they set themselves stays theirs. Two queries, one of which reads all of `customers` once."""
    if all(before[name] == after[name] for name in TAX_FIELDS):
        return []
    return list(_losing(customers, before, after))


def _losing(customers: QuerySet[Customer], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Losing]:
    groups = list(customers.order_by().values("country", "state", *_OWN).annotate(many=Count("pk")))
    rates, now = tax_rates({group["country"] for group in groups}), clock.now()
    for group in groups:
        many = group.pop("many")
        place = Customer(country=group["country"], state=group["state"])
        was, will = (
            TaxedBy(_laid_over(settings, group), place, rates.get(place.country, ())) for settings in (before, after)
        )
        loss = loses_tax(was, will, ANY_SUPPLY, now=now)
        if loss is not None:
            theirs = {name: value for name, value in group.items() if value is not None}
            unset = {f"{name}__isnull": True for name, value in group.items() if value is None}
            yield Losing(customers.filter(**theirs, **unset), many, loss)


def _laid_over(settings: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under those of the group's own; a text that is empty says nothing."""
    own = {name: group[f"billing_override__{name}"] for name in TAX_FIELDS}
    return {**settings, **{name: value for name, value in own.items() if value not in (None, "")}}
