"""Owns when what has fallen due is collected: then, or on the rhythm of an anchored collection (billing rules 5)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.periods import CADENCES, Cadence, boundary_from
from customers.choices import CollectionAlignment
from customers.effective_settings import Terms, terms_of_loaded
from customers.models import Customer


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The moments at which a customer's lines are collected: `anchor + n x cadence`, by the wall time of `zone`, before
    the anchor, too. Without a cadence, any moment."""

    cadence: Cadence | None = None
    anchor: datetime | None = None
    zone: str = "UTC"

    def collects(self, due_at: datetime) -> datetime:
        """When what falls due at `due_at` (UTC) is collected: with the moment at or after it."""
        if self.cadence is None or self.anchor is None:
            return due_at
        return boundary_from(self.anchor, self.zone, self.cadence, due_at)


AS_DUE = Rhythm()


def rhythm_of(terms: Terms, customer: Customer) -> Rhythm:
    """The rhythm that these terms mean for this customer, whose days and months it goes by. Alignment that is anchored
    to nothing collects what is due."""
    return _rhythm(terms.settings.values, customer.time_zone)


def rhythm_for(customer_id: uuid.UUID) -> Rhythm:
    """The rhythm by which this customer is collected now. Two queries."""
    override = "billing_override__billing_profile"
    customers = Customer.objects.select_related(f"{override}__supplier", f"{override}__app")
    customer = customers.get(pk=customer_id)
    return rhythm_of(terms_of_loaded(customer), customer)


def _rhythm(values: Mapping[str, Any], zone: str) -> Rhythm:
    cadence, anchor = CADENCES.get(values["collection_cadence"] or ""), values["collection_anchor"]
    if values["collection_alignment"] != CollectionAlignment.ANCHORED or cadence is None or anchor is None:
        return AS_DUE
    return Rhythm(cadence, anchor, zone)
