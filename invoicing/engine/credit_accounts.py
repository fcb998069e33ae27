"""Owns the account of what comes back: on a credit line, and on a line of a credit note. Pure.

An amount may come back in two documents: each account names what the other gives.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.ids import to_text
from core.money import ZERO, round_share, to_wire
from invoicing.engine.cuts import UnusedPart
from invoicing.rating.explain import VERSION

GIVEN_BY_NOTE = ("credit_note", "Given back by credit note")
GIVEN_BY_LINE = ("credit_line", "Given back by a line of an invoice")


def explain_unused(unused: UnusedPart) -> dict[str, Any]:
    """The account of the whole of what came back of a line, negative: what the line had charged net, which share of
    that was unused, and by how much a charge for the same time differs. That charge has its own account inside."""
    by_time = round_share(unused.line.net_left, *unused.share, unused.subscription.currency)
    part = {
        "kind": "unused",
        "name": unused.name,
        "quantity": "-1",
        "unitAmount": to_wire(unused.line.net_left),
        "fraction": list(unused.share),
        "amount": to_wire(-by_time),
        "total": to_wire(-by_time),
        "from": unused.start.isoformat(),
        "to": unused.end.isoformat(),
    }
    account = {
        "version": VERSION,
        "kind": "credit",
        "currency": unused.subscription.currency,
        "credits": to_text(unused.line.id),
        "parts": [part],
        "totals": {"net": to_wire(-by_time)},
    }
    if unused.same_time is not None:
        account["sameTime"] = unused.same_time.explain
    return lessened(account, ("as_charged", "Difference to a charge for the same time"), by_time - unused.amount)


def lessened(account: Mapping[str, Any], why: tuple[str, str], amount: Decimal) -> dict[str, Any]:
    """`account`, of a credit, with `amount` less to give back, for a reason that it names; unchanged without one."""
    if not amount:
        return dict(account)
    kind, name = why
    figure = to_wire(amount)
    part = {"kind": kind, "name": name, "quantity": "1", "unitAmount": figure, "amount": figure, "total": figure}
    net = Decimal(account["totals"]["net"]) + amount
    return {**account, "parts": [*account["parts"], part], "totals": {"net": to_wire(net)}}


def given_by_note(account: Mapping[str, Any], amount: Decimal) -> dict[str, Any]:
    """The account of a line of a credit note that gives back `amount` (positive) of what `account` is about.

    A credit note's amounts are positive, so that the parts change their signs.
    """
    parts = [part for part in account["parts"] if part["kind"] != GIVEN_BY_NOTE[0]]
    whole = sum((Decimal(part["total"]) for part in parts), ZERO)
    rest = lessened({**account, "parts": parts, "totals": {"net": to_wire(whole)}}, GIVEN_BY_LINE, -whole - amount)
    return rest | {"parts": [_positive(part) for part in rest["parts"]], "totals": {"net": to_wire(amount)}}


def _positive(part: Mapping[str, Any]) -> dict[str, Any]:
    turned = {name: to_wire(-Decimal(part[name])) for name in ("amount", "total")}
    if part["kind"] == "unused":
        return {**part, **turned, "quantity": "1"}
    return {**part, **turned, "unitAmount": turned["amount"]}
