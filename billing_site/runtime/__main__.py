"""`python -m billing_site.runtime serve | demo | run -- COMMAND | keep | stop`: what the Makefile calls."""

import argparse
import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from billing_site.runtime import lock
from billing_site.runtime.account import prepare_data_folder
from billing_site.runtime.console import say
from billing_site.runtime.deadlines import COMMAND, MAKE_STOP
from billing_site.runtime.errors import RuntimeProblem
from billing_site.runtime.layout import Layout, data_dir, process_started, running_state
from billing_site.runtime.processes import die_with_parent
from billing_site.runtime.services import Services
from billing_site.runtime.supervisor import StopRequested, Supervisor, manage, refuse_taken_port

_OTHER_STARTS_WITHIN = 120.0


def main(arguments: Sequence[str]) -> int:
    """Do one command; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m billing_site.runtime", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run everything until Ctrl-C")
    commands.add_parser("demo", help="the same, with the demo company")
    run = commands.add_parser("run", help="run COMMAND with PostgreSQL and Redis")
    run.add_argument("--throwaway", action="store_true", help="in a new folder, fast, gone afterwards (for tests)")
    run.add_argument("words", nargs="+", metavar="COMMAND")
    keeping = commands.add_parser("keep", help="run PostgreSQL and Redis for others, until nobody uses them")
    keeping.add_argument("--idle", type=float, required=True, metavar="SECONDS", help="stop when unused for so long")
    commands.add_parser("stop", help="stop what runs in this data folder")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "run":
            return run_command(chosen.words, throwaway=chosen.throwaway)
        if chosen.command == "keep":
            return keep(chosen.idle)
        if chosen.command == "stop":
            return stop()
        return serve(demo=chosen.command == "demo")
    except RuntimeProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def serve(*, demo: bool) -> int:
    """Run services, web, worker and beat until someone asks for a stop."""
    layout = Layout(data_dir())
    port = chosen_port()
    with owned_services(layout, "make demo" if demo else "make serve") as services:
        supervisor = Supervisor(layout, services, port=port)
        refuse_taken_port(port)
        try:
            with interruptible():
                say(f"Starting {services.describe()}. Data folder: {layout.data}")
                services.start()
            supervisor.listen_to_signals()
            services.write_down({})
            supervisor.step("migrate", manage("migrate", "--noinput", "--verbosity", "0"))
            if os.environ.get("BILLING_API_KEY"):
                supervisor.step("api-key", manage("ensure_api_key"))
            if demo:
                supervisor.step("seed", manage("seed_demo"))
            supervisor.start_processes()
            supervisor.wait_for_web()
            announce(layout, port, demo=demo)
            supervisor.watch_until_stopped()
        except StopRequested:
            pass
        finally:
            say("Stopping.")
            supervisor.stop()
    say("Stopped.")
    return 0


def announce(layout: Layout, port: int, *, demo: bool) -> None:
    """Say where to look."""
    site = f"http://localhost:{port}"
    say("")
    say(f"Countinghouse runs.   Admin     {site}/admin/")
    say(f"                      REST API  {site}/api/v1/      (its pages: {site}/api/docs/)")
    say(f"                      Logs      {layout.logs}")
    if demo:
        say("The log-ins of the demo company stand above, in the lines of seed, and in seed.log beside the others.")
    else:
        say("A first log-in: .venv/bin/python manage.py createsuperuser")
    say("Ctrl-C stops everything.")


def run_command(words: Sequence[str], *, throwaway: bool) -> int:
    """Run a command with the services' addresses in its environment; answer its exit code.

    The services of a supervisor that runs in this data folder are used; else they are started and stopped again.
    """
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return foreground(words, dict(os.environ))
    if throwaway:
        folder = Path(tempfile.mkdtemp(prefix="countinghouse-")).resolve()
        try:
            # Ours, just made: the services' user must be able to pass through.
            folder.chmod(0o711)
            return _run_with_own(Layout(folder), words, durable=False)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    layout = Layout(data_dir())
    if lock.is_held(layout):
        state = _state_of_other(layout)
        found = {"DATABASE_URL": state["database_url"], "REDIS_URL": state["redis_url"]}
        return foreground(words, {**os.environ, **found, "BILLING_DATA_DIR": str(layout.data)})
    return _run_with_own(layout, words, durable=True)


def keep(idle: float) -> int:
    """Run the services, fast rather than durable, until nobody has used them for `idle` seconds.

    Whoever uses them holds the lock `in_use`, and touches it. It stays ours from the decision to stop until our end, so
    that nobody begins with services that are about to go.
    """
    layout = Layout(data_dir())
    with owned_services(layout, "keep", durable=False) as services, interruptible():
        services.start()
        services.write_down({})
        used_at = time.time()
        while time.time() - used_at < idle or not lock.take_use(layout):
            time.sleep(min(idle, 2))
            used_at = lock.used_at(layout, used_at)
            if services.restart_dead():
                services.write_down({})
    return 0


def stop() -> int:
    """Stop the supervisor of this data folder and wait for its end."""
    layout = Layout(data_dir())
    if not lock.is_held(layout):
        say(f"Nothing runs in {layout.data}.")
        return 0
    state = _state_of_other(layout)
    os.kill(state["pid"], signal.SIGTERM)
    if not _released_within(layout, MAKE_STOP):
        say(f"It hasn't stopped in {MAKE_STOP:.0f} s and is killed, with all that it started.")
        if process_started(state["pid"]) == state["started"]:
            os.kill(state["pid"], signal.SIGKILL)
        if not _released_within(layout, 5):
            say(f"Something still holds {layout.data}; the next start says what.")
            return 1
    say(f"Stopped what ran in {layout.data}.")
    return 0


def _released_within(layout: Layout, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while held := lock.is_held(layout):
        if time.monotonic() > limit:
            break
        time.sleep(0.2)
    return not held


@contextlib.contextmanager
def owned_services(layout: Layout, purpose: str, *, durable: bool = True) -> Iterator[Services]:
    """The services of a data folder that is ours alone for now; stopped at the end."""
    account = prepare_data_folder(layout)
    with lock.hold(layout, purpose):
        lock.end_leftovers(layout)
        services = Services(layout, account, durable=durable)
        try:
            yield services
        finally:
            services.stop()
            layout.state.unlink(missing_ok=True)


def foreground(words: Sequence[str], environment: dict[str, str]) -> int:
    """Run a command on our terminal. Ctrl-C reaches it directly; a `kill` of us is passed on, and enforced."""
    parent = os.getpid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def bind() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    try:
        process = subprocess.Popen(words, env=environment, preexec_fn=bind)
    except OSError as error:
        raise RuntimeProblem(f"{words[0]} can't be run: {error}.") from error

    ends_by = math.inf

    def pass_on(number: int, _frame: FrameType | None) -> None:
        nonlocal ends_by
        ends_by = min(ends_by, time.monotonic() + COMMAND)
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(0.5)
            break
        if time.monotonic() > ends_by:
            process.kill()
    return code if code >= 0 else 128 - code


def chosen_port() -> int:
    """`PORT`, by default 8000."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise RuntimeProblem(f"PORT is a number from 1 to 65535, not {text!r}. Nothing was started.")
    return int(text)


def _run_with_own(layout: Layout, words: Sequence[str], *, durable: bool) -> int:
    with owned_services(layout, f"run {words[0]}", durable=durable) as services, interruptible():
        services.start()
        services.write_down({})
        return foreground(words, services.environment())


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A `kill` or Ctrl-C while the services start ends the start, in order."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    yield


def _state_of_other(layout: Layout) -> dict[str, Any]:
    limit = time.monotonic() + _OTHER_STARTS_WITHIN
    while lock.is_held(layout):
        state = running_state(layout)
        if state:
            return state
        if time.monotonic() > limit:
            break
        time.sleep(0.2)
    raise RuntimeProblem(f"What runs in {layout.data} doesn't say where its services are. Stop it, then try again.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
