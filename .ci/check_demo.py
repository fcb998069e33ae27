"""`make demo` as a newcomer runs it: it must come to show issued invoices, and leave nothing behind when stopped."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN = 600.0  # seconds; generous, since other work may share the machine
KEY = "demo-check-0123456789abcdef"


def main() -> int:
    """Run the demo in a new data folder; answer the exit code."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="demo-check-") as folder:
        os.chmod(folder, 0o755)
        data = Path(folder).resolve() / "data"
        environment = {**os.environ, "BILLING_DATA_DIR": str(data), "PORT": str(port), "BILLING_API_KEY": KEY}
        begun = time.monotonic()
        demo = subprocess.Popen(
            ["make", "demo"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            wait_for_invoices(demo, port, begun)
            say(f"The demo shows issued invoices after {time.monotonic() - begun:.0f} s.")
            say(run("manage.py", "doctor", environment=environment))
        finally:
            run("-m", "billing_site.runtime", "stop", environment=environment, check=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                demo.wait(90)
            left = processes_of(data)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        if demo.returncode != 0:
            return fail(f"make demo ended with exit code {demo.returncode}")
        if left:
            return fail(f"{len(left)} processes were left running: {left}")
    say("The demo stopped and left nothing behind.")
    return 0


def wait_for_invoices(demo: subprocess.Popen[bytes], port: int, begun: float) -> None:
    """Until the REST API lists issued and paid invoices and the admin asks for a log-in."""
    while True:
        if demo.poll() is not None:
            sys.exit(fail(f"make demo ended early with exit code {demo.returncode}"))
        if time.monotonic() - begun > READY_WITHIN:
            sys.exit(fail(f"no issued invoice within {READY_WITHIN:.0f} s"))
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            listed = get(port, "/api/v1/billing/invoices?pageSize=1000")
            issued = [invoice for invoice in json.loads(listed)["items"] if invoice["status"] in ("issued", "paid")]
            numbered = [invoice for invoice in issued if not re.match("DRAFT-|GATHER-", invoice["number"])]
            if numbered and b"Log in" in get(port, "/admin/login/"):
                return
        time.sleep(1)


def get(port: int, path: str) -> bytes:
    """The body of a page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def run(*words: str, environment: dict[str, str], check: bool = True) -> str:
    """The output of a Python program of ours."""
    command = [str(ROOT / ".venv/bin/python"), *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    if check and done.returncode:
        sys.exit(fail(f"{' '.join(words)} ended with exit code {done.returncode}:\n{done.stdout}"))
    return done.stdout


def processes_of(data: Path) -> list[int]:
    """Processes that still run with this data folder in their environment, command line or working folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                known = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                if os.fsencode(data) in known + os.fsencode((entry / "cwd").readlink()):
                    found.append(int(entry.name))
    return found


def say(text: Any) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fail(text: str) -> int:
    sys.stderr.write(f"The demo failed: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
