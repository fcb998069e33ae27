"""A running server with a key, the Python client, and Node.js with the JavaScript client."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openmeter import Client

from billing_site.access.services.create_api_key import create_api_key
from billing_site.celery import app
from tests.support.customers import make_default_profile

JS = Path(__file__).parent / "js"
INSTALLED = ("package.json", "package-lock.json", ".npmrc")


@pytest.fixture
def server(live_server):
    """The address of a running server, with what every installation has."""
    make_default_profile()
    return live_server.url


@pytest.fixture
def worker():
    """Does the tasks that requests ask for: at once and in the server's own thread, instead of a process apart."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def token(server):
    """A key that may do everything."""
    return create_api_key(name="Client tests", scopes=["*"])[1]


@pytest.fixture
def client(server, token):
    """The Python client."""
    with Client(endpoint=server, token=token) as client:
        yield client


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """A folder outside the checkout with the JavaScript client in it, installed once for each lock file."""
    wanted = hashlib.sha256(b"".join((JS / name).read_bytes() for name in INSTALLED)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "countinghouse"
    folder = cache / f"node-{wanted}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        # Parallel tests install it once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in INSTALLED:
                shutil.copy(JS / name, folder)
            subprocess.run(["npm", "ci", "--no-progress"], cwd=folder, check=True, capture_output=True)
            (folder / "ready").touch()
    return folder


@pytest.fixture
def js(server, token, node_folder) -> Callable[..., Any]:
    """Runs statements in which `openmeter` is the client and `input` what is given; answers what they return.

    A refusal that they don't catch themselves comes back as `{"error": {name, status, title, message, ...}}`.
    """

    def run(statements: str, **given: Any) -> Any:
        program = (JS / "run.mjs").read_text().replace("/* statements */", statements)
        done = subprocess.run(
            ["node", "--input-type=module", "-"],
            input=program,
            cwd=node_folder,
            env=os.environ | {"BASE_URL": server, "API_KEY": token, "INPUT": json.dumps(given)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout, parse_float=Decimal)

    return run
