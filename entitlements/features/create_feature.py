"""Adding a feature."""

from collections.abc import Mapping, Sequence

from django.db import IntegrityError, transaction

from core.audit.services.record import record
from core.errors import FieldProblem
from entitlements.errors import BadFeature, FeatureTaken
from entitlements.models import Feature, Meter


@transaction.atomic
def create_feature(
    *,
    key: str,
    name: str,
    meter_key: str | None = None,
    meter_filters: Mapping[str, Sequence[str]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Feature:
    """Store a new feature: metered, where `meter_key` names a meter, narrowed by `meter_filters` (any of the values).

    Raises `BadFeature` for an unknown meter or dimension, `FeatureTaken` (Conflict) for a key in use.
    """
    filters = {dimension: list(values) for dimension, values in (meter_filters or {}).items()}
    problems = []
    meter = None
    if meter_key is not None:
        meter = Meter.objects.filter(key=meter_key, deleted_at=None).first()
        if meter is None:
            problems.append(FieldProblem("meterSlug", "not_found", f"There is no meter {meter_key}."))
    elif filters:
        message = "Only a feature with a meter can filter its usage: give meterSlug."
        problems.append(FieldProblem("meterGroupByFilters", "no_meter", message))
    if meter is not None:
        known = ", ".join(sorted(meter.group_by)) or "none"
        problems += [
            FieldProblem(
                f"meterGroupByFilters.{dimension}",
                "unknown_dimension",
                f"The meter {meter.key} doesn't group by {dimension}. It groups by: {known}.",
            )
            for dimension in filters
            if dimension not in meter.group_by
        ]
    if problems:
        said = " ".join(f"{p.field}: {p.message}" for p in problems)
        raise BadFeature(f"The feature was not saved. {said}", problems=problems)
    feature = Feature(key=key, name=name, meter=meter, meter_filters=filters, metadata=dict(metadata or {}))
    try:
        with transaction.atomic():
            feature.save()
    except IntegrityError as error:
        raise FeatureTaken(
            f"There is a feature with the key {key} already. Nothing was saved. Archive that one, or use another key."
        ) from error
    record(verb="feature.created", target=feature, did=f"created the feature {feature}")
    return feature
