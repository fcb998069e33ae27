"""Where the database, the broker and the data folder are: from the environment, else the embedded ones."""

import os
import secrets
from typing import Any

import dj_database_url

from billing_site.runtime.layout import Layout, data_dir, running_state

__all__ = ["data_dir", "database_config", "database_url", "development_secret_key", "redis_url"]


def database_url() -> str:
    """`DATABASE_URL`, else the address of this data folder's embedded PostgreSQL."""
    layout = Layout(data_dir())
    return os.environ.get("DATABASE_URL") or running_state(layout).get("database_url") or layout.database_url


def database_config() -> dict[str, Any]:
    """Django's settings for the database at `database_url()`."""
    return {
        **dj_database_url.parse(database_url()),
        "ENGINE": "core.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def redis_url() -> str:
    """The broker's and cache's address: `REDIS_URL`, else the Redis that runs for this data folder."""
    running = running_state(Layout(data_dir()))
    return os.environ.get("REDIS_URL") or running.get("redis_url") or "redis://127.0.0.1:6379/0"


def development_secret_key() -> str:
    """A key of this data folder's own, made at first use, so that sessions outlive a restart."""
    path = data_dir() / "secret-key"
    try:
        return path.read_text()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
        return path.read_text()
