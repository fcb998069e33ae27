"""Production settings refuse what is unsafe, and are what Django's own deployment check asks for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WHOLE = {
    "SECRET_KEY": "a-long-and-random-one-for-this-test-only-0123456789-abcdefghij",
    "DATABASE_URL": "postgres://billing@db.example/billing",
    "REDIS_URL": "redis://redis.example:6379/0",
    "ALLOWED_HOSTS": "billing.example",
}


def manage(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with production settings and only this environment."""
    inherited = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=inherited | {"DJANGO_SETTINGS_MODULE": "billing_site.settings.production"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_djangos_deployment_check_finds_nothing():
    done = manage("check", "--deploy", "--fail-level", "WARNING", **WHOLE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("missing", sorted(WHOLE))
def test_what_is_missing_is_named(missing):
    done = manage("check", **{name: value for name, value in WHOLE.items() if name != missing})
    assert done.returncode != 0
    assert f"Production needs the environment variable {missing}." in done.stderr


def test_the_test_clock_is_refused():
    done = manage("check", **WHOLE, BILLING_TEST_CLOCK="1")
    assert done.returncode != 0
    assert "The test clock is refused in production" in done.stderr
