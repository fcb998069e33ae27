"""A database of the benchmark's own on the configured server: made before, dropped after, whatever happens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg
from django.core.management import call_command
from psycopg import sql

from billing_site.runtime.wiring import database_url


@contextmanager
def migrated_template() -> Iterator[str]:
    """The name of an empty database with every table, to be copied for each measurement. Sets Django up."""
    template = f"benchmark_{os.getpid()}"
    server = database_url()
    with created(server, template):
        os.environ["DATABASE_URL"] = address(server, template)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
        django.setup()
        call_command("migrate", verbosity=0)
        django.db.connections.close_all()
        yield template


@contextmanager
def copy_of(template: str, name: str) -> Iterator[str]:
    """The address of a copy of `template`, for as long as the block lasts."""
    server = os.environ["DATABASE_URL"]
    with created(server, name, template=template):
        yield address(server, name)


@contextmanager
def created(server: str, name: str, *, template: str = "template1") -> Iterator[None]:
    """A new database of this name, for as long as the block lasts."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    _execute(server, statement)
    try:
        yield
    finally:
        _execute(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _execute(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(address(server, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


def address(server: str, name: str) -> str:
    """The same server, another database. libpq takes `postgres://user@/name?host=/folder` as it is."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
