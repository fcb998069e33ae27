"""Checks the books as operators do."""

from io import StringIO

from django.core.management import call_command

from core import clock
from tests.support.clock import at


def run_check(*arguments, now="2026-03-05T00:05"):
    """The command's exit code and what it printed."""
    out = StringIO()
    with clock.frozen_at(at(now)):
        try:
            call_command("check_books", *arguments, stdout=out)
        except SystemExit as stopped:
            return stopped.code, out.getvalue()
    return 0, out.getvalue()


def assert_books_are_clean(now):
    code, said = run_check(now=now)
    assert code == 0, said
