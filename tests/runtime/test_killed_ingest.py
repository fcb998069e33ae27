"""Usage that was acknowledged is counted, exactly once, whoever is killed in the middle: `benchmarks.killed_ingest`."""

import pytest

from benchmarks.killed_ingest import killed_ingest, killed_web


@pytest.mark.serial
def test_nothing_is_lost_or_doubled_when_those_who_store_usage_and_postgresql_are_killed():
    killed_ingest(points=2, batches=60, seed=7, judge_each=False)


def test_nothing_is_lost_or_doubled_when_workers_of_the_web_server_and_postgresql_are_killed():
    killed_web(points=2, batches=100, seed=7)
