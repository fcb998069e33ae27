"""What is wired and whether it works, each thing in a plain sentence, with the remedy when it doesn't."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError

from billing_site import heartbeat
from billing_site.celery import app
from billing_site.queues import QUEUES
from billing_site.runtime.layout import Layout, data_dir, running_state
from billing_site.stripe_health import health_of
from core import clock
from core.testclock.models import ClockSetting
from customers.choices import AppType
from customers.models import BillingApp


class State(StrEnum):
    """How a thing is: as it should be, worth knowing, or broken."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. The remedy is empty when nothing needs to be done."""

    subject: str
    state: State
    sentence: str
    remedy: str = ""


def ok(subject: str, sentence: str) -> Finding:
    """It is as it should be."""
    return Finding(subject, State.OK, sentence)


def note(subject: str, sentence: str, remedy: str = "") -> Finding:
    """It is worth knowing, and nothing is broken."""
    return Finding(subject, State.NOTE, sentence, remedy)


def problem(subject: str, sentence: str, remedy: str) -> Finding:
    """Something needed is broken."""
    return Finding(subject, State.PROBLEM, sentence, remedy)


def examine() -> Iterator[Finding]:
    """All findings, in the order in which one thing needs the other. What needs a broken thing is left out."""
    database = check_database()
    yield database
    if database.state is not State.PROBLEM:
        yield check_migrations()
    broker = check_broker()
    yield broker
    if broker.state is not State.PROBLEM:
        yield check_cache()
        worker = check_worker()
        yield worker
        yield check_beat(worker_is_there=worker.state is State.OK)
    if database.state is not State.PROBLEM:
        yield _by_table("Stripe", check_stripe)
        yield _by_table("test clock", check_test_clock)
    yield check_mail()
    yield check_data_folder()


def check_database() -> Finding:
    """Does PostgreSQL answer, which one is it, and where does its address come from."""
    origin = "from DATABASE_URL" if os.environ.get("DATABASE_URL") else "embedded in the data folder"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0].split()[0]
    except DatabaseError as error:
        return problem(
            "database",
            f"PostgreSQL ({origin}) doesn't answer: {_first_line(error)}",
            _start_or("DATABASE_URL"),
        )
    return ok("database", f"PostgreSQL {version}, {origin}.")


def check_migrations() -> Finding:
    """Is the database's structure the one that this code needs."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _backwards in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return problem("migrations", f"Not applied: {names}{more}.", "Run manage.py migrate.")
    return ok("migrations", "All are applied.")


def check_broker() -> Finding:
    """Does Redis, which carries the tasks, answer."""
    origin = "from REDIS_URL" if os.environ.get("REDIS_URL") else "embedded in the data folder"
    try:
        with redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=3, socket_timeout=3) as client:
            version = client.info("server")["redis_version"]
            waiting = sum(client.llen(queue) for queue in QUEUES)
    except redis.RedisError as error:
        return problem("broker", f"Redis ({origin}) doesn't answer: {_first_line(error)}", _start_or("REDIS_URL"))
    return ok("broker", f"Redis {version}, {origin}; {waiting} tasks wait.")


def check_cache() -> Finding:
    """Does the cache keep what it is given."""
    try:
        cache.set("doctor", "here", 10)
        kept = cache.get("doctor") == "here"
    except redis.RedisError as error:
        return problem("cache", f"It fails: {_first_line(error)}", "See the line on the broker.")
    if not kept:
        return problem("cache", "It forgets what it is given.", "Look at Redis' memory and its policy.")
    return ok("cache", "It keeps what it is given.")


def check_worker() -> Finding:
    """Do Celery workers answer, and is each queue served by one."""
    remedy = "Start one: make serve, or celery --app billing_site.celery worker."
    try:
        served = app.control.inspect(timeout=2.0).active_queues() or {}
    except (redis.RedisError, OperationalError) as error:
        return problem("worker", f"None can be asked: {_first_line(error)}", remedy)
    if not served:
        return problem("worker", "No Celery worker answers: periods are not closed.", remedy)
    unserved = set(QUEUES) - {queue["name"] for queues in served.values() for queue in queues}
    names = ", ".join(sorted(served))
    if unserved:
        listed = ", ".join(sorted(unserved))
        return problem("worker", f"{names} at work, but nobody serves: {listed}.", f"Start one with --queues {listed}.")
    return ok("worker", f"{len(served)} at work: {names}.")


def check_beat(*, worker_is_there: bool) -> Finding:
    """Does beat send its tasks: a worker leaves a mark for one of them every few seconds."""
    last = heartbeat.last()
    age = clock.real_now() - last if last else None
    if age is not None and age <= heartbeat.LATE_AFTER:
        return ok("beat", f"Its last task ran {age.total_seconds():.0f} s ago.")
    seen = f"since {last:%Y-%m-%d %H:%M:%S} UTC" if last else "yet"
    if not worker_is_there:
        return problem("beat", f"No task of beat has run {seen}; no worker could run one.", "Start a worker first.")
    remedy = "Start it: make serve, or celery --app billing_site.celery beat."
    return problem("beat", f"No task of beat has run {seen}: nothing becomes due by itself.", remedy)


def check_stripe() -> Finding:
    """Can cards be charged: each app's account, mode and key, its webhooks, and charges without a known outcome."""
    apps = list(BillingApp.objects.filter(type=AppType.STRIPE, deleted_at=None).order_by("name"))
    if not apps:
        return note("Stripe", "Not installed: invoices are collected by the sandbox and bank transfer apps.")
    found = [health_of(one) for one in apps]
    wrong = [sentence for health in found for sentence in health.problems]
    if wrong:
        remedy = "Give the app its API key again, on its page or by PUT /api/v1/apps/{id}."
        return problem("Stripe", " ".join(wrong), remedy)
    unknown = sum(health.unknown for health in found)
    open_charges = f" {unknown} charges have no known outcome yet; Stripe is asked about them." if unknown else ""
    right = [f"{health.app}: {health.account}, {health.heard}" for health in found]
    return ok("Stripe", f"{'; '.join(right)}.{open_charges}")


