"""Owns what can be asked of a running subscription's terms: the operations of an edit. Pure."""

from dataclasses import dataclass

from core.periods import Duration
from subscriptions.catalog.plan_terms import RateCardTerms


@dataclass(frozen=True, slots=True)
class AddItem:
    """Bill `card` in a phase from now on; an item of the same key is replaced there."""

    phase_key: str
    card: RateCardTerms


@dataclass(frozen=True, slots=True)
class RemoveItem:
    phase_key: str
    item_key: str


@dataclass(frozen=True, slots=True)
class AddPhase:
    """A phase that begins `start_after` the subscription's start; `duration` None: until its end."""

    key: str
    name: str
    description: str | None
    start_after: Duration
    duration: Duration | None


@dataclass(frozen=True, slots=True)
class RemovePhase:
    """`shift` "next": the phases behind it move up; "prev": the phase before it lasts as long as both."""

    phase_key: str
    shift: str


@dataclass(frozen=True, slots=True)
class StretchPhase:
    phase_key: str
    extend_by: Duration


@dataclass(frozen=True, slots=True)
class UnscheduleEdit:
    """Takes back what is planned for the items of the current phase."""


Edit = AddItem | RemoveItem | AddPhase | RemovePhase | StretchPhase | UnscheduleEdit
