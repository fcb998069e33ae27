"""`make serve`: web, worker and beat under one supervisor, from start to Ctrl-C. Real processes throughout."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import Any

import psycopg
import pytest

from billing_site.runtime.layout import ROOT
from tests.runtime.conftest import House, alive, processes_that_mention, wait_until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running `serve`."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.port = free_port()
        house.environment |= {"PORT": str(self.port), "DJANGO_SETTINGS_MODULE": "billing_site.settings.development"}
        self.process = house.begin("serve")
        self.read_until("Ctrl-C stops everything.")

    def read_until(self, text: str) -> None:
        lines = []
        for line in self.process.stdout or ():
            lines.append(line)
            if text in line:
                return
        pytest.fail(f"serve ended without saying {text!r}:\n{''.join(lines)}")

    def rest(self) -> str:
        return self.process.stdout.read() if self.process.stdout else ""

    def children(self) -> dict[str, int]:
        state = json.loads(self.house.layout.state.read_text())
        return {name: child["pid"] for name, child in state["children"].items()}

    def page(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/admin/login/", timeout=20) as answer:
            return int(answer.status)

    def doctor(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "doctor"]
        return subprocess.run(
            command, env=self.house.environment, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
        )


def test_the_doctor_says_what_works_and_after_ctrl_c_that_nothing_is_left(house: House) -> None:
    server = Server(house)
    children = server.children()
    assert sorted(children) == ["beat", "mover", "poster", "postgres", "redis", "runner", "ticker", "web", "worker"]
    assert server.page() == 200
    well = wait_until(lambda: (found := server.doctor()).returncode == 0 and found, "everything works")
    for line in (
        r"database +ok +PostgreSQL 18\.\d+, embedded in the data folder\.",
        r"migrations +ok +All are applied\.",
        r"broker +ok +Redis 6\.2\.5, embedded in the data folder; \d+ tasks wait\.",
        r"cache +ok +It keeps what it is given\.",
        r"worker +ok +5 at work: mover@\S+, poster@\S+, runner@\S+, ticker@\S+, worker@\S+\.",
        r"beat +ok +Its last task ran \d+ s ago\.",
        r"test clock +ok +Not allowed; billing runs on real time\.",
        rf"mail +note +Written to files in {house.data}/mail, not sent\.",
        rf"data folder +ok +{house.data}, in use by process {server.process.pid}\.",
    ):
        assert re.search(line, well.stdout), well.stdout

    with house.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE outbox_outboxmessage")
        wait_until(lambda: waits_for_a_lock(connection), "a task of the worker waits for us")
        server.process.send_signal(signal.SIGINT)
        server.read_until("The workers finish the tasks they have begun.")
        assert not answers(server)
        assert alive(children["worker"])
    server.process.wait(60)

    assert server.process.returncode == 0
    assert server.rest().splitlines()[-1] == "Stopped."
    assert processes_that_mention(str(house.data)) == []
    assert [name for name, pid in children.items() if alive(pid)] == []
    ill = server.doctor()
    assert ill.returncode == 1
    assert re.search(r"database +PROBLEM .* doesn't answer.* Start it with make serve, or set DATABASE_URL", ill.stdout)
    assert re.search(r"broker +PROBLEM .* doesn't answer.* Start it with make serve, or set REDIS_URL", ill.stdout)
    assert "2 things to repair." in ill.stdout


def test_the_dead_are_started_again_and_a_kill_of_the_supervisor_takes_all_with_it(migrated_house: House) -> None:
    server = Server(migrated_house)
    before = server.children()
    pool = wait_until(lambda: descendants(before["runner"]), "the runner has its pool")
    for name in ("web", "worker", "ticker", "runner", "mover", "poster", "beat", "redis", "postgres"):
        os.kill(before[name], signal.SIGKILL)

    def all_back() -> bool:
        after = server.children()
        return sorted(after) == sorted(before) and all(after[name] != before[name] for name in before)

    wait_until(all_back, "all eight have been started again")
    wait_until(lambda: answers(server), "the web answers again")
    assert [pid for pid in pool if alive(pid)] == []

    pids = server.children().values()
    family = {pid for child in pids for pid in (child, *descendants(child))}
    server.process.kill()
    server.process.wait()

    wait_until(lambda: not any(alive(pid) for pid in family), "nothing of it runs any more")


def test_a_taken_port_is_refused_before_anything_starts(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        house.environment["PORT"] = str(port)

        refused = house.run("serve")

    assert refused.returncode == 1
    assert f"Port {port} is taken by another program or not allowed. Nothing was started." in refused.stderr
    assert not house.layout.postgres.exists()


def test_a_wrong_port_is_refused(house: House) -> None:
    house.environment["PORT"] = "eighty"

    refused = house.run("serve")

    assert refused.stderr == "PORT is a number from 1 to 65535, not 'eighty'. Nothing was started.\n"
    assert not house.data.exists()


def waits_for_a_lock(connection: psycopg.Connection[Any]) -> bool:
    return bool(connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())


def answers(server: Server) -> bool:
    try:
        return server.page() == 200
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    found = []
    for task in (f"/proc/{pid}/task/{task}/children" for task in os.listdir(f"/proc/{pid}/task")):
        with open(task) as file:
            found += [int(child) for child in file.read().split()]
    return [*found, *(grandchild for child in found for grandchild in descendants(child))]