def check_test_clock() -> Finding:
    """May time be set, and is it."""
    if not settings.BILLING_TEST_CLOCK:
        return ok("test clock", "Not allowed; billing runs on real time.")
    setting = ClockSetting.objects.first()
    if setting is None or setting.now is None:
        return note("test clock", "Allowed (BILLING_TEST_CLOCK=1), not set: billing runs on real time.")
    heading = f", advancing to {setting.advancing_to:%Y-%m-%d %H:%M:%S} UTC" if setting.advancing_to else ""
    return note("test clock", f"Set to {setting.now:%Y-%m-%d %H:%M:%S} UTC{heading}.")


def check_mail() -> Finding:
    """Where notices go."""
    backend = settings.EMAIL_BACKEND.rsplit(".", 2)[-2]
    places: dict[str, Callable[[], Finding]] = {
        "filebased": lambda: note("mail", f"Written to files in {_mail_folder()}, not sent."),
        "console": lambda: note("mail", "Written to the console, not sent."),
        "locmem": lambda: note("mail", "Kept in memory, not sent."),
        "smtp": lambda: ok("mail", f"Sent through {settings.EMAIL_HOST}:{settings.EMAIL_PORT}."),
    }
    return places.get(backend, lambda: ok("mail", f"Sent by {settings.EMAIL_BACKEND}."))()


def check_data_folder() -> Finding:
    """Is the folder of local state there, and does a supervisor run on it."""
    folder = data_dir()
    supervisor = running_state(Layout(folder))
    if supervisor:
        return ok("data folder", f"{folder}, in use by process {supervisor['pid']}.")
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return ok("data folder", f"{folder}; database and Redis are elsewhere.")
    if not folder.exists():
        return note("data folder", f"{folder} doesn't exist yet.", "make serve makes it.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return problem("data folder", f"{folder} can't be written to.", "Choose one with BILLING_DATA_DIR.")
    return note("data folder", f"{folder}; nothing runs on it.")


def _by_table(subject: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except DatabaseError as error:
        return problem(subject, f"Its table can't be read: {_first_line(error)}", "Run manage.py migrate.")


def _mail_folder() -> str:
    return str(getattr(settings, "EMAIL_FILE_PATH", "no folder: EMAIL_FILE_PATH is missing"))


def _start_or(variable: str) -> str:
    if os.environ.get(variable):
        return f"Correct {variable}, or start that server."
    return f"Start it with make serve, or set {variable}."


def _first_line(error: Any) -> str:
    """What an error says first, as a sentence that another may follow."""
    said = str(error).strip().split("\n", 1)[0] or type(error).__name__
    return said if said.endswith((".", "?", "!")) else f"{said}."
