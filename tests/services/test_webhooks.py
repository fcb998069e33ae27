"""Webhooks: signed, at least once under one id, to no private address, past endpoints that answer nobody."""

import json
import ssl
import subprocess
import sys
import threading
import time
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from core.clock import real_now
from core.ids import to_text
from core.leases import lease_end
from core.notifications.addresses import read_url
from core.notifications.errors import BadChannel, BadRule, NotSendable
from core.notifications.models import Attempt, Channel, Delivery, Event, Rule
from core.notifications.post import Limits, NotSent, post
from core.notifications.selectors import state_of
from core.notifications.services.deliver_webhooks import custom_headers
from core.notifications.services.disable_gone import disable_gone
from core.notifications.services.record_events import Cause, record_events
from core.notifications.services.resend_event import resend_event
from core.notifications.services.save_channel import (
    KEPT,
    create_channel,
    delete_channel,
    rotate_secret,
    update_channel,
)
from core.notifications.services.save_rule import create_rule, delete_rule, update_rule
from core.notifications.services.try_rule import try_rule
from core.notifications.signing import signature
from core.outbox.models import OutboxMessage
from core.outbox.services.deliver import deliver_due
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.endpoint import drip, listening, redirect_to
from tests.support.workers import environment_of_tests

pytestmark = pytest.mark.django_db
NOW = at("2026-04-01")


