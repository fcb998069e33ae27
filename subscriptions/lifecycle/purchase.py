"""Owns what can be said of a subscription that is bought, or that another one is changed to."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypedDict

from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.models import Plan
from subscriptions.schedule.billing_calendar import Anchor


class Purchase(TypedDict, total=False):
    """Either a stored `plan` or the terms of `custom_plan`; whatever else is absent or None follows from those.

    `billing_anchor`: where its periods begin (UTC, or by the calendar; billing rules 2). `starting_phase`: its first
    phase, by key; those before it are left out. `settlement_mode` instead of the plan's. `quantities`: the seats that
    its flat items start with, by item key; 1 where nothing is said.
    """

    plan: Plan | None
    custom_plan: PlanTerms | None
    billing_anchor: Anchor | None
    starting_phase: str | None
    name: str | None
    description: str | None
    metadata: Mapping[str, str] | None
    settlement_mode: str | None
    quantities: Mapping[str, Decimal] | None
