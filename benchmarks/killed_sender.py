"""The processes of `benchmarks.killed_ingest`: some store batches, others prepare and judge.

    python -m benchmarks.killed_sender

Reads lines: `start` with one of the following begins it in a process of its own, forked from this one, which has loaded
everything and opened nothing, and answers with its number; `wait NUMBER` answers with the code that it ended with.

    prepare
    send FIRST LAST JOURNAL
    key FILE
    post FIRST LAST JOURNAL FILE PORT
    judge BATCHES JOURNAL

A batch stands in the journal, on the disk, once `ingest_events` has answered for it, or the web server, whose API key
is in the file. What posts sends a batch until it is acknowledged, whatever happens to the server meanwhile.
"""

import http.client
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django first
from django.db.models import Count  # noqa: E402

from billing_site.access.services.create_api_key import create_api_key  # noqa: E402
from customers.attribution import Attribution  # noqa: E402
from entitlements.metering.create_meter import create_meter  # noqa: E402
from entitlements.metering.ingest_events import ingest_events  # noqa: E402
from entitlements.metering.reading import UsageRequest, reading_of  # noqa: E402
from entitlements.metering.usage import plain_usage_of, usage_of  # noqa: E402
from entitlements.models import Feature, UsageEvent, UsageEventKey  # noqa: E402

EACH = 20  # events of a batch, of 1 to 20 units
SUM_OF_BATCH = 210
WITHIN = 180  # seconds, for any of it but posting, which goes on through all points
ALL_POSTED_WITHIN = 3600
SPAN = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def events_of(batch: int) -> list[dict[str, object]]:
    """The events of a batch, always the same: of three customers, in many hours, in an order of the batch's own."""
    events: list[dict[str, object]] = [
        {
            "id": f"{batch}-{number}",
            "source": f"sender-{batch}",
            "type": "usage",
            "subject": f"customer-{number % 3}",
            "time": f"2026-03-02T{(batch + number) % 24:02}:30:00Z",
            "data": {"amount": number + 1, "user": f"user-{number % 5}"},
        }
        for number in range(EACH)
    ]
    return events[batch % EACH :] + events[: batch % EACH]


def prepare() -> None:
    """Tables, and two meters."""
    call_command("migrate", verbosity=0)
    for kind, path in (("SUM", "$.amount"), ("UNIQUE_COUNT", "$.user")):
        meter = create_meter(key=kind.lower(), event_type="usage", aggregation=kind, value_property=path)
        Feature.objects.create(key=kind.lower(), name=kind, meter=meter)


def send(first: int, last: int, journal: Path) -> None:
    """Store these batches in turn, and write down each once it is answered for."""
    with journal.open("a") as file:
        for batch in range(first, last):
            ingest_events(events=events_of(batch))
            file.write(f"{batch}\n")
            file.flush()
            os.fsync(file.fileno())


def post(first: int, last: int, journal: Path, key: Path, port: int) -> None:
    """Post these batches in turn, each until it is acknowledged, and write down each then."""
    headers = {
        "Authorization": f"Bearer {key.read_text()}",
        "Content-Type": "application/cloudevents-batch+json",
        "Connection": "close",
    }
    with journal.open("a") as file:
        for batch in range(first, last):
            body = json.dumps([{"specversion": "1.0", **event} for event in events_of(batch)])
            while not _taken(body, headers, port):
                time.sleep(0.02)
            file.write(f"{batch}\n")
            file.flush()
            os.fsync(file.fileno())


def _taken(body: str, headers: dict[str, str], port: int) -> bool:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        link.request("POST", "/api/v1/events", body, headers)
        status = link.getresponse().status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
    assert status == 204 or status >= 500, status
    return status == 204


def judge(batches: int, journal: Path) -> None:
    """What was acknowledged is there, each batch is there as a whole or not at all, and it is counted as it is stored.
    Where all of `batches` are expected (not 0), they and nothing else are there."""
    acknowledged = {int(line) for line in journal.read_text().split()}
    counts = UsageEvent.objects.values("source").annotate(n=Count("id")).values_list("source", "n")
    stored = {int(source.removeprefix("sender-")): number for source, number in counts}
    assert set(stored.values()) <= {EACH}, f"not whole: {[batch for batch, n in stored.items() if n != EACH]}"
    assert acknowledged <= set(stored), f"acknowledged and not stored: {sorted(acknowledged - set(stored))}"
    assert UsageEventKey.objects.count() == EACH * len(stored)
    if batches:
        assert set(stored) == set(range(batches)), (len(stored), batches)
    subjects = [Attribution(f"customer-{number}") for number in range(3)]
    features = {feature.key: feature for feature in Feature.objects.select_related("meter")}
    asked = []
    for key, name in enumerate(("sum", "unique_count")):
        reading = reading_of(features[name])
        assert reading is not None
        asked.append(UsageRequest(key, reading, subjects, [SPAN]))
    rolled, plain = usage_of(asked), plain_usage_of(asked)
    assert rolled == plain, (rolled, plain)
    expected = (SUM_OF_BATCH * len(stored), EACH * len(stored), 0)
    assert tuple(rolled[0]) == expected, (rolled[0], expected)
    assert rolled[1].quantity == (5 if stored else 0)
    call_command("prove_usage", verbosity=0)
    print(
        f"{len(acknowledged):,} batches acknowledged, {len(stored):,} stored; off rollups, they come to "
        f"{rolled[0].quantity:,} in {rolled[0].events:,} events, one by one to {plain[0].quantity:,} in "
        f"{plain[0].events:,}",
        flush=True,
    )


def do(words: Sequence[str]) -> None:
    """Do what is said."""
    if words[0] == "prepare":
        prepare()
    elif words[0] == "send":
        send(int(words[1]), int(words[2]), Path(words[3]))
    elif words[0] == "key":
        Path(words[1]).write_text(create_api_key(name="Sender", scopes=["*"])[1])
    elif words[0] == "post":
        post(int(words[1]), int(words[2]), Path(words[3]), Path(words[4]), int(words[5]))
    else:
        judge(int(words[1]), Path(words[2]))


def begin(words: Sequence[str]) -> int:
    """Do it in a process of its own; its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(ALL_POSTED_WITHIN if words[0] == "post" else WITHIN)
        os.dup2(2, 1)  # what it prints is no answer
        if words[0] == "send":
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it says what it thinks of being killed
        do(words)
        code = 0
    finally:
        if code:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Do what each line says."""
    for line in sys.stdin:
        what, *words = line.split()
        answer = begin(words) if what == "start" else os.waitstatus_to_exitcode(os.waitpid(int(words[0]), 0)[1])
        print(answer, flush=True)


if __name__ == "__main__":
    main()
