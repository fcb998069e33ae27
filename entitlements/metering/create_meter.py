"""Adding a meter."""

import re
from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from core.audit.services.record import record
from core.errors import FieldProblem
from entitlements.choices import Aggregation
from entitlements.errors import BadMeter, MeterTaken
from entitlements.metering.json_path import is_path
from entitlements.metering.store.build import start_rollup
from entitlements.models import Meter

_DIMENSION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
# These name columns of the answer to a query, so no dimension can be called so.
RESERVED_DIMENSIONS = frozenset({"subject", "customerId", "value", "windowStart", "windowEnd"})
_MAX_DIMENSIONS = 20
_PATH_HELP = "a path such as $.tokens or $.usage.total"


@transaction.atomic
def create_meter(
    *,
    key: str,
    event_type: str,
    aggregation: str,
    value_property: str | None = None,
    group_by: Mapping[str, str] | None = None,
    event_from: datetime | None = None,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Meter:
    """Store a new meter, named by its slug unless `name` is given. COUNT reads no value, so it keeps none.

    Raises `BadMeter` naming every field at fault, `MeterTaken` (Conflict) for a slug in use.
    """
    problems = dimension_problems(group_by or {})
    if aggregation == Aggregation.COUNT:
        value_property = None
    elif not value_property:
        message = f"{aggregation} needs the path of the value that it reads: {_PATH_HELP}."
        problems.append(FieldProblem("valueProperty", "required", message))
    elif not is_path(value_property):
        problems.append(FieldProblem("valueProperty", "bad_path", f"Not {_PATH_HELP}."))
    refuse(problems)
    meter = Meter(
        key=key,
        name=name or key,
        description=description,
        event_type=event_type,
        aggregation=aggregation,
        value_property=value_property,
        group_by=dict(group_by or {}),
        event_from=event_from,
        metadata=dict(metadata or {}),
    )
    try:
        with transaction.atomic():
            meter.save()
    except IntegrityError as error:
        raise MeterTaken(
            f"There is a meter with the slug {key} already. Nothing was saved. Use another slug."
        ) from error
    start_rollup(meter)
    record(verb="meter.created", target=meter, did=f"created the meter {meter}")
    return meter


def dimension_problems(group_by: Mapping[str, str]) -> list[FieldProblem]:
    """What is wrong with the names and paths of a meter's dimensions."""
    problems = []
    if len(group_by) > _MAX_DIMENSIONS:
        problems.append(FieldProblem("groupBy", "too_many", f"A meter has at most {_MAX_DIMENSIONS} dimensions."))
    for name, path in group_by.items():
        if not _DIMENSION.fullmatch(name) or name in RESERVED_DIMENSIONS:
            message = (
                f"{name[:64]!r} can't name a dimension: use letters, digits and underscores, and no reserved word."
            )
            problems.append(FieldProblem("groupBy", "bad_name", message))
        elif not is_path(path):
            problems.append(FieldProblem(f"groupBy.{name}", "bad_path", f"Not {_PATH_HELP}."))
    return problems


def refuse(problems: list[FieldProblem]) -> None:
    """Raise `BadMeter` where there is any problem."""
    if problems:
        said = " ".join(f"{p.field}: {p.message}" for p in problems)
        raise BadMeter(f"The meter was not saved. {said}", problems=problems)
