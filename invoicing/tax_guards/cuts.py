"""What single persons took off a customer's tax rates within a year: it adds up, whoever they were and by whatever way.

Behind a customer's lock, or that of all customers, so that two at once see each other.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from core import clock
from core.jsontext import canonical_json
from core.many_ids import among
from customers.models import Customer
from invoicing.closing.load import tax_rates
from invoicing.closing.taxation import code_of
from invoicing.models import TaxCut
from invoicing.tax import RateFacts
from invoicing.tax_guards.losses import REMEMBERED, Taxed, TaxedBy, TaxLoss, loses_tax, lowers_tax

# How a place's rates are read of terms that are over: they charged tax.
_TAXED = {"tax_enabled": True, "tax_enforced": False, "tax_behavior": "exclusive"}
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """How a customer is taxed `before` and `after`, and the tax settings (JSON text) of what they are sold, each with
    what it was and what it becomes."""

    before: TaxedBy
    after: TaxedBy
    supplies: Collection[tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is remembered of one customer, with the rates of all its places."""

    rows: Sequence[TaxCut]
    rates: Mapping[str, Sequence[RateFacts]]

    def terms_before(self, supply: str | None) -> list[Taxed]:
        """The terms by which the supply was taxed within a year, before somebody lowered its rate alone: all that the
        customer had, with every code that led to its own."""
        codes = {code_of(supply) or ""}
        while more := {row.code_before for row in self.rows if row.code_after in codes} - codes:
            codes |= more
        supplies = {supply} | {_supply(code) for code in codes - {code_of(supply) or ""}}
        return [(taxed, before) for taxed in map(self._terms, self.rows) for before in supplies]

    @property
    def supplies(self) -> set[str | None]:
        """The tax settings that items have since somebody lowered theirs."""
        return {_supply(row.code_after) for row in self.rows}

    def _terms(self, row: TaxCut) -> TaxedBy:
        settings = _TAXED | {"tax_code": row.tax_code or None}
        return TaxedBy(settings, Customer(country=row.country, state=row.state), self.rates.get(row.country, ()))


NO_CUTS = Cuts((), {})


def judge_changes(changes: Mapping[uuid.UUID, Change]) -> dict[uuid.UUID, TaxLoss | None]:
    """By customer, of those alone whose tax is lost or whose rate falls: how it is lost, None where it falls by no more
    than one person may take off, with what was taken off within a year. At most two queries, and none where nothing
    falls."""
    now = clock.now()
    falling = {
        pk: change
        for pk, change in changes.items()
        if lowers_tax(change.before, change.after, change.supplies, now=now)
    }
    cuts = cuts_of(falling)
    return {pk: loss_of(change, cuts.get(pk, NO_CUTS), now=now) for pk, change in falling.items()}


def loss_of(change: Change, cuts: Cuts, *, now: datetime) -> TaxLoss | None:
    """How tax is lost by the change, with what was taken off before."""
    return loses_tax(change.before, change.after, change.supplies, now=now, terms_before=cuts.terms_before)


def cuts_of(customer_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Cuts]:
    """What is remembered of these customers, of those alone of whom anything is. At most two queries."""
    return _by_customer(among(_remembered(), "customer_id", customer_ids))


def cuts_among(customers: QuerySet[Customer]) -> dict[uuid.UUID, Cuts]:
    """The same of however many. Two queries."""
    return _by_customer(_remembered().filter(customer__in=customers.order_by().values("pk")))


def any_cuts(customer_ids: Collection[uuid.UUID]) -> bool:
    """Whether anything is remembered of any of these customers. One query."""
    return among(_remembered(), "customer_id", customer_ids).exists()


def _remembered() -> QuerySet[TaxCut]:
    """What adds up: in real time, as all that one person does alone."""
    return TaxCut.objects.filter(at__gt=clock.real_now() - REMEMBERED)


def _by_customer(rows: Iterable[TaxCut]) -> dict[uuid.UUID, Cuts]:
    found: dict[uuid.UUID, list[TaxCut]] = defaultdict(list)
    for row in rows:
        found[row.customer_id].append(row)
    rates = tax_rates({row.country for theirs in found.values() for row in theirs}) if found else {}
    return {pk: Cuts(theirs, rates) for pk, theirs in found.items()}


def remember_cuts(changes: Iterable[tuple[uuid.UUID, Change]]) -> None:
    """Keep how these customers were taxed until now, when one person lowered it. What is older than a year goes. Two
    queries for each thousand."""
    batch: list[TaxCut] = []
    for customer_id, change in changes:
        batch += _rows(customer_id, change)
        if len(batch) >= _BATCH:
            _store(batch)
            batch = []
    if batch:
        _store(batch)


def _rows(customer_id: uuid.UUID, change: Change) -> list[TaxCut]:
    before = change.before
    moved = {(code_of(was) or "", code_of(will) or "") for was, will in change.supplies if was != will}
    return [
        TaxCut(
            customer_id=customer_id,
            country=before.place.country,
            state=before.place.state,
            tax_code=before.settings["tax_code"] or "",
            code_before=was,
            code_after=will,
        )
        for was, will in (moved or {("", "")})
    ]


def _store(rows: Sequence[TaxCut]) -> None:
    of_theirs = among(TaxCut.objects.all(), "customer_id", {row.customer_id for row in rows})
    of_theirs.filter(at__lte=clock.real_now() - REMEMBERED).delete()
    TaxCut.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["customer", "country", "state", "tax_code", "code_before", "code_after"],
        update_fields=["at"],
    )


def forget_cuts(customers: QuerySet[Customer] | Collection[uuid.UUID]) -> None:
    """Begin anew: two decided how these customers are taxed from now on. One query."""
    TaxCut.objects.filter(customer__in=customers).delete()


def _supply(code: str) -> str | None:
    return canonical_json({"stripe": {"code": code}}) if code else None
