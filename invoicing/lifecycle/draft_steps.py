"""Owns when a draft takes which step, and where it stands then (billing rules 6). It reads nothing stored."""

from collections.abc import Collection
from datetime import datetime

from core.periods import parse_duration
from invoicing.choices import DRAFT_STATUSES, STOPPED_STATUSES, InvoiceStatus
from invoicing.lifecycle.states import may_follow

TO_COLLECT = tuple(status for status in DRAFT_STATUSES if may_follow(status, InvoiceStatus.DRAFT_COLLECTING_FAILED))
"""Drafts whose quantities are not fixed yet."""

COLLECTED_IN_TIME = (InvoiceStatus.DRAFT_CREATED, InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION)
"""Those of them which are collected by themselves, once their time has come."""

_TO_ISSUE = tuple(status for status in DRAFT_STATUSES if may_follow(status, InvoiceStatus.ISSUED))

TO_RETRY = tuple(status for status in STOPPED_STATUSES if status in (*TO_COLLECT, *_TO_ISSUE))
"""Drafts at which a step failed that can be tried again, that step alone."""

TO_APPROVE = tuple(status for status in _TO_ISSUE if status not in STOPPED_STATUSES)
"""Drafts that wait for approval, by staff or by time."""


def collected_at(ended_at: datetime, collection_interval: str) -> datetime:
    """From when the quantities of a period that `ended_at` are fixed: until then usage and reports still count."""
    return parse_duration(collection_interval).after(ended_at)


def collection_at(ends: Collection[datetime], collection_interval: str, *, made_at: datetime) -> datetime:
    """When a draft made at `made_at` is collected: once the last of its metered periods, which ended at `ends`, is."""
    return max(made_at, collected_at(max(ends), collection_interval)) if ends else made_at


def draft_until(collected: datetime, draft_period: str) -> datetime:
    """Until when a draft can be looked at: the time of its collection plus the frozen draft period."""
    return parse_duration(draft_period).after(collected)


def status_after_collection(auto_advance: bool, until: datetime, as_of: datetime) -> InvoiceStatus:
    """Where a draft stands once its quantities are fixed; ISSUED where nothing keeps it, and it is to be issued."""
    if not auto_advance:
        return InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED
    return InvoiceStatus.ISSUED if until <= as_of else InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL


def step_of_failure(status: str) -> InvoiceStatus:
    """The named failed state of the step at which a draft in `status` stopped."""
    return InvoiceStatus.DRAFT_COLLECTING_FAILED if status in TO_COLLECT else InvoiceStatus.DRAFT_INVALID
