"""Keeps the tax of what is issued that of its date of issue (billing rules 12), where that date is not now.

Tax is worked out before a number is taken, and the dates of a series never decrease: where another machine's clock is
ahead, or an invoice was issued while this one was worked out, the date is later than the moment that it was taxed at.
That moment counts for tax only where a rate changes in between, and then all is worked out again for the later date.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import Q

from invoicing.lifecycle.numbering import NumberBlock
from invoicing.models import TaxRate

IssueDates = Mapping[uuid.UUID, datetime]

T = TypeVar("T")


class IssueDateMoved(Exception):
    """A rate changes between the moment that something was taxed at and its date of issue, by `supplier` id."""

    def __init__(self, dates: IssueDates) -> None:
        super().__init__("what is issued is to be taxed at its date of issue")
        self.dates = dates


def at_its_date(issue: Callable[[IssueDates], T]) -> T:
    """What `issue` answers, in a transaction or savepoint of its own. It is given the dates, by supplier id, to tax at
    where they are later than now: none at first; where `refuse_other_rates` finds that they are to be others, all that
    it wrote is undone, and it is called again with those."""
    dates: IssueDates = {}
    while True:
        try:
            with transaction.atomic():
                return issue(dates)
        except IssueDateMoved as moved:
            dates = {**dates, **moved.dates}


def tax_point(dates: IssueDates, supplier_id: uuid.UUID | None, now: datetime) -> datetime:
    """When something of this supplier that is issued `now` is taxed, should it be taxed at its issue."""
    later = None if supplier_id is None else dates.get(supplier_id)
    return now if later is None else max(now, later)


def refuse_other_rates(blocks: Mapping[uuid.UUID, NumberBlock], *, now: datetime, dates: IssueDates) -> None:
    """IssueDateMoved where a tax rate begins or ends behind the moment that what takes these numbers was taxed at, up
    to its date of issue. One query, and none where nothing is dated later."""
    later = {pk: block.issued_at for pk, block in blocks.items() if block.issued_at > tax_point(dates, pk, now)}
    if not later:
        return
    changes = Q()
    for supplier_id, issued_at in later.items():
        behind = tax_point(dates, supplier_id, now)
        changes |= Q(valid_from__gt=behind, valid_from__lte=issued_at) | Q(valid_to__gt=behind, valid_to__lte=issued_at)
    if TaxRate.objects.filter(changes).exists():
        raise IssueDateMoved(later)
