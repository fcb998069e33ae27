"""Which add-ons a plan offers: adding, changing and withdrawing an offer."""

from collections.abc import Mapping

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import field_error
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import InstanceType, PlanStatus
from subscriptions.errors import AddOnOfferedBefore
from subscriptions.models import AddOn, Plan, PlanAddOn


@transaction.atomic
def offer_addon(
    *,
    plan: Plan,
    addon: AddOn,
    from_plan_phase: str,
    max_quantity: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> PlanAddOn:
    """Let subscribers to `plan` buy `addon`, from the phase of that key on, up to `max_quantity` (None: any).

    A published plan may get new offers: those who have it already can buy them, and owe nothing until they do.
    InvalidInput where the two don't go together; `AddOnOfferedBefore` (Conflict) where the plan offers it already.
    """
    plan = Plan.objects.select_for_update().get(pk=plan.pk)
    if addon.deleted_at is not None or version_status(addon, clock.now()) == PlanStatus.ARCHIVED:
        raise field_error("addonId", "addon_not_on_sale", f"{addon} is not on sale any more; nothing was changed.")
    if addon.currency != plan.currency:
        raise field_error(
            "addonId", "currency_mismatch", f"{addon} is priced in {addon.currency}, {plan} in {plan.currency}."
        )
    _check(plan, addon, from_plan_phase, max_quantity)
    if PlanAddOn.objects.filter(plan=plan, addon=addon).exists():
        raise AddOnOfferedBefore(str(addon), str(plan))
    offer = PlanAddOn.objects.create(
        plan=plan,
        addon=addon,
        from_plan_phase=from_plan_phase,
        max_quantity=max_quantity,
        metadata=dict(metadata or {}),
    )
    record(verb="plan.addon_offered", target=plan, did=f"let {plan} offer {addon}")
    return offer


@transaction.atomic
def change_offer(
    *, offer: PlanAddOn, from_plan_phase: str, max_quantity: int | None, metadata: Mapping[str, str] | None
) -> PlanAddOn:
    """Replace what the offer says. What was bought before stays as it is."""
    offer = PlanAddOn.objects.select_for_update(of=("self",)).select_related("plan", "addon").get(pk=offer.pk)
    _check(offer.plan, offer.addon, from_plan_phase, max_quantity)
    offer.from_plan_phase, offer.max_quantity = from_plan_phase, max_quantity
    offer.metadata = dict(metadata or {})
    offer.save()
    record(verb="plan.addon_changed", target=offer.plan, did=f"changed how {offer.plan} offers {offer.addon}")
    return offer


@transaction.atomic
def withdraw_offer(*, offer: PlanAddOn) -> None:
    """Let nobody buy the add-on on this plan any more; who has it keeps it."""
    record(verb="plan.addon_withdrawn", target=offer.plan, did=f"let {offer.plan} offer {offer.addon} no more")
    offer.delete()


def _check(plan: Plan, addon: AddOn, from_plan_phase: str, max_quantity: int | None) -> None:
    phases = list(plan.phases.order_by("position").values_list("key", flat=True))
    if from_plan_phase not in phases:
        raise field_error(
            "fromPlanPhase",
            "phase_not_found",
            f"{plan} has no phase {from_plan_phase!r}. Choose one of: {', '.join(phases)}.",
        )
    if max_quantity is not None and addon.instance_type == InstanceType.SINGLE and max_quantity != 1:
        raise field_error("maxQuantity", "single_addon", f"{addon} is single: leave maxQuantity out.")
