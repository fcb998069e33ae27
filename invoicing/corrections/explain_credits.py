"""Owns the explanation of what comes back: on a credit line, and on a line of a credit note. Pure.

An amount may come back in two documents: each explanation names what the other gives.
"""

from dataclasses import replace
from decimal import Decimal

from core.money import ONE, ZERO, round_share
from core.periods import Period
from invoicing.corrections.unused_time import UnusedPart
from invoicing.rating.explanation import UNUSED, ChargeExplanation, CreditExplanation, ExplainedPart
from invoicing.rating.explanation_json import read_explanation

AS_CHARGED = ("as_charged", "Difference to a charge for the same time")
GIVEN_BY_NOTE = ("credit_note", "Given back by credit note")
GIVEN_BY_LINE = ("credit_line", "Given back by a line of an invoice")


def explain_unused(unused: UnusedPart) -> CreditExplanation:
    """The explanation of the whole of what came back of a line, negative: what the line had charged net, which share
    of that was unused, and by how much a charge for the same time differs. That charge has its own inside."""
    currency = unused.subscription.currency
    by_time = round_share(unused.line.net_left, *unused.share, currency)
    part = ExplainedPart(
        kind=UNUSED,
        name=unused.name,
        quantity=-ONE,
        unit_amount=unused.line.net_left,
        amount=-by_time,
        total=-by_time,
        fraction=unused.share,
        period=Period(unused.start, unused.end),
    )
    whole = CreditExplanation(
        currency=currency, parts=(part,), net=-by_time, credits=unused.line.id, same_time=_same_time(unused)
    )
    return lessened(whole, AS_CHARGED, by_time - unused.amount)


def lessened(credit: CreditExplanation, why: tuple[str, str], amount: Decimal) -> CreditExplanation:
    """`credit` with `amount` less to give back, for a reason that it names; unchanged without one."""
    if not amount:
        return credit
    kind, name = why
    part = ExplainedPart(kind, name, ONE, unit_amount=amount, amount=amount, total=amount)
    return replace(credit, parts=(*credit.parts, part), net=credit.net + amount)


def without_note(credit: CreditExplanation) -> CreditExplanation:
    """What a credit gives back in all, a credit note's part of it included."""
    parts = tuple(part for part in credit.parts if part.kind != GIVEN_BY_NOTE[0])
    return replace(credit, parts=parts, net=sum((part.total for part in parts), ZERO))


def given_by_note(credit: CreditExplanation, amount: Decimal) -> CreditExplanation:
    """The explanation of a line of a credit note that gives back `amount` (positive) of what `credit` is about.

    A credit note's amounts are positive, so that the parts change their signs.
    """
    whole = without_note(credit)
    rest = lessened(whole, GIVEN_BY_LINE, -whole.net - amount)
    return replace(rest, parts=tuple(_positive(part) for part in rest.parts), net=amount)


def _positive(part: ExplainedPart) -> ExplainedPart:
    amount, total = -part.amount, -part.total
    if part.kind == UNUSED:
        return replace(part, quantity=ONE, amount=amount, total=total)
    return replace(part, unit_amount=amount, amount=amount, total=total)


def _same_time(unused: UnusedPart) -> ChargeExplanation | None:
    if unused.same_time is None:
        return None
    charge = read_explanation(unused.same_time.explain)
    assert isinstance(charge, ChargeExplanation)
    return charge