@pytest.fixture
def endpoint(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with listening() as endpoint:
        yield endpoint


def make_channel(url, **given):
    return create_channel(name="Orders", url=url, **given)[0]


def make_rule(*channels, type="invoice.updated", **given):
    with clock.frozen_at(NOW):
        return create_rule(type=type, name="Rule", channel_ids=[channel.pk for channel in channels], **given)


def tell(*keys, type="invoice.updated", **given):
    with clock.frozen_at(NOW):
        return record_events(type, [Cause(key=key, data={"number": key}, at=NOW, **given) for key in keys or ["one"]])


def deliver(now=NOW, **options):
    with clock.frozen_at(now):
        return deliver_due(topics=("webhook",), **options)


def states():
    deliveries = Delivery.objects.select_related("message").order_by("event_id", "channel_id")
    return [state_of(delivery).value for delivery in deliveries]


def test_an_event_is_posted_signed_with_the_channels_headers(endpoint):
    channel, secret = create_channel(name="Orders", url=endpoint.url, headers={"X-Team": "blue"})
    make_rule(channel)
    [event] = tell()
    before = int(time.time())
    assert deliver() == 1

    [(headers, body)] = endpoint.received
    assert body == event.body.encode()
    assert json.loads(body) == {
        "id": to_text(event.pk),
        "type": "invoice.updated",
        "timestamp": "2026-04-01T00:00:00Z",
        "data": {"number": "one"},
    }
    assert (headers["webhook-id"], headers["x-team"]) == (to_text(event.pk), "blue")
    assert headers["content-type"] == "application/json"
    timestamp = int(headers["webhook-timestamp"])  # real, though the clock stands
    assert before <= timestamp <= time.time()
    signed = signature(secret, message_id=headers["webhook-id"], timestamp=timestamp, body=body)
    assert headers["webhook-signature"] == signed
    attempt = Attempt.objects.get()
    assert (attempt.succeeded, attempt.status_code, attempt.body, attempt.url) == (True, 200, "seen", endpoint.url)
    assert states() == ["SUCCESS"]
    assert deliver(NOW + timedelta(days=1)) == 0


def test_without_a_rule_in_force_one_query_and_nothing_is_stored(endpoint):
    channel = make_channel(endpoint.url)
    make_rule(channel, type="invoice.created")
    make_rule(channel, disabled=True)
    delete_rule(rule=make_rule(channel))
    with CaptureQueriesContext(connection) as queries:
        assert tell("one", "two") == []
    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(asked) == 1
    assert not Event.objects.exists()


def test_thirty_causes_take_as_many_queries_as_three_and_each_is_told_once(endpoint):
    make_rule(make_channel(endpoint.url), make_channel(endpoint.url))
    counts = []
    for keys in (["a", "b", "c"], [str(number) for number in range(30)]):
        with CaptureQueriesContext(connection) as queries:
            assert len(tell(*keys)) == len(keys)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8
    assert tell("a", "b", "d") and Event.objects.count() == 34
    assert (Delivery.objects.count(), OutboxMessage.objects.count()) == (68, 68)


def test_a_rule_about_features_tells_of_these_alone(endpoint):
    mine, other = [event.pk for event in (Event(), Event())]
    type = "entitlements.reset"
    make_rule(make_channel(endpoint.url), type=type, feature_ids=[mine])
    assert tell("mine", type=type, feature_id=mine)
    assert tell("other", type=type, feature_id=other) == []
    assert tell("none", type=type) == []


def test_a_failure_is_tried_again_under_the_same_id_and_given_up_after_ten_attempts(endpoint):
    make_rule(make_channel(endpoint.url))
    [event] = tell()
    endpoint.answer = 422  # says nothing against the endpoint, so that no breaker comes between
    assert deliver() == 0
    message = OutboxMessage.objects.get()
    assert timedelta(seconds=8) <= message.due_at - NOW <= timedelta(seconds=12)
    assert states() == ["PENDING"]
    for _ in range(9):
        message.refresh_from_db()
        assert deliver(message.due_at) == 0
    message.refresh_from_db()
    assert (message.attempts, message.due_at, message.last_error) == (10, None, "The endpoint answered 422.")
    assert endpoint.ids == [to_text(event.pk)] * 10
    assert Attempt.objects.filter(succeeded=False, status_code=422).count() == 10
    assert states() == ["FAILED"]
    assert deliver(NOW + timedelta(days=30)) == 0


def test_what_was_given_up_or_delivered_is_sent_again_when_asked_for(endpoint):
    first, second = make_channel(endpoint.url), make_channel(endpoint.url)
    make_rule(first, second)
    [event] = tell()
    assert deliver() == 2
    later = NOW + timedelta(days=1)
    with clock.frozen_at(later):
        resend_event(event=event, channel_ids=[second.pk])
    assert states() == ["SUCCESS", "RESENDING"]
    assert deliver(later) == 1
    assert endpoint.ids == [to_text(event.pk)] * 3
    third = make_channel(endpoint.url)
    with pytest.raises(NotSendable, match=to_text(third.pk)):
        resend_event(event=event, channel_ids=[third.pk])
    delete_channel(channel=first)
    with pytest.raises(NotSendable, match="deleted or disabled"):
        resend_event(event=event, channel_ids=[first.pk])
    Channel.objects.update(disabled=True)
    with pytest.raises(NotSendable, match="None of the event's channels"):
        resend_event(event=event)
    # A channel that the rule was given since is told as well.
    Channel.objects.update(disabled=False)
    event.rule.channels.add(third)
    with clock.frozen_at(later):
        resend_event(event=event)
    assert deliver(later) == 2


def test_what_waits_for_a_channel_that_is_deleted_or_disabled_is_given_up(endpoint):
    gone, off = make_channel(endpoint.url), make_channel(endpoint.url)
    make_rule(gone, off)
    tell()
    delete_channel(channel=gone)
    Channel.objects.filter(pk=off.pk).update(disabled=True)
    assert deliver() == 0
    assert (endpoint.received, states()) == ([], ["FAILED", "FAILED"])
    assert tell("two") and Delivery.objects.count() == 2


def asking_for_time(status, said):
    """An answer with `Retry-After`."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Retry-After", said)
        handler.end_headers()

    return answer


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_asks_for_time_gets_it_for_all_its_messages(endpoint, status):
    channel = make_channel(endpoint.url)
    make_rule(channel)
    tell("one", "two")
    endpoint.answer = asking_for_time(status, "7200")
    assert deliver() == 0
    assert len(endpoint.received) == 1
    channel.refresh_from_db()
    assert timedelta(minutes=119) < channel.open_until - real_now() <= timedelta(minutes=120)
    first, second = OutboxMessage.objects.order_by("-attempts")
    assert (first.attempts, first.due_at) == (1, NOW + timedelta(hours=2))
    assert first.last_error == f"The endpoint answered {status}, and asked for time."
    assert second.attempts == 0
    endpoint.answer = 200
    Channel.objects.update(open_until=real_now())
    assert deliver(NOW + timedelta(minutes=119)) == 1
    assert deliver(NOW + timedelta(hours=2)) == 1


def test_who_asks_for_less_time_than_is_planned_or_for_years_or_nonsense_gets_what_is_sensible(endpoint):
    make_rule(make_channel(endpoint.url))
    tell()
    message = OutboxMessage.objects.get()
    waits = []
    for said in ("1", "soon", "99999999999999999999"):
        endpoint.answer = asking_for_time(422, said)
        OutboxMessage.objects.update(attempts=1, due_at=NOW)
        deliver()
        message.refresh_from_db()
        waits.append(message.due_at - NOW)
    assert all(timedelta(seconds=48) <= wait <= timedelta(seconds=72) for wait in waits[:2])
    assert waits[2] == timedelta(days=1)
    # The last attempt is the last, whatever it asks for.
    OutboxMessage.objects.update(attempts=9, due_at=NOW)
    deliver()
    assert states() == ["FAILED"]


def test_an_endpoint_that_is_gone_is_sent_nothing_more_until_staff_enable_it(endpoint):
    channel = make_channel(endpoint.url)
    make_rule(channel)
    [event, _] = tell("one", "two")
    endpoint.answer = 410
    assert deliver() == 0
    channel.refresh_from_db()
    assert (len(endpoint.received), channel.disabled, states()) == (1, True, ["FAILED", "FAILED"])
    assert AuditEntry.objects.get(verb="channel.disabled").sentence.endswith(
        "disabled the webhook channel Orders: its endpoint answered 410, it wants nothing any more."
    )
    assert tell("three") and Delivery.objects.count() == 2
    endpoint.answer = 200
    update_channel(channel=channel, name="Orders", url=endpoint.url, headers={})
    with clock.frozen_at(NOW):
        resend_event(event=event)
    assert deliver() == 1


def test_an_answer_of_another_address_disables_nothing(endpoint):
    channel = make_channel(endpoint.url)
    stale = Channel.objects.get()
    update_channel(channel=channel, name="Orders", url="https://new.example.com/", headers={})
    disable_gone(stale)
    channel.refresh_from_db()
    assert not channel.disabled


def test_a_stored_header_is_not_sent_to_another_server_by_who_does_not_know_it(endpoint):
    channel = make_channel(endpoint.url, headers={"Authorization": "Bearer abc"})
    moved = endpoint.url.replace("/hooks", "/other")
    update_channel(channel=channel, name="Orders", url=moved, headers={"Authorization": KEPT})
    for url in ("https://attacker.example/hooks", endpoint.url.replace("http:", "https:")):
        with pytest.raises(BadChannel, match="for this server"):
            update_channel(channel=channel, name="Orders", url=url, headers={"Authorization": KEPT})
    channel.refresh_from_db()
    assert (channel.url, custom_headers(channel)) == (moved, {"Authorization": "Bearer abc"})


def test_no_redirect_is_followed(endpoint):
    with listening() as inner:
        endpoint.answer = redirect_to(inner.url)
        make_rule(make_channel(endpoint.url))
        tell()
        assert deliver() == 0
        assert (len(endpoint.received), inner.received) == (1, [])
    assert Attempt.objects.get().status_code == 307


def test_nothing_goes_to_a_private_address_whatever_name_leads_there(endpoint, settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_NETWORKS = ()
    port = read_url(endpoint.url).port
    with pytest.raises(BadChannel, match="no public address"):
        make_channel(endpoint.url)
    make_rule(make_channel(f"http://localhost:{port}/hooks"))
    tell()
    assert deliver() == 0
    assert endpoint.received == []
    said = "The name localhost leads to an address that webhooks may not be sent to. Nothing was sent."
    assert Attempt.objects.get().error == said
    settings.WEBHOOK_ALLOW_PRIVATE = True
    assert deliver(NOW + timedelta(minutes=1)) == 1


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"], []]
)
def test_a_name_with_any_private_address_is_not_connected_to(endpoint, found):
    target = read_url(f"http://hooks.example:{read_url(endpoint.url).port}/")
    with pytest.raises(NotSent, match="may not be sent to"):
        post(target, b"{}", {}, limits=Limits(), resolve=lambda host, port: found)
    assert endpoint.received == []


def test_a_name_that_answers_otherwise_the_second_time_leads_where_the_first_answer_did(endpoint):
    """The answers of a resolver that changes its mind: only the first is asked for, and connected to."""
    with listening("127.0.0.2") as inner:
        port = read_url(endpoint.url).port
        answers = iter([["127.0.0.1"], ["127.0.0.2"]])
        target = read_url(f"http://hooks.example:{port}/path")
        allowed = (ip_network("127.0.0.1/32"),)
        answer = post(target, b"{}", {}, limits=Limits(allowed), resolve=lambda host, port: next(answers))
        assert (answer.status, len(endpoint.received), inner.received) == (200, 1, [])
        assert endpoint.received[0][0]["host"] == f"hooks.example:{port}"
        with pytest.raises(NotSent, match="may not be sent to"):
            post(target, b"{}", {}, limits=Limits(allowed), resolve=lambda host, port: next(answers))
    assert len(endpoint.received) == 1


def test_a_slow_endpoint_is_left_when_its_time_is_over_and_a_giant_answer_is_cut(endpoint):
    endpoint.answer = drip(3)
    target = read_url(endpoint.url)
    limits = Limits(allowed=None, seconds=0.4)
    begun = time.monotonic()
    with pytest.raises(NotSent, match=r"no whole answer within 0\.4 seconds"):
        post(target, b"{}", {}, limits=limits)
    assert time.monotonic() - begun < 1.5

    def giant(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"." * 200_000)

    endpoint.answer = giant
    assert len(post(target, b"{}", {}, limits=Limits(allowed=None)).body) == 64 * 1024


def test_a_name_server_that_answers_nothing_holds_nobody_longer_than_its_time(endpoint):
    target = read_url(f"http://hooks.example:{read_url(endpoint.url).port}/")
    silence = threading.Event()

    def never(host, port):
        silence.wait(20)
        return ["127.0.0.1"]

    def late(host, port):
        raise TimeoutError("timed out")

    begun = time.monotonic()
    with pytest.raises(NotSent, match=r"hooks\.example could not be resolved: no name server answered within 0\.2 sec"):
        post(target, b"{}", {}, limits=Limits(allowed=None, look_up_seconds=0.2), resolve=never)
    assert time.monotonic() - begun < 5
    silence.set()
    with pytest.raises(NotSent, match=r"hooks\.example could not be resolved: timed out"):
        post(target, b"{}", {}, limits=Limits(allowed=None), resolve=late)
    assert endpoint.received == []


def test_a_certificate_must_be_valid_for_the_name_and_not_for_the_address(tmp_path):
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hooks.example"
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    names = ["-addext", "subjectAltName=DNS:hooks.example"]
    subprocess.run([*make.split(), *files, *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    knowing = ssl.create_default_context(cafile=str(tmp_path / "cert"))
    with listening(tls=server) as endpoint:
        port = read_url(endpoint.url).port

        def send(host, tls):
            target = read_url(f"https://{host}:{port}/")
            limits = Limits(allowed=None)
            return post(target, b"{}", {}, limits=limits, resolve=lambda host, port: ["127.0.0.1"], tls=tls).status

        assert send("hooks.example", knowing) == 200
        with pytest.raises(NotSent, match="certificate is not valid"):
            send("other.example", knowing)
        with pytest.raises(NotSent, match="certificate is not valid"):
            send("hooks.example", None)
        assert len(endpoint.received) == 1


def test_an_endpoint_that_answers_nobody_is_left_alone_and_holds_up_no_other(endpoint):
    with listening() as dead:
        dead.answer = 503
        bad, good = make_channel(dead.url), make_channel(endpoint.url)
        make_rule(bad)
        tell(*(f"bad {number}" for number in range(20)))
        assert deliver() == 0
        assert len(dead.received) == 5
        bad.refresh_from_db()
        assert (bad.failures, bad.openings) == (5, 1)
        assert timedelta(seconds=25) < bad.open_until - real_now() <= timedelta(seconds=30)
        make_rule(good, type="invoice.created")
        tell(*(f"good {number}" for number in range(20)), type="invoice.created")
        soon = NOW + timedelta(minutes=2)  # all are due again
        with CaptureQueriesContext(connection) as queries:
            assert deliver(soon) == 20
        claims = [query["sql"] for query in queries if "FOR UPDATE SKIP LOCKED" in query["sql"]]
        assert len(claims) == 2, "those of the dead endpoint were not even claimed"
        assert len(dead.received) == 5

        # Its time is over: one message is the trial, and its failure opens the breaker for twice as long.
        Channel.objects.filter(pk=bad.pk).update(open_until=real_now())
        assert deliver(soon) == 0
        assert len(dead.received) == 6
        bad.refresh_from_db()
        assert timedelta(seconds=55) < bad.open_until - real_now() <= timedelta(seconds=60)
        assert OutboxMessage.objects.filter(delivered_at=None, attempts=0).count() >= 14

        # It is well again: the trial closes the breaker, and all go out.
        dead.answer = 200
        Channel.objects.filter(pk=bad.pk).update(open_until=real_now())
        assert deliver(NOW + timedelta(hours=1)) == 20
        bad.refresh_from_db()
        assert (bad.failures, bad.openings, bad.open_until, bad.probe_until) == (0, 0, None, None)


def test_what_waits_for_a_dead_endpoint_for_three_days_is_given_up(endpoint):
    channel = make_channel(endpoint.url)
    make_rule(channel)
    tell()
    # It is tried by another worker, so that nobody else may: nothing of this is claimed.
    trial = real_now() + timedelta(hours=1)
    Channel.objects.update(failures=5, openings=1, open_until=real_now(), probe_until=trial)
    assert deliver(NOW + timedelta(days=2)) == 0
    assert states() == ["PENDING"]
    assert deliver(NOW + timedelta(days=3)) == 0
    assert states() == ["FAILED"]
    assert OutboxMessage.objects.get().last_error == "The endpoint has answered nobody for days. It was given up."
    assert endpoint.received == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_try_an_endpoint_that_was_left_alone_once(endpoint):
    channel = make_channel(endpoint.url)
    make_rule(channel)
    tell(*(f"event {number}" for number in range(60)))

    def slowly_refuse(handler):
        time.sleep(0.3)
        handler.send_response(500)
        handler.end_headers()

    endpoint.answer = slowly_refuse
    Channel.objects.update(failures=5, openings=1, open_until=real_now())
    assert at_once(lambda: deliver(seconds=2), lambda: deliver(seconds=2)) == [0, 0]
    assert len(endpoint.received) == 1
    assert OutboxMessage.objects.filter(attempts=0).count() == 59
    assert not OutboxMessage.objects.filter(lease_until__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_event_once(endpoint):
    make_rule(make_channel(endpoint.url))
    events = tell(*(f"event {number}" for number in range(60)))
    sent = at_once(lambda: deliver(seconds=30), lambda: deliver(seconds=30))
    assert sum(sent) == 60
    assert sorted(endpoint.ids) == sorted(to_text(event.pk) for event in events)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("dies_at", ["Attempt.objects.create", "deliver._mark_delivered"])
def test_a_worker_that_is_killed_before_its_mark_sends_again_under_the_same_id_unless_it_is_marked(endpoint, dies_at):
    make_rule(make_channel(endpoint.url))
    [event] = tell()
    program = (
        "import django; django.setup()\n"
        "import os, signal\n"
        "from datetime import datetime\n"
        "from ipaddress import ip_network\n"
        "from django.conf import settings\n"
        "from core import clock\n"
        "from core.notifications.models import Attempt\n"
        "from core.notifications.services import deliver_webhooks\n"
        "from core.outbox.services import deliver\n"
        "settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network('127.0.0.0/8'),)\n"
        "def die(*args, **named): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{dies_at} = die\n"
        f"with clock.frozen_at(datetime.fromisoformat('{NOW.isoformat()}')):\n"
        "    deliver.deliver_due(topics=('webhook',))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment_of_tests(), check=False, timeout=60)
    assert done.returncode == -9
    assert endpoint.ids == [to_text(event.pk)]
    assert deliver(NOW + timedelta(hours=1)) == 0  # the claim lasts
    OutboxMessage.objects.update(lease_until=lease_end(timedelta(seconds=-1)))
    assert deliver(NOW + timedelta(hours=1)) == 1
    again = 2 if dies_at.startswith("Attempt") else 1
    assert endpoint.ids == [to_text(event.pk)] * again
    assert states() == ["SUCCESS"]


def test_secrets_and_headers_are_stored_encrypted_and_kept_where_they_are_not_given(endpoint):
    channel, secret = create_channel(name="Orders", url=endpoint.url, headers={"Authorization": "Bearer abc"})
    row = Channel.objects.filter(pk=channel.pk).values().get()
    assert secret not in str(row) and "Bearer abc" not in str(row)
    update_channel(channel=channel, name="Orders", url=endpoint.url, headers={"authorization": "new", "X-A": "1"})
    channel = update_channel(channel=channel, name="Other", url=endpoint.url, headers={"authorization": KEPT})
    assert custom_headers(channel) == {"authorization": "new"}
    make_rule(channel)
    [event] = tell()
    deliver()
    [(headers, body)] = endpoint.received
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(secret, message_id=event_id(event), timestamp=stamp, body=body)
    fresh = rotate_secret(channel=channel)
    assert fresh != secret
    with pytest.raises(BadChannel, match="none is stored"):
        update_channel(channel=channel, name="Other", url=endpoint.url, headers={"X-B": KEPT})


def event_id(event):
    return to_text(event.pk)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://10.0.0.1/"}, "no public address"),
        ({"headers": {"Host": "other"}}, "set by us"),
        ({"headers": {"Webhook-Id": "1"}}, "set by us"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "printable"),
        ({"headers": {"X A": "b"}}, "no name"),
        ({"headers": {"X-A": "b", "x-a": "c"}}, "once"),
        ({"signing_secret": "secret"}, "whsec_"),
    ],
)
def test_channels_that_are_refused(given, said):
    with pytest.raises(BadChannel, match=said):
        create_channel(**({"name": "Orders", "url": "https://example.com/"} | given))
    assert not Channel.objects.exists()


def test_rules_that_are_refused(endpoint):
    channel = make_channel(endpoint.url)
    with pytest.raises(BadRule, match="at least one channel"):
        make_rule()
    with pytest.raises(BadRule, match="at least one threshold"):
        make_rule(channel, type="entitlements.balance.threshold")
    with pytest.raises(BadRule, match="not about features"):
        make_rule(channel, feature_ids=[channel.pk])
    with pytest.raises(BadRule, match="keeps its type"):
        update_rule(rule=make_rule(channel), type="invoice.created", name="Rule", channel_ids=[channel.pk])
    delete_channel(channel=channel)
    with pytest.raises(BadRule, match="no channel"):
        make_rule(channel)
    assert Rule.objects.count() == 1


def test_a_test_event_goes_out_though_the_rule_is_disabled(endpoint):
    rule = make_rule(make_channel(endpoint.url), disabled=True)
    with clock.frozen_at(NOW):
        event = try_rule(rule=rule)
    assert deliver() == 1
    assert endpoint.received[0][1] == event.body.encode()
    Channel.objects.update(disabled=True)
    with pytest.raises(NotSendable):
        try_rule(rule=rule)
