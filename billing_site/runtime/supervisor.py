"""Web, workers and beat on top of the services: started, watched, restarted, stopped in order."""

import contextlib
import errno
import http.client
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

from billing_site.queues import WORKERS
from billing_site.runtime.console import say
from billing_site.runtime.deadlines import CHILDREN
from billing_site.runtime.errors import RuntimeProblem
from billing_site.runtime.layout import ROOT, Layout
from billing_site.runtime.processes import Child
from billing_site.runtime.services import Services, in_words

_LONGEST_PAUSE = 30.0  # seconds between two starts of a process that keeps dying
_STABLE_AFTER = 30.0  # seconds of life after which an end counts as the first again
_WEB_ANSWERS_WITHIN = 90.0


class StopRequested(Exception):
    """Someone asked us to stop while we were starting."""


class Supervisor:
    """All processes of one data folder, in one thread: a loop that passes on output and watches for ends."""

    def __init__(self, layout: Layout, services: Services, *, port: int) -> None:
        self.layout = layout
        self.services = services
        self.port = port
        self.children: dict[str, Child] = {}
        self.stop_requests = 0
        self._stops_at_once = False
        self._pauses: dict[str, float] = {}
        self._due: dict[str, float] = {}

    def listen_to_signals(self) -> None:
        """Ctrl-C, `kill` and a closed terminal ask for a stop; a second request forces it."""

        def request(_number: int, _frame: FrameType | None) -> None:
            self.stop_requests += 1
            if self._stops_at_once:
                raise StopRequested

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, request)

    def step(self, name: str, command: Sequence[str]) -> None:
        """Run one command of the start to its end. Raises `RuntimeProblem` when it fails, `StopRequested` on Ctrl-C."""
        child = self._child(name, command, on_our_death=signal.SIGKILL)
        child.start()
        while (code := child.ended()) is None:
            self._pump(0.1, child)
            if self.stop_requests:
                child.signal(signal.SIGINT)
                if child.wait(10) is None:
                    child.kill_session()
                    child.wait(10)
                raise StopRequested
        if code:
            raise RuntimeProblem(f"The step {name} failed ({in_words(code)}). Log: {child.log}")

    def start_processes(self) -> None:
        """Start web, workers and beat."""
        for name, command, last_signal in (
            ("web", web_command(self.port), signal.SIGQUIT),
            *((name, worker_command(name), signal.SIGKILL) for name in WORKERS),
            ("beat", beat_command(self.layout), signal.SIGKILL),
        ):
            self.children[name] = self._child(name, command, on_our_death=last_signal)
            self.children[name].start()
        self._write_down()

    def wait_for_web(self) -> None:
        """Return once the web answers. Raises `RuntimeProblem` when it doesn't in time."""
        limit = time.monotonic() + _WEB_ANSWERS_WITHIN
        while not answers(self.port):
            self._pump(0.2)
            self._restart_dead()
            if self.stop_requests:
                raise StopRequested
            if time.monotonic() > limit:
                raise RuntimeProblem(f"The web doesn't answer on port {self.port}. Log: {self.layout.logs}/web.log")

    def watch_until_stopped(self) -> None:
        """Keep everything alive until a stop is asked for."""
        while not self.stop_requests:
            self._pump(0.25)
            self._restart_dead()

    def stop(self) -> None:
        """Stop beat, web and workers, all at once. The workers may finish their tasks for a while, unless a second
        request comes; what then still runs is killed."""
        before = self.stop_requests
        begun = time.monotonic()
        told = killed = False
        for child in self.children.values():
            child.signal(signal.SIGTERM)
        while alive := [child for child in self.children.values() if child.ended() is None]:
            self._pump(0.1)
            waited = time.monotonic() - begun
            if waited > 3 and not told and any(child.name in WORKERS for child in alive):
                say("The workers finish the tasks they have begun. Ctrl-C again (or make stop) ends them at once.")
                told = True
            if self.stop_requests > max(before, 1) or waited > CHILDREN:
                for child in alive:
                    if waited > CHILDREN and not killed:
                        say(f"{child.name} hasn't ended in {CHILDREN:.0f} s and is killed; its work is taken up later.")
                    child.kill_session()
                killed = True

    def _child(self, name: str, command: Sequence[str], *, on_our_death: signal.Signals) -> Child:
        return Child(
            name,
            command,
            log=self.layout.logs / f"{name}.log",
            environment=self.services.environment(),
            folder=ROOT,
            echo=True,
            on_our_death=on_our_death,
        )

    def _pump(self, seconds: float, *others: Child) -> None:
        """Pass on the output that comes within `seconds`."""
        pipes = {pipe: child for child in (*self.children.values(), *others) if (pipe := child.output())}
        if not pipes:
            time.sleep(seconds)
            return
        for pipe in select.select(list(pipes), [], [], seconds)[0]:
            pipes[pipe].drain()

    def _restart_dead(self) -> None:
        # A database that recovers may take minutes to answer: a stop doesn't wait for that.
        self._stops_at_once = True
        try:
            restarted = self.services.restart_dead()
        finally:
            self._stops_at_once = False
        if restarted:
            self._write_down()
        now = time.monotonic()
        for name, child in self.children.items():
            code = child.ended()
            if code is None:
                continue
            if name not in self._due:
                stable = now - child.started_at > _STABLE_AFTER
                pause = 1.0 if stable else min(self._pauses.get(name, 0.5) * 2, _LONGEST_PAUSE)
                self._pauses[name] = pause
                self._due[name] = now + pause
                say(f"{name} ended by itself ({in_words(code)}); starting it again in {pause:.0f} s. Log: {child.log}")
            elif now >= self._due[name]:
                del self._due[name]
                self.children[name].start()
                self._write_down()

    def _write_down(self) -> None:
        self.services.write_down(self.children, web=f"http://localhost:{self.port}/")


