"""The check finds charges for time behind an end that nobody gives back any more (billing rules 10 and 13, point 1)."""

import pytest
from django.db import connection

from tests.support.books import run_check
from tests.support.catalog import flat_plan
from tests.support.closing import run
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def test_what_was_charged_behind_an_end_that_no_close_looks_at_is_found():
    """30.00 for April and for May. Then somebody ends the subscription on 16 April by SQL, past the triggers, and no
    close looks back as far as that."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    run("2026-05-01")
    assert run_check("--only", "1", now="2026-05-01T00:30")[0] == 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE subscriptions_subscription SET active_to = '2026-04-16Z' WHERE id = %s", [subscription.pk]
        )
    code, said = run_check("--only", "1", now="2026-05-01T00:30")
    assert code == 1, said
    assert (
        "its window from 2026-04-01 00:00:00 UTC ends on 2026-05-01 00:00:00 UTC; expected 2026-04-16 00:00:00 UTC."
    ) in said
    assert "its settled window from 2026-05-01 00:00:00 UTC to 2026-06-01 00:00:00 UTC is none of its periods." in said
