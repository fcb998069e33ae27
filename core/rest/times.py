"""RFC 3339 times as they stand on the wire: an offset is always required."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[-+ ]\d{2}:\d{2})")
# Billing arithmetic adds years to what it is given; these bounds keep it far from the ends of the calendar.
FIRST_YEAR, LAST_YEAR = 1970, 2999


def parse_rfc3339(text: str) -> datetime | None:
    """The moment in UTC, to the microsecond, or None where the text names none between 1970 and 2999.

    A blank in the offset's place is read as the `+` that a query string lost.
    """
    match = _RFC3339.fullmatch(text)
    if not match:
        return None
    day, time, fraction, offset = match.groups()
    offset = "+00:00" if offset in "Zz" else offset.replace(" ", "+")
    try:
        moment = datetime.fromisoformat(f"{day}T{time}.{(fraction or '')[:6]:0<6}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None
