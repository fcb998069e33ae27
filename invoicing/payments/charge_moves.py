"""Which states of a charge can follow each other, whoever tells of them and in whatever order (billing rules 11).

A provider's events carry whole seconds, and its clock is not ours: time alone tells no order. So the states decide, and
where two of them can follow each other either way, the later one counts, or the provider is asked.
"""

from datetime import datetime, timedelta
from enum import Enum

from invoicing.choices import PaymentStatus

_CLOCKS_APART = timedelta(minutes=5)


class Teller(Enum):
    """Who says that a charge is in a state. `ASKED`: the provider was asked for it just now, because of an event."""

    ANSWER = "answer"
    EVENT = "event"
    ASKED = "asked"


class Move(Enum):
    """What becomes of news. `ASK`: neither the states nor the times tell whether it is the latest."""

    TAKE = "take"
    IGNORE = "ignore"
    ASK = "ask"


class _Order(Enum):
    TAKE = "take"  # it can only be later
    IGNORE = "ignore"  # it can only be older, or says nothing new
    LATER = "later"  # either may come first: the later one counts
    FIRST_END = "first_end"  # later, unless the charge was tried again after such an end
    AGAIN = "again"  # the provider tries an ended charge again, or this is old news


_S = PaymentStatus
# What is known, and what is told. What is not named here is ignored.
_ORDERS: dict[tuple[str, str], _Order] = {
    (_S.PENDING, _S.PENDING): _Order.TAKE,
    (_S.PENDING, _S.ACTION_REQUIRED): _Order.LATER,
    (_S.PENDING, _S.FAILED): _Order.FIRST_END,
    (_S.ACTION_REQUIRED, _S.PENDING): _Order.LATER,
    (_S.ACTION_REQUIRED, _S.FAILED): _Order.LATER,
    (_S.FAILED, _S.PENDING): _Order.AGAIN,
    **{(known, _S.SUCCEEDED): _Order.TAKE for known in _S.values if known != _S.SUCCEEDED},
    **{(_S.UNKNOWN, told): _Order.TAKE for told in _S.values},
}


def move(
    *, known: str, known_at: datetime | None, failed_before: bool, told: str, told_at: datetime, by: Teller
) -> Move:
    """What becomes of the news that a charge is `told`, where it is `known` since `known_at` (None: not heard of yet).

    Money that has arrived is always taken, and final. A failure ends an attempt, but for the provider trying it again
    (`failed_before`), which it must confirm when it is asked.
    """
    if known_at is None and known == PaymentStatus.PENDING:
        return Move.TAKE
    order = _ORDERS.get((known, told), _Order.IGNORE)
    if order in (_Order.TAKE, _Order.IGNORE):
        return Move(order.value)
    if order is _Order.AGAIN:
        return {Teller.ASKED: Move.TAKE, Teller.EVENT: Move.ASK, Teller.ANSWER: Move.IGNORE}[by]
    if by is Teller.ASKED or known_at is None:
        return Move.TAKE
    allowed = _CLOCKS_APART if order is _Order.FIRST_END and not failed_before else timedelta()
    return Move.TAKE if told_at >= known_at.replace(microsecond=0) - allowed else Move.ASK
