"""A stop is one: half a minute after SIGTERM nothing runs any more, whatever was waited for, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

import billing_site.runtime.__main__ as commands
from billing_site.runtime.layout import ROOT
from tests.runtime.conftest import House, alive, processes_that_mention, wait_until
from tests.runtime.test_serve import Server, answers, waits_for_a_lock
from tests.support.fake_stripe import FakeStripe, running

STOPS_WITHIN = 30.0
# A customer with an invoice that is to be charged at Stripe, and a test clock on its way to a minute later. What the
# clock does waits for the lock of an advance, which the script holds until it ends.
SET_UP = """
from datetime import timedelta
from django.db import connection
from core.testclock.models import ClockSetting
from customers.models import CustomerAppData
from invoicing.payments.connect_stripe import install_stripe
from tests.support.closing import START, make_many
from tests.support.customers import make_default_profile
connection.cursor().execute("SELECT pg_advisory_lock(%s)", [0x636C6F63])
ClockSetting.objects.create(pk=1, now=START, advancing_to=START + timedelta(minutes=1))
app = install_stripe(name="Stripe", api_key="sk_test_0123456789abcdefXYZ", webhook_secret="whsec_1")
make_default_profile(app=app)
(invoice,) = make_many(1)
CustomerAppData.objects.create(customer=invoice.customer, app=app, external_id="cus_1")
"""


def manage(house: House, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *words],
        env=house.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def call(server: Server, path: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1{path}", headers={"Authorization": "Bearer dev-key-0123456789"}
    )
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.load(answer)


@pytest.mark.serial
def test_a_stop_ends_what_waits_for_stripe_and_the_next_start_takes_it_up(migrated_house: House) -> None:
    house = migrated_house
    fake = FakeStripe()
    fake.add_customer("cus_1", behaviour="stall")
    with running(fake) as address:
        house.environment |= {
            "STRIPE_API_BASE": address,
            "BILLING_TEST_CLOCK": "1",
            "BILLING_API_KEY": "dev-key-0123456789",
        }
        server = Server(house)
        children = server.children()
        done = manage(house, "shell", "-c", SET_UP)
        said, _ = done.communicate(timeout=120)
        assert done.returncode == 0, said
        # The worker is inside of a charge that Stripe has made and doesn't answer.
        assert fake.stalled.wait(60)
        lock = house.connect()
        lock.execute("BEGIN")
        lock.execute("LOCK TABLE customers_customer")
        asked = threading.Thread(target=ask_in_vain, args=(server,), daemon=True)
        asked.start()
        command = manage(house, "check_books")
        wait_until(lambda: waits_for_a_lock(lock), "web and command wait for us")
        time.sleep(2)

        begun = time.monotonic()
        command.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
        took = time.monotonic() - begun

        assert took < STOPS_WITHIN
        assert server.rest().splitlines()[-1] == "Stopped."
        command.communicate(timeout=5)
        assert command.returncode == -signal.SIGTERM
        assert [name for name, pid in children.items() if alive(pid)] == []
        wait_until(lambda: processes_that_mention(str(house.data)) == [], "nothing of it runs any more")
        lock.close()
        fake.go_on.set()
        fake.behaviour.clear()

        again = Server(house)
        wait_until(lambda: call(again, "/test-clock")["status"] == "ready", "the clock has arrived")
        with house.connect() as connection:
            # Whoever asks about a charge has it for some minutes; let them be over.
            connection.execute("UPDATE invoicing_payment SET next_check_at = now() WHERE next_check_at IS NOT NULL")

        def payments() -> list[str]:
            return [payment["status"] for payment in call(again, "/payments")["items"]]

        wait_until(lambda: payments() == ["succeeded"], "the charge is found")
        assert call(again, "/billing/invoices?statuses=paid")["totalCount"] == 1
        assert fake.charged("cus_1") == [5000]
        again.process.send_signal(signal.SIGTERM)
        again.process.wait(60)


def ask_in_vain(server: Server) -> None:
    with pytest.raises((OSError, urllib.error.URLError)):
        call(server, "/customers")


@pytest.mark.serial
def test_a_second_request_ends_it_at_once(migrated_house: House) -> None:
    server = Server(migrated_house)
    connection = migrated_house.connect()
    connection.execute("BEGIN")
    connection.execute("LOCK TABLE outbox_outboxmessage")
    wait_until(lambda: waits_for_a_lock(connection), "a task of the worker waits for us")
    server.process.send_signal(signal.SIGTERM)
    server.read_until("The workers finish the tasks they have begun.")
    assert not answers(server)
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)
    connection.close()
    assert time.monotonic() - begun < 12
    assert processes_that_mention(str(migrated_house.data)) == []


def test_make_stop_ends_a_supervisor_that_hears_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor = house.begin_services()
    children = house.state(supervisor)["children"]
    supervisor.send_signal(signal.SIGSTOP)
    monkeypatch.setenv("BILLING_DATA_DIR", str(house.data))
    monkeypatch.setattr(commands, "MAKE_STOP", 2.0)

    assert commands.stop() == 0

    assert "It hasn't stopped in 2 s and is killed, with all that it started." in capfd.readouterr().out
    wait_until(lambda: not any(alive(child["pid"]) for child in children.values()), "nothing of it runs any more")
    house.begin_services()


def test_a_command_that_hears_nothing_is_killed_too(house: House) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    program = f"""
import os, sys
import billing_site.runtime.__main__ as commands
commands.COMMAND = 1.0
sys.exit(commands.foreground([sys.executable, "-c", {deaf!r}], dict(os.environ)))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=house.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "deaf\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGKILL
