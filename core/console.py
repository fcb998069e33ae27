"""What commands show of long work: a bar that grows on a terminal, and lines where nobody watches."""

import time

from django.core.management.base import OutputWrapper

_BAR = 30


class Progress:
    """Tells how far the work is. Off a terminal it prints a line at most every `seconds`, and one at the end."""

    def __init__(self, out: OutputWrapper, *, seconds: float = 2.0) -> None:
        self._out = out
        self._seconds = seconds
        self._next_line = 0.0

    def told(self, part: float, words: str) -> None:
        """`part` of the work is done (1: all); `words` say what came of it so far."""
        if self._out.isatty():
            full = round(part * _BAR)
            end = "\n" if part >= 1 else ""
            self._write(f"\r{'█' * full}{'░' * (_BAR - full)} {words}   {end}")
        elif part >= 1 or time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + self._seconds
            self._write(f"  {words}\n")

    def _write(self, text: str) -> None:
        self._out.write(text, ending="")
        self._out.flush()
