"""Owns how the parts of a rated line become its detailed lines, whoever rated it."""

import uuid
from datetime import datetime

from core.ids import new_id
from invoicing.corrections.credit_rows import Row
from invoicing.rating import RatedLine


def details_of(line_id: uuid.UUID, rated: RatedLine, start: datetime, end: datetime) -> list[Row]:
    """A row for each part of the line, in order; a part without a time of its own has the line's, from `start` to
    `end` (UTC)."""
    return [
        {
            "id": new_id(),
            "line_id": line_id,
            "position": position,
            "category": part.category,
            "name": part.name,
            "period_start": part.start or start,
            "period_end": part.end or end,
            "quantity": part.quantity,
            "unit_amount": part.unit_amount,
            "amount": part.amount,
            "discounts_total": part.discount_total,
            "total": part.total,
        }
        for position, part in enumerate(rated.detailed)
    ]
