"""Where the database, the broker and the data folder are: from the environment, else the embedded ones."""

import os
import secrets
from pathlib import Path
from typing import Any

import dj_database_url

ROOT = Path(__file__).resolve().parent.parent.parent


def data_dir() -> Path:
    """The folder that holds all local state: `BILLING_DATA_DIR`, else `.data` in the checkout."""
    return Path(os.environ.get("BILLING_DATA_DIR") or ROOT / ".data").resolve()


def database_config() -> dict[str, Any]:
    """Django's database settings for `DATABASE_URL`."""
    url = os.environ.get("DATABASE_URL") or "postgres://countinghouse@/countinghouse"
    return {**dj_database_url.parse(url), "ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 60}


def redis_url() -> str:
    """The broker's and cache's address for `REDIS_URL`."""
    return os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"


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
