"""Reads of billing runs: who is due, and how customers of runs ended."""

import uuid
from collections.abc import Collection

from django.db.models import Count

from invoicing.models import BillingRun, RunCustomer


def outcome_counts(run: BillingRun) -> dict[str, int]:
    """How many customers of a run ended how; one query."""
    rows = run.customers.order_by().values_list("outcome").annotate(Count("id"))
    return dict(rows)


def outcomes_of_runs(run_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """How many customers of each run ended how; one query for all."""
    found: dict[uuid.UUID, dict[str, int]] = {}
    rows = RunCustomer.objects.filter(run_id__in=run_ids).order_by().values_list("run_id", "outcome")
    for run_id, outcome, number in rows.annotate(Count("id")):
        found.setdefault(run_id, {})[outcome] = number
    return found