def web_command(port: int) -> list[str]:
    """gunicorn with threads. It listens on this machine only, unless `BILLING_BIND` names an address."""
    command = [sys.executable, "-m", "gunicorn", "billing_site.wsgi", "--config", "python:billing_site.web_server"]
    command += ["--workers", "2", "--threads", "4", "--log-level", "warning"]
    for address in _addresses():
        command += ["--bind", f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]
    return command


def celery_command(*words: str) -> list[str]:
    """A Celery program. That root shouldn't run it is known: `make demo` in a container has no other user."""
    quiet = ["-W", "ignore::UserWarning:celery.platforms"]
    command = [sys.executable, *quiet, "-m", "celery", "--app", "billing_site.celery", "--quiet"]
    return [*command, *words, "--loglevel", "WARNING"]


def worker_command(name: str) -> list[str]:
    """The Celery worker of this name, on its queues."""
    named = ("worker", "--hostname", f"{name}@%h", *WORKERS[name])
    return celery_command(*named, "--without-gossip", "--without-mingle")


def beat_command(layout: Layout) -> list[str]:
    """Celery beat, its schedule's state in the data folder."""
    return celery_command("beat", "--pidfile=", "--schedule", str(layout.beat / "schedule"))


def manage(*arguments: str) -> list[str]:
    """A management command."""
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def refuse_taken_port(port: int) -> None:
    """Raise `RuntimeProblem` when something listens on the port already."""
    for address in _addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise RuntimeProblem(f"The web can't listen on {address}: {error}.") from error
                raise RuntimeProblem(
                    f"Port {port} is taken by another program or not allowed. Nothing was started. "
                    f"Choose another one, for example PORT={port + 1}."
                ) from error


def answers(port: int) -> bool:
    """Whether the web's log-in page is there."""
    host = os.environ.get("BILLING_BIND") or "127.0.0.1"
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=3)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/admin/login/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False


def _addresses() -> list[str]:
    chosen = os.environ.get("BILLING_BIND")
    if chosen:
        return [chosen]
    addresses = ["127.0.0.1"]
    # `localhost` may mean either address, and some clients try only the first.
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        addresses.append("::1")
    return addresses
