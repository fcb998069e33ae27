"""How far billing runs are, by the outcomes of their customers, and the tone of each outcome for staff."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count

from invoicing.choices import CustomerOutcome
from invoicing.models import BillingRun, RunCustomer

OUTCOME_TONES = {
    CustomerOutcome.PENDING: "grey",
    CustomerOutcome.INVOICED: "green",
    CustomerOutcome.DRAFTED: "blue",
    CustomerOutcome.NOTHING: "grey",
    CustomerOutcome.PARKED: "red",
    CustomerOutcome.SKIPPED: "amber",
}


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How many customers of a run had which outcome."""

    counts: Mapping[str, int]
    total: int

    @property
    def done(self) -> int:
        return self.total - self.counts.get(CustomerOutcome.PENDING, 0)

    @property
    def percent(self) -> int:
        return self.done * 100 // self.total if self.total else 100

    @property
    def outcomes(self) -> list[tuple[CustomerOutcome, str, int, str]]:
        """Outcome, label, count and tone of those that occurred, in the order of the choices."""
        return [
            (outcome, outcome.label, self.counts[outcome], OUTCOME_TONES[outcome])
            for outcome in CustomerOutcome
            if self.counts.get(outcome)
        ]

    @property
    def tone(self) -> str:
        """Of the progress bar: amber where somebody was parked, so that a full bar does not say that all went well."""
        return "amber" if self.parked else ""

    @property
    def parked(self) -> int:
        return self.counts.get(CustomerOutcome.PARKED, 0)


def progress_of(runs: Sequence[BillingRun]) -> dict[uuid.UUID, RunProgress]:
    """The progress of each run. One query for all of them."""
    counts: dict[uuid.UUID, dict[str, int]] = {run.pk: {} for run in runs}
    rows = RunCustomer.objects.filter(run__in=list(counts)).order_by().values("run", "outcome").annotate(n=Count("pk"))
    for row in rows:
        counts[row["run"]][row["outcome"]] = row["n"]
    return {run.pk: RunProgress(counts[run.pk], run.customer_count) for run in runs}
