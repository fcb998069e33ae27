"""One supervisor a data folder: the lock, who holds it, who uses kept services, and what a killed one left behind."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator

from billing_site.runtime.errors import RuntimeProblem
from billing_site.runtime.layout import Layout, process_started, read_state


@contextlib.contextmanager
def hold(layout: Layout, purpose: str) -> Iterator[None]:
    """Hold the data folder's lock. Raises `RuntimeProblem`, naming the holder, when another supervisor has it.

    The system itself releases the lock when we end, however we end, so a stale lock can't exist.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 500).decode(errors="replace").strip()
            raise RuntimeProblem(
                f"{layout.data} is in use by {holder or 'another process'}. Nothing was started. "
                "Stop that one (make stop), or choose another folder with BILLING_DATA_DIR."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"`{purpose}` (process {os.getpid()})\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def is_held(layout: Layout) -> bool:
    """Whether a supervisor runs in this data folder."""
    try:
        descriptor = os.open(layout.lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def take_use(layout: Layout) -> bool:
    """Take the lock of those who use kept services, for the rest of our life; False while somebody has it."""
    descriptor = os.open(layout.in_use, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def used_at(layout: Layout, before: float) -> float:
    """When the kept services were last used, as far as can be seen now; `before` is what was known of it."""
    try:
        descriptor = os.open(layout.in_use, os.O_RDONLY)
    except FileNotFoundError:
        return before
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return max(before, os.fstat(descriptor).st_mtime)
    except BlockingIOError:
        return time.time()
    finally:
        os.close(descriptor)


def end_leftovers(layout: Layout) -> None:
    """Kill the children that a killed supervisor of this folder wrote down and that still live.

    Where the kernel binds children to their parent there are none, or they are about to end. PostgreSQL is left to its
    own, gentler procedure. Call it while holding the lock.
    """
    written = {name: child for name, child in read_state(layout).get("children", {}).items() if name != "postgres"}
    limit = time.monotonic() + 10
    while alive := [child for child in written.values() if process_started(child["pid"]) == child["started"]]:
        for child in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child["pid"], signal.SIGKILL)
        if time.monotonic() > limit:
            numbers = ", ".join(str(child["pid"]) for child in alive)
            raise RuntimeProblem(
                f"Processes of an earlier start still run and can't be stopped: {numbers}. "
                "Nothing was started. End them, then start again."
            )
        time.sleep(0.1)
    layout.state.unlink(missing_ok=True)
