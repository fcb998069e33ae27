"""Writing the phases and rate cards of a plan version."""

from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.models import Plan, PlanPhase, RateCard


def save_plan_phases(*, plan: Plan, terms: PlanTerms) -> None:
    """Make the version's phases and rate cards those of `terms`, which must have been checked. Three queries.

    Only for drafts: a published version never changes, because subscriptions were sold by it.
    """
    plan.phases.all().delete()
    phases = PlanPhase.objects.bulk_create(
        PlanPhase(
            plan=plan,
            position=position,
            key=phase.key,
            name=phase.name,
            description=phase.description,
            metadata=dict(phase.metadata),
            duration=phase.duration,
        )
        for position, phase in enumerate(terms.phases)
    )
    RateCard.objects.bulk_create(
        RateCard(
            phase=row,
            position=position,
            key=card.key,
            **card.columns(),
        )
        for row, phase in zip(phases, terms.phases, strict=True)
        for position, card in enumerate(phase.rate_cards)
    )
