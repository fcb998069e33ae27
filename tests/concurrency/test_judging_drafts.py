"""Looking at drafts while others change them: a row that somebody holds is left to them, and found again afterwards."""

import threading

import pytest
from django.db import connection, transaction

from invoicing.drafts.judge_drafts import judge_drafts, judge_waiting
from invoicing.models import Invoice
from tests.support.closing import make_draft

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(act):
    found = []

    def work():
        try:
            found.append(act())
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()
    return found[0]


def test_a_draft_that_somebody_changes_is_passed_over_and_looked_at_once_they_have_ended():
    draft = make_draft()
    with transaction.atomic():
        Invoice.objects.select_for_update().get(pk=draft.pk)
        assert in_thread(lambda: judge_drafts([draft.pk])) == set()
        assert in_thread(judge_waiting) == 0
    assert Invoice.objects.get(pk=draft.pk).anomalies is None
    assert in_thread(judge_waiting) == 1
    assert Invoice.objects.get(pk=draft.pk).anomalies == [{"kind": "first"}]
    assert in_thread(judge_waiting) == 0
