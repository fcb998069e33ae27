"""Says from when on usage is needed: by windows that aren't billed or whose quantities aren't fixed, by late usage that
nobody has decided about, by balances, and by what can't be read."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from entitlements.access.balances import burndowns_of
from entitlements.access.needed_events import events_needed_since
from entitlements.access.selectors import active_at, entitlements_with_facts
from entitlements.choices import EntitlementType
from invoicing.books.examination import CUSTOMERS_AT_ONCE, Examination, batches
from invoicing.books.histories import History, histories, name_item, subscribers
from invoicing.books.usage import billed_quantities, features_of, metered_by, usage_of_customers, usage_start
from subscriptions.schedule import obligations

ENTITLEMENTS_AT_ONCE = 500
ALWAYS = datetime.min.replace(tzinfo=UTC)


class Need(NamedTuple):
    """From `since` on, in UTC, usage is needed, because of `why`. `late`: staff may leave it."""

    since: datetime
    why: str
    late: bool = False


def usage_needed(exam: Examination) -> Iterator[Need]:
    """Every need of every customer, some hundred at a time; none of them says no later than `exam.as_of`."""
    yield from _by_balances(exam.as_of)
    for ids in batches(subscribers(), CUSTOMERS_AT_ONCE):
        yield from _by_windows(exam, ids)
        for finding in usage_of_customers(exam, ids):
            said = f"{finding.subject}: {finding.problem}"
            if not finding.to_decide:
                yield Need(ALWAYS, said)
            elif finding.usage_since is not None:
                yield Need(finding.usage_since, said, late=True)


def _by_balances(now: datetime) -> Iterator[Need]:
    """What the metered entitlements of now go on with. Their time of before is read by whole hours."""
    metered = entitlements_with_facts().filter(active_at(now), type=EntitlementType.METERED)
    for ids in batches(metered, ENTITLEMENTS_AT_ONCE):
        entitlements = {each.pk: each for each in metered.filter(pk__in=ids)}
        for burndown in burndowns_of(entitlements.values()):
            since = events_needed_since(burndown, now)
            if since is not None:
                entitled = entitlements[burndown.id]
                yield Need(
                    since,
                    f"What {entitled.customer} has left of {entitled.feature_key} comes from usage since "
                    f"{since:%Y-%m-%d %H:%M} UTC, a part of an hour among it.",
                )


def _by_windows(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Need]:
    known: list[History] = []
    for history in histories(exam, ids):
        if history.loaded is None:
            yield Need(ALWAYS, f"{history.name}: what was sold to them can't be read ({history.error}).")
        else:
            known.append(history)
    features = features_of(known)
    settled: dict[uuid.UUID, Need] = {}
    for history in known:
        assert history.loaded is not None
        for subscription in history.loaded.subscriptions:
            facts = subscription.facts
            for obligation in obligations(facts, since=facts.start, as_of=exam.as_of):
                if obligation.is_flat or metered_by(obligation.revision, features) is None:
                    continue
                since = usage_start(obligation)
                window = history.loaded.billed.get(obligation.key)
                name = f"{name_item(obligation, history.name)} from {obligation.start:%Y-%m-%d %H:%M} UTC"
                if window is None or window.end != obligation.settles_until:
                    yield Need(since, f"{name} is not billed.")
                else:
                    settled[window.id] = Need(since, f"{name} is billed by a draft that has not counted it.")
    for window_id, then in billed_quantities(set(settled)).items():
        if not then.is_collected:
            yield settled[window_id]
