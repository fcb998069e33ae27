"""The guide of docs/rest.md does what it says: its Python is run, and what it prints is what it promises."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from openmeter import Client

# A program and, where one follows at once, the block of what it prints.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "rest.md"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]


def test_every_block_prints_what_it_promises(server, token, monkeypatch):
    monkeypatch.setenv("ENDPOINT", server)
    monkeypatch.setenv("TOKEN", token)
    blocks = BLOCK.findall(GUIDE.read_text())
    assert len(blocks) >= 8
    names: dict[str, object] = {}
    try:
        for program, shown in blocks:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(program, str(GUIDE), "exec"), names)
            beside = [
                part
                for line in re.findall(r"print\(.*\)  # (.*)$", program, re.MULTILINE)
                for part in line.split(" / ")
            ]
            assert printed.getvalue().splitlines() == beside + shown.splitlines(), program
    finally:
        client = names.get("client")
        if isinstance(client, Client):
            client.close()
