"""Whatever wrote events past the ingest: a proof tells which are not known by their key, and mends what it can."""

import tracemalloc

import pytest
from django.core.management import call_command
from django.db import connection

from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.store.prove_keys import Fault, keys_apart
from entitlements.models import UsageEvent, UsageEventKey
from tests.support.clock import at

pytestmark = pytest.mark.django_db
DAY = at("2026-03-02")


def event(number, time="2026-03-02T10:15:00Z"):
    return {"id": f"e{number}", "source": "s", "type": "usage", "subject": "acme", "time": time}


def store_past_the_ingest(number, time):
    UsageEvent.objects.create(source="s", external_id=f"e{number}", type="usage", subject="acme", time=at(time))


@pytest.fixture(autouse=True)
def stored():
    assert ingest_events(events=[event(1), event(2, "2026-03-03T00:00:00Z")]) == 2
    assert list(keys_apart(DAY)) == []


def test_an_event_without_its_key_is_told_and_known_once_mended(capsys):
    store_past_the_ingest(3, "2026-03-02T23:59:59")
    assert list(keys_apart(DAY)) == [("s", "e3", Fault.UNKNOWN)]
    assert list(keys_apart(at("2026-03-03"))) == []
    with pytest.raises(SystemExit):
        call_command("prove_usage")
    said = capsys.readouterr().out
    assert "The event e3 of s, 2026-03-02, is stored without its key: sent again, it would count twice." in said
    assert "1 events from their keys. --mend mends them." in said
    call_command("prove_usage", "--mend")
    assert "1 keys were put right." in capsys.readouterr().out
    assert ingest_events(events=[event(3, "2026-03-02T23:59:59Z")]) == 0
    call_command("prove_usage")


def test_a_key_without_its_event_is_told_and_free_once_mended():
    UsageEventKey.objects.create(source="s", event_id="e4", stored_as=UsageEvent(source="s").id, time=DAY)
    assert ingest_events(events=[event(4)]) == 0
    assert list(keys_apart(DAY)) == [("s", "e4", Fault.MISSING)]
    call_command("prove_usage", "--mend", verbosity=0)
    assert ingest_events(events=[event(4)]) == 1
    assert list(keys_apart(DAY)) == []


@pytest.mark.parametrize("time", ["2026-03-02T10:15:00", "2026-03-02T11:00:00"])
def test_an_event_that_is_stored_twice_is_told_and_stays(capsys, time):
    store_past_the_ingest(1, time)
    assert list(keys_apart(DAY)) == [("s", "e1", Fault.DOUBLE)]
    for how in ((), ("--mend",)):
        with pytest.raises(SystemExit):
            call_command("prove_usage", *how)
    assert "1 events are stored more than once, which stays so." in capsys.readouterr().out
    assert UsageEvent.objects.filter(external_id="e1").count() == 2


def test_of_a_whole_day_without_its_keys_some_are_named_and_the_others_counted_in_little_memory(capsys):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO entitlements_usageevent (id, source, external_id, type, subject, time, ingested_at)
            SELECT gen_random_uuid(), 's', 'f' || lpad(n::text, 5, '0'), 'usage', 'acme', %s, now()
            FROM generate_series(1, 30000) AS n
            """,
            [DAY],
        )
    tracemalloc.start()
    with pytest.raises(SystemExit):
        call_command("prove_usage")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "The event f00001 of s, 2026-03-02, is stored without its key: sent again, it would count twice."
    )
    assert said[20] == "... and 29,980 more events of 2026-03-02."
    assert "30,000 events from their keys" in said[-1]
    # All of them at once take 5.5 MB.
    assert peak < 3_000_000
    call_command("prove_usage", "--mend")
    assert "30,000 keys were put right." in capsys.readouterr().out
    call_command("prove_usage")


def test_a_long_proof_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr("entitlements.management.commands.prove_usage._REPORT_EVERY", -1.0)
    call_command("prove_usage")
    assert capsys.readouterr().out.splitlines()[:2] == [
        "1 days compared, up to 2026-03-02.",
        "2 days compared, up to 2026-03-03.",
    ]
    call_command("prove_usage", verbosity=0)
    assert capsys.readouterr().out == ""
