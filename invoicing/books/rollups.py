"""Owns the part of invariant 8 on which quantities rest: the rollups of usage say what its events say.

A sample of subjects and days is compared, another each time; `manage.py prove_usage` compares all.
"""

from collections.abc import Iterator

from entitlements.metering.store.prove import differences, sample
from invoicing.books.examination import Finding

SAMPLED = 200
REMEDY = "Run manage.py prove_usage to see all that differ, and with --mend to compute them anew."


def rollups_equal_events() -> Iterator[Finding]:
    """Each sampled day of a subject whose rollup differs from its events."""
    for day, subjects in sorted(sample(SAMPLED).items()):
        for difference in differences(day, subjects=subjects):
            what = "hour" if difference.grain == 1 else "day"
            yield Finding(
                f"The meter {difference.meter}, subject {difference.subject}",
                f"the rollup of the {what} from {difference.start:%Y-%m-%d %H:%M} UTC does not say what its "
                f"{difference.counted} events say.",
                REMEDY,
            )
