"""Changing what may be changed of a meter."""

from collections.abc import Mapping

from django.db import transaction

from core.audit.services.record import record
from core.errors import FieldProblem
from entitlements.metering.create_meter import dimension_problems, refuse
from entitlements.metering.store.build import renew_rollup
from entitlements.models import Feature, Meter


@transaction.atomic
def update_meter(
    *,
    meter: Meter,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
    group_by: Mapping[str, str] | None = None,
) -> Meter:
    """Replace these fields; what is left out is cleared. What it measures is fixed for good: events were billed by it.

    Raises `BadMeter` for bad dimensions, and for dropping one that a feature filters by.
    """
    meter = Meter.objects.select_for_update().get(pk=meter.pk)
    group_by = dict(group_by or {})
    problems = dimension_problems(group_by)
    for feature in Feature.objects.filter(meter=meter):
        problems += [
            FieldProblem("groupBy", "in_use", f"The feature {feature.key} filters by {dimension}, so it must stay.")
            for dimension in feature.meter_filters
            if group_by.get(dimension) != meter.group_by.get(dimension)
        ]
    refuse(problems)
    after = {
        "name": name or meter.key,
        "description": description,
        "metadata": dict(metadata or {}),
        "group_by": group_by,
    }
    changes = {
        field: [getattr(meter, field), value] for field, value in after.items() if getattr(meter, field) != value
    }
    if changes:
        for field, value in after.items():
            setattr(meter, field, value)
        meter.save()
        renew_rollup(meter)
        record(verb="meter.updated", target=meter, did=f"changed the meter {meter}", changes=changes)
    return meter
