"""Reads of plans for the catalog."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from core.ids import from_text
from core.rest.lookups import MAX_KEY_LENGTH, missing
from entitlements.models import Feature
from subscriptions.choices import PlanStatus
from subscriptions.models import Plan, PlanPhase, RateCard
from subscriptions.plan_rules import FeatureFacts, checked, feature_keys
from subscriptions.plan_terms import PlanTerms, RateCardTerms


def plans_for_display() -> QuerySet[Plan]:
    """All versions of all plans, deleted ones too, with phases and rate cards: three queries for any number."""
    cards = RateCard.objects.select_related("feature").order_by("position")
    phases = PlanPhase.objects.order_by("position").prefetch_related(Prefetch("rate_cards", cards))
    return Plan.objects.prefetch_related(Prefetch("phases", phases))


def with_plan_status(plans: QuerySet[Plan], statuses: Iterable[str], at: datetime) -> QuerySet[Plan]:
    """Those which have one of `statuses` at `at`: the same rule as `Plan.status_at`, in SQL."""
    conditions = {
        PlanStatus.DRAFT: Q(effective_from=None),
        PlanStatus.SCHEDULED: Q(effective_from__gt=at),
        PlanStatus.ACTIVE: Q(effective_from__lte=at) & (Q(effective_to=None) | Q(effective_to__gt=at)),
        PlanStatus.ARCHIVED: Q(effective_to__lte=at),
    }
    wanted = Q(pk__in=())
    for status in statuses:
        wanted |= conditions[PlanStatus(status)]
    return plans.filter(wanted)


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
    active = [plan for plan in versions if plan.status_at(at) == PlanStatus.ACTIVE]
    return active[0] if active and not latest else versions[0]


def checked_terms(terms: PlanTerms, *, path: str = "") -> PlanTerms:
    """`terms` with its features found in the catalog and every rule of plans held. One query.

    InvalidInput lists each breach by its dotted path, with `path` before it.
    """
    cards = (card for phase in terms.phases for card in phase.rate_cards)
    return checked(terms, feature_facts(cards), path=path)


def feature_facts(cards: Iterable[RateCardTerms]) -> dict[str, FeatureFacts]:
    """What the rules need to know of the features that rate cards name, by key. One query."""
    features = Feature.objects.filter(key__in=set(feature_keys(cards)), archived_at=None)
    return {feature.key: FeatureFacts(feature.pk, feature.meter_id is not None) for feature in features}
