"""The outbox: claimed, sent outside of any transaction, marked; at least once, by many workers, in a bounded time."""

import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from core import clock, leases
from core.ids import new_id, to_text
from core.leases import lease_end
from core.outbox.models import OutboxMessage
from core.outbox.services import deliver as module
from core.outbox.services.deliver import BATCH_SIZE, LEASE, deliver_due, helpers_wanted
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.workers import environment_of_tests

NOW = at("2026-04-01")


@pytest.fixture
def messages(transactional_db):
    def make(count, **columns):
        return OutboxMessage.objects.bulk_create(
            OutboxMessage(
                topic="email",
                payload={"to": f"c{number}@example.com", "subject": f"Notice {number}", "body": "-"},
                created_at=NOW,
                **({"due_at": NOW} | columns),
            )
            for number in range(count)
        )

    return make


@pytest.fixture
def post(monkeypatch):
    """Whatever is sent goes through `post.before` first, on its way to the mails in memory."""

    class Post:
        before = staticmethod(lambda number: None)

    def send(message_id, payload):
        Post.before(int(payload["subject"].split()[1]))
        assert not connection.in_atomic_block
        mail.outbox.append(payload["subject"])

    class Way:
        def __enter__(self):
            return send

        def __exit__(self, *_):
            pass

    monkeypatch.setitem(module._ways, "email", Way)
    return Post


def deliver(now=NOW, **options):
    with clock.frozen_at(now):
        return deliver_due(**options)


def ids(mails):
    return sorted(sent.extra_headers["Message-ID"] for sent in mails)


def test_2000_messages_go_out_in_one_call_a_claim_for_fifty_and_two_marks_for_each(messages):
    made = messages(2000)
    with CaptureQueriesContext(connection) as queries:
        assert deliver(seconds=600) == 2000
    assert ids(mail.outbox) == sorted(f"<{to_text(message.pk).lower()}@countinghouse.example>" for message in made)
    claims = [query for query in queries.captured_queries if "FOR UPDATE SKIP LOCKED" in query["sql"]]
    marks = [query for query in queries.captured_queries if '"delivered_at" =' in query["sql"]]
    begun = [query for query in queries.captured_queries if '"attempts" = 1' in query["sql"]]
    assert (len(claims), len(begun), len(marks)) == (41, 2000, 2000)
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()
    assert set(OutboxMessage.objects.values_list("attempts", "due_at", "lease_until")) == {(1, None, None)}


def test_a_call_ends_with_the_message_in_which_its_time_is_over_and_leaves_the_rest_to_others(messages):
    messages(120)
    assert deliver(seconds=0) == 1
    assert not OutboxMessage.objects.exclude(lease_until=None, lease_token=None).exists()
    assert deliver(seconds=600) == 119


