"""Reads of plans for the catalog."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from core.errors import field_error
from core.ids import from_text
from core.rest.lookups import MAX_KEY_LENGTH, missing
from entitlements.access.usage_needs import MEASURABLE
from entitlements.models import Feature
from subscriptions.catalog.plan_rules import FeatureFacts, checked, feature_keys
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.catalog.version_status import version_status, with_version_status
from subscriptions.choices import PlanStatus
from subscriptions.models import (
    AddOnRateCard,
    Plan,
    PlanPhase,
    RateCard,
)


def plans_for_display() -> QuerySet[Plan]:
    """All versions of all plans, deleted ones too, with phases and rate cards: three queries for any number."""
    cards = RateCard.objects.select_related("feature").order_by("position")
    phases = PlanPhase.objects.order_by("position").prefetch_related(Prefetch("rate_cards", cards))
    return Plan.objects.prefetch_related(Prefetch("phases", phases))


def plan_addressed(id_or_key: str, *, at: datetime, latest: bool = False) -> Plan:
    """The version with this id; or, of the plan with this key, the active version, or else (or with `latest`) the
    newest. `NotFound` where there is none or it was deleted."""
    plans = Plan.objects.filter(deleted_at=None)
    identity = from_text(id_or_key)
    by_id = plans.filter(pk=identity).first() if identity else None
    if by_id is not None and not latest:
        return by_id
    key = by_id.key if by_id else id_or_key
    if "\x00" in key or len(key) > MAX_KEY_LENGTH:
        raise missing("plan", id_or_key)
    versions = list(plans.filter(key=key).order_by("-version"))
    if not versions:
        raise missing("plan", id_or_key)
    active = [plan for plan in versions if version_status(plan, at) == PlanStatus.ACTIVE]
    return active[0] if active and not latest else versions[0]


def checked_terms(terms: PlanTerms, *, path: str = "") -> PlanTerms:
    """`terms` with its features found in the catalog and every rule of plans held. One query.

    InvalidInput lists each breach by its dotted path, with `path` before it.
    """
    cards = (card for phase in terms.phases for card in phase.rate_cards)
    return checked(terms, feature_facts(cards), path=path)


def feature_facts(cards: Iterable[RateCardTerms]) -> dict[str, FeatureFacts]:
    """What the rules need to know of the features that rate cards name, by key. One query."""
    features = Feature.objects.filter(key__in=set(feature_keys(cards)), archived_at=None).select_related("meter")
    return {
        feature.key: FeatureFacts(
            feature.pk, feature.meter is not None, feature.meter is not None and feature.meter.aggregation in MEASURABLE
        )
        for feature in features
    }


def plan_named(*, key: str, version: int | None, at: datetime) -> Plan:
    """Plan `key` in `version`; without one, the version that is active at `at`, or else the newest.

    InvalidInput naming the field where there is none.
    """
    plans = Plan.objects.filter(key=key, deleted_at__isnull=True).order_by("-version")
    if version is not None:
        plans = plans.filter(version=version)
    found = list(plans)
    if not found:
        named = key if version is None else f"{key} version {version}"
        raise field_error("plan.key", "plan_not_found", f"There is no plan {named}.")
    return next((plan for plan in found if version_status(plan, at) == PlanStatus.ACTIVE), found[0])


def plans_on_sale(moment: datetime) -> QuerySet[Plan]:
    """The versions that can be subscribed to at `moment`."""
    on_sale = with_version_status(Plan.objects.filter(deleted_at__isnull=True), [PlanStatus.ACTIVE], moment)
    return on_sale.order_by("name", "key")


def terms_of_plan(plan: Plan) -> PlanTerms:
    """What a subscription copies of a stored plan. Two queries."""
    cards = RateCard.objects.select_related("feature").order_by("position")
    phases = PlanPhase.objects.filter(plan=plan).order_by("position").prefetch_related(Prefetch("rate_cards", cards))
    return PlanTerms(
        name=plan.name,
        currency=plan.currency,
        billing_cadence=plan.billing_cadence,
        pro_rating_enabled=plan.pro_rating_enabled,
        settlement_mode=plan.settlement_mode,
        phases=tuple(
            PhaseTerms(
                key=phase.key,
                name=phase.name,
                description=phase.description,
                metadata=phase.metadata,
                duration=phase.duration,
                rate_cards=tuple(card_terms(card) for card in phase.rate_cards.all()),
            )
            for phase in phases
        ),
    )


def card_terms(card: RateCard | AddOnRateCard) -> RateCardTerms:
    """A stored rate card as a plain value. Needs its feature loaded."""
    return RateCardTerms(
        type=card.type,
        key=card.key,
        name=card.name,
        description=card.description,
        metadata=card.metadata,
        feature_id=card.feature_id,
        feature_key=card.feature.key if card.feature else None,
        billing_cadence=card.billing_cadence,
        price=card.price,
        discounts=card.discounts,
        tax_config=card.tax_config,
        entitlement_template=card.entitlement_template,
    )
