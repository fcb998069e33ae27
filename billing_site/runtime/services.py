"""PostgreSQL and Redis of one data folder, as a pair: embedded unless the environment gives an address."""

import os
import time
from collections.abc import Mapping

from billing_site.runtime.account import Account
from billing_site.runtime.console import say
from billing_site.runtime.deadlines import SERVICES
from billing_site.runtime.layout import Layout, process_started, write_state
from billing_site.runtime.postgres import Postgres
from billing_site.runtime.processes import Child
from billing_site.runtime.redis_server import Redis


class Services:
    """What runs beneath the application, and the addresses at which it finds it."""

    def __init__(self, layout: Layout, account: Account | None, *, durable: bool = True) -> None:
        self.layout = layout
        self.embedded: list[Postgres | Redis] = []
        self.addresses: dict[str, str] = {}
        self.started = process_started(os.getpid())
        if not os.environ.get("DATABASE_URL"):
            self.embedded.append(Postgres(layout, account, durable=durable))
        if not os.environ.get("REDIS_URL"):
            self.embedded.append(Redis(layout, account, durable=durable))

    def describe(self) -> str:
        """What `start` will start, in words."""
        names = [{"postgres": "PostgreSQL", "redis": "Redis"}[server.name] for server in self.embedded]
        return " and ".join(names) or "with the database and the Redis of the environment"

    def start(self) -> None:
        """Start what is embedded, one after the other, each until it answers."""
        for server in self.embedded:
            server.start()
        self.addresses = {
            "DATABASE_URL" if server.name == "postgres" else "REDIS_URL": server.url for server in self.embedded
        }

    def restart_dead(self) -> bool:
        """Start again what has ended on its own, at the same address; whether there was something."""
        restarted = False
        for server in self.embedded:
            if server.child and (code := server.child.ended()) is not None:
                say(f"{server.name} ended by itself ({in_words(code)}); starting it again. Log: {server.child.log}")
                server.start()
                restarted = True
        return restarted

    def stop(self) -> None:
        """Stop Redis and PostgreSQL, both at once; hard where they take too long."""
        limit = time.monotonic() + SERVICES
        for server in self.embedded:
            if server.child:
                server.child.signal(server.stop_signal)
        for server in self.embedded:
            server.stop(max(0.0, limit - time.monotonic()))

    def environment(self) -> dict[str, str]:
        """The environment for the application's processes."""
        return {
            **os.environ,
            **self.addresses,
            "BILLING_DATA_DIR": str(self.layout.data),
            "PYTHONUNBUFFERED": "1",
        }

    def write_down(self, children: Mapping[str, Child], *, web: str | None = None) -> None:
        """Tell other commands of this data folder where things are, and a later start what may be left of us."""
        alive = {**{server.name: server.child for server in self.embedded}, **children}
        write_state(
            self.layout,
            {
                "pid": os.getpid(),
                "started": self.started,
                "database_url": self.addresses.get("DATABASE_URL", os.environ.get("DATABASE_URL")),
                "redis_url": self.addresses.get("REDIS_URL", os.environ.get("REDIS_URL")),
                "web": web,
                "children": {
                    name: {"pid": child.pid, "started": process_started(child.pid)}
                    for name, child in alive.items()
                    if child and child.pid and child.ended() is None
                },
            },
        )


def in_words(code: int) -> str:
    """An exit code in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