def test_a_mail_server_that_never_answers_holds_a_worker_for_one_message_more_than_its_time(messages, settings):
    messages(5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        settings.EMAIL_TIMEOUT = 1
        begun = time.monotonic()
        assert deliver(seconds=1.5) == 0
        assert time.monotonic() - begun < 4.5  # five of them would take five seconds
    tried = OutboxMessage.objects.filter(attempts=1, last_error__contains="timed out", due_at__gt=NOW)
    left = OutboxMessage.objects.filter(attempts=0, due_at=NOW, lease_until=None)
    assert (tried.count(), left.count()) == (2, 3)


def test_helpers_are_wanted_for_each_further_batch_up_to_three(messages):
    with clock.frozen_at(NOW):
        assert helpers_wanted() == 0
        messages(BATCH_SIZE)
        assert helpers_wanted() == 0
        messages(1)
        assert helpers_wanted() == 1
        messages(1000)
        assert helpers_wanted() == 3
    with clock.frozen_at(NOW - timedelta(seconds=1)):
        assert helpers_wanted() == 0


def test_two_workers_at_once_send_none_twice_and_share_the_work(messages, post):
    messages(4 * BATCH_SIZE)
    both = threading.Barrier(2)
    came = set()

    def wait_for_each_other(_number):
        # Neither sends its first before the other has claimed something, too.
        if threading.get_ident() not in came:
            came.add(threading.get_ident())
            both.wait(timeout=60)

    post.before = wait_for_each_other
    counts = at_once(*[partial(deliver_due, seconds=600)] * 2)
    assert sum(counts) == 200 and min(counts) >= BATCH_SIZE
    assert sorted(map(str, mail.outbox)) == sorted(f"Notice {number}" for number in range(200))


def worker_that_dies_of(number, now=NOW):
    """A process of its own that delivers what is due, and is killed while it sends the notice of that number."""
    program = (
        "import django; django.setup()\n"
        "import os, signal, sys\n"
        "from datetime import datetime\n"
        "from core import clock\n"
        "from core.outbox.services import deliver\n"
        "class Way:\n"
        "    def __enter__(self): return self.send\n"
        "    def __exit__(self, *_): pass\n"
        "    def send(self, message_id, payload):\n"
        "        if payload['subject'] == f'Notice {sys.argv[1]}': os.kill(os.getpid(), signal.SIGKILL)\n"
        "deliver._ways['email'] = Way\n"
        "with clock.frozen_at(datetime.fromisoformat(sys.argv[2])): deliver.deliver_due()\n"
    )
    command = [sys.executable, "-c", program, str(number), now.isoformat()]
    done = subprocess.run(command, env=environment_of_tests(), check=False, timeout=60)
    assert done.returncode == -9


def end_claims():
    OutboxMessage.objects.exclude(lease_until=None).update(lease_until=lease_end(timedelta(seconds=-1)))


def test_what_a_killed_worker_had_claimed_goes_out_when_the_claim_is_over_and_not_before(messages):
    made = messages(5)
    worker_that_dies_of(2)
    # It sent three and could say so of two: the third is the one that goes out twice, known by its id.
    assert OutboxMessage.objects.exclude(delivered_at=None).count() == 2
    assert deliver() == 0
    claimed = OutboxMessage.objects.filter(delivered_at=None)
    assert not claimed.filter(lease_until__gt=lease_end(LEASE)).exists()
    end_claims()
    # What it died of waits as after a failure.
    assert deliver() == 2
    assert deliver(NOW + timedelta(seconds=60)) == 1
    known = {f"<{to_text(message.pk).lower()}@countinghouse.example>" for message in made}
    assert len(ids(mail.outbox)) == 3 and set(ids(mail.outbox)) < known


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_machine_whose_clock_is_wrong_takes_nobodys_claim_and_loses_none(messages, monkeypatch, seconds):
    messages(2)
    with clock.frozen_at(NOW):
        assert len(module._claim()) == 2
        monkeypatch.setattr(clock, "real_now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))
        assert (module._claim(), helpers_wanted()) == ([], 0)
        OutboxMessage.objects.update(lease_until=lease_end(timedelta(seconds=-1)))
        assert len(module._claim()) == 2  # by the wrong clock
        monkeypatch.undo()
        assert module._claim() == []
    left = OutboxMessage.objects.annotate(left=F("lease_until") - Now()).values_list("left", flat=True)
    assert timedelta(seconds=50) < min(left) <= max(left) <= LEASE


def test_a_message_that_kills_whoever_sends_it_keeps_no_other_waiting_and_is_given_up(messages):
    messages(3)
    worker_that_dies_of(0)
    end_claims()
    poison = OutboxMessage.objects.order_by("id").first()
    assert (poison.attempts, poison.due_at, poison.delivered_at) == (1, NOW + timedelta(seconds=60), None)
    assert poison.last_error == "It is under way, or whoever sent it ended while it was."
    assert deliver() == 2
    # Nine attempts later, as if each had ended so.
    last_at = NOW + timedelta(hours=9)
    OutboxMessage.objects.filter(pk=poison.pk).update(attempts=9, due_at=last_at)
    worker_that_dies_of(0, now=last_at)
    end_claims()
    poison.refresh_from_db()
    assert (poison.attempts, poison.due_at, poison.delivered_at) == (10, None, None)
    assert deliver(NOW + timedelta(days=9)) == 0


def test_a_slow_worker_whose_claim_was_taken_over_sends_no_more_of_it(messages, post, monkeypatch):
    monkeypatch.setattr(module, "LEASE", timedelta(0))
    messages(3)
    taken_over: list[int] = []

    def another_takes_over(number):
        if number == 0 and not taken_over:
            taken_over.append(number)
            assert deliver() == 2

    post.before = another_takes_over
    assert deliver() == 1
    # The first was on its way already; the others were sent by the other worker alone.
    assert list(map(str, mail.outbox)) == ["Notice 1", "Notice 2", "Notice 0"]
    assert set(OutboxMessage.objects.values_list("attempts", flat=True)) == {1}


def test_a_mail_that_takes_longer_than_the_claim_lasts_goes_out_once(messages, post, monkeypatch):
    monkeypatch.setattr(module, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(leases, "_RENEWED_EVERY", 0.2)
    messages(1)
    begun, others = [], []

    def take_long(number):
        begun.append(number)
        if len(begun) == 1:
            time.sleep(2)
            others.append(deliver())

    post.before = take_long
    assert deliver() == 1
    assert (others, mail.outbox) == ([0], ["Notice 0"])


def test_what_is_out_is_marked_though_another_worker_has_claimed_it_meanwhile_and_a_failure_is_not(messages, post):
    messages(2)

    def lose_the_claim(number):
        OutboxMessage.objects.filter(payload__subject=f"Notice {number}").update(lease_token=new_id())
        if number == 1:
            raise ConnectionRefusedError("no mail server")

    post.before = lose_the_claim
    assert deliver() == 1
    sent, failed = OutboxMessage.objects.order_by("id")
    assert (sent.delivered_at, sent.due_at, sent.attempts, sent.lease_token) == (NOW, None, 1, None)
    # Its new holder says what comes of it.
    assert (failed.delivered_at, failed.due_at, failed.attempts) == (None, NOW + timedelta(seconds=60), 1)
    assert "ConnectionRefusedError" not in failed.last_error and failed.lease_token is not None


def test_a_failure_is_tried_again_later_and_given_up_after_ten_attempts_while_others_go_out(messages, post):
    messages(2)

    def refuse(number):
        if number == 0:
            raise ConnectionRefusedError("no mail server")

    post.before = refuse
    assert deliver() == 1
    assert mail.outbox == ["Notice 1"]
    failed = OutboxMessage.objects.get(delivered_at=None)
    assert failed.due_at == NOW + timedelta(seconds=60)
    assert (failed.attempts, failed.last_error) == (1, "ConnectionRefusedError: no mail server")
    assert deliver() == 0
    for _ in range(9):
        failed.refresh_from_db()
        assert deliver(failed.due_at) == 0
    failed.refresh_from_db()
    assert (failed.attempts, failed.due_at, failed.lease_until) == (10, None, None)
