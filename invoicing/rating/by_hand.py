"""Owns what a line comes to whose quantity or discounts were set by hand on a draft. Pure.

The line is rated once more, from its own explanation, with what was set. What it would have come to is kept beside it,
under `byHand`: so that both are shown, and the line can be computed again, either way.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from core.jsontext import canonical_json
from core.money import to_wire, trimmed
from invoicing.rating.explanation import ChargeExplanation
from invoicing.rating.explanation_json import read_explanation
from invoicing.rating.rate import rate
from invoicing.rating.replay import input_of
from invoicing.rating.values import FlatComponent, RatedLine, RatingInput
from subscriptions.pricing import parse_discounts

KEY = "byHand"


class SetByHand(NamedTuple):
    """What somebody set: a quantity, discounts as on the wire; None leaves what was computed."""

    quantity: Decimal | None = None
    discounts: Mapping[str, Any] | None = None

    @property
    def is_nothing(self) -> bool:
        return self.quantity is None and self.discounts is None


def set_by_hand(computed: RatedLine, chosen: SetByHand) -> RatedLine:
    """The line with what was set instead of what was computed; its explanation keeps both. ValueError for a credit."""
    if chosen.is_nothing:
        return computed
    before = json.loads(computed.explanation)
    rated = rate(_with(input_of(_charge(before)), chosen))
    kept: dict[str, Any] = {"quantity": before["quantity"]["window"], "net": to_wire(computed.net)}
    if "discounts" in before:
        kept["discounts"] = before["discounts"]
    return rated._replace(explanation=canonical_json({**json.loads(rated.explanation), KEY: kept}))


def computed_of(stored: Mapping[str, Any]) -> RatedLine:
    """The line of this stored explanation as it was computed, before anything was set by hand."""
    plain = {name: value for name, value in stored.items() if name not in (KEY, "basis")}
    asked = input_of(_charge(plain))
    kept = stored.get(KEY)
    if kept is None:
        return rate(asked)
    before = SetByHand(Decimal(kept["quantity"]), kept.get("discounts") or {})
    return rate(_with(asked, before))


def with_basis_of(explanation: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The explanation of a line rated anew, with the basis that its stored one names."""
    found: dict[str, Any] = json.loads(explanation)
    return {**found, "basis": stored["basis"]} if "basis" in stored else found


def is_set_by_hand(stored: Mapping[str, Any]) -> bool:
    """Whether a quantity or discounts were set by hand on the line of this stored explanation."""
    return KEY in stored


def computed_net(stored: Mapping[str, Any], net: Decimal) -> Decimal:
    """What the line of this stored explanation, which comes to `net`, would have come to without what was set."""
    return Decimal(stored[KEY]["net"]) if KEY in stored else net


def words_of(stored: Mapping[str, Any], quantity: Decimal) -> str:
    """What was set by hand, and what was computed, in words; "" where nothing was set."""
    kept = stored.get(KEY)
    if kept is None:
        return ""
    said = (
        f"{trimmed(quantity)} instead of {kept['quantity']}" if Decimal(kept["quantity"]) != quantity else "discounts"
    )
    return f"{said}; computed, it came to {kept['net']} net"


def _charge(stored: Mapping[str, Any]) -> ChargeExplanation:
    explanation = read_explanation(stored)
    if not isinstance(explanation, ChargeExplanation):
        raise ValueError("A credit has no quantity and no discounts to be set.")
    return explanation


def _with(asked: RatingInput, chosen: SetByHand) -> RatingInput:
    if chosen.discounts is not None:
        asked = asked._replace(discounts=parse_discounts(chosen.discounts, price=asked.price))
    if chosen.quantity is None or chosen.quantity == asked.quantity:
        return asked
    components = asked.components
    if len(components) == 1:
        components = (components[0]._replace(quantity=chosen.quantity),)
    elif components:
        # Several parts of a period say nothing of one quantity: it counts for the whole.
        components = (FlatComponent(chosen.quantity, 1, 1, components[0].start, components[-1].end),)
    return asked._replace(quantity=chosen.quantity, components=components)
