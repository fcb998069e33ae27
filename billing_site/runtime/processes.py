"""One child process: started in its own session, bound to our life, its output kept, stopped with all it started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from billing_site.runtime.account import Account
from billing_site.runtime.console import say

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT = 5_000_000  # bytes; a longer log is put aside at the next start
# Loaded here, since nothing may be loaded between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send us `signal_number` when the thread that started us ends, however it ends.

    Only Linux has it. A change of user clears it, so a process asks after that change; `exec` keeps it.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


class Child:
    """A process of ours by name. Start it from the main thread: its life is bound to the thread that starts it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
        account: Account | None = None,
        echo: bool = False,
        on_our_death: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(environment)
        self.folder = folder
        self.account = account
        self.echo = echo
        self.on_our_death = on_our_death
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self._log_file: IO[bytes] | None = None
        self._rest = b""

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Start the process. Output goes to the log file; with `echo` also to the console, behind the name."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".1.log"))
        self._log_file = self.log.open("ab", buffering=0)
        account = self.account
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.echo else self._log_file,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.folder,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[account.gid] if account else None,
            umask=0o077 if account else -1,
            preexec_fn=self._before_exec(os.getpid()),
        )
        self.started_at = time.monotonic()
        if self.process.stdout:
            os.set_blocking(self.process.stdout.fileno(), False)

    def _before_exec(self, parent: int) -> Callable[[], None]:
        # Runs after the change of user, as it must: that change would clear the death signal. Safe without locks: the
        # supervisor has one thread.
        def bind() -> None:
            die_with_parent(self.on_our_death)
            if os.getppid() != parent:
                os._exit(1)

        return bind

    def output(self) -> IO[bytes] | None:
        """The pipe to watch, when the output is echoed and has not come to its end."""
        pipe = self.process.stdout if self.process else None
        return None if pipe is None or pipe.closed else pipe

    def drain(self) -> bool:
        """Pass on what the process has written; False when there is nothing more to read by now."""
        pipe = self.output()
        if pipe is None:
            return False
        try:
            block = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            return False
        if self._log_file and block:
            self._log_file.write(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        if not block:
            lines, self._rest = [self._rest] if self._rest else [], b""
            pipe.close()
        for line in lines:
            say(line.decode(errors="replace"), prefix=f"{self.name:<8}| ")
        return bool(block)

    def ended(self) -> int | None:
        """The exit code (negative: the signal) once the process has ended; what it left in its session is killed."""
        if self.process is None:
            return 0
        if self.process.returncode is not None:
            return self.process.returncode
        # Seen before it is reaped: until then its number can't belong to another process.
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        while self.drain():
            pass
        self._close()
        return code

    def _close(self) -> None:
        for file in (self.output(), self._log_file):
            if file:
                file.close()
        self._log_file = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill_session(self) -> None:
        """Kill the process and everything in its session."""
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> int | None:
        """Wait for the end, at most `seconds`: the exit code, or None when it still runs."""
        limit = time.monotonic() + seconds
        while (code := self.ended()) is None:
            if time.monotonic() > limit:
                return None
            self.drain()
            time.sleep(0.02)
        return code

    def last_lines(self, count: int = 15) -> str:
        """The end of the log, for a message that says why the process failed."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
        except OSError:
            return ""
