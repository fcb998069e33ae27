"""What the runtime says to the person at the keyboard; a closed terminal never stops it."""

import sys


def say(text: str, *, prefix: str = "") -> None:
    """Write whole lines to standard output, each behind `prefix`."""
    lines = text.splitlines() or [""]
    try:
        sys.stdout.write("".join(f"{prefix}{line}\n" for line in lines))
        sys.stdout.flush()
    except OSError:
        # The terminal is gone (closed window, broken pipe): the log files still have every line.
        pass
