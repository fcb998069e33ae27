"""The hooks of Git run what `make lint` runs, by the tools in .venv alone."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / ".pre-commit-config.yaml"


def hooks() -> list[dict[str, Any]]:
    repositories = yaml.safe_load(CONFIG.read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    return list(repositories[0]["hooks"])


def programs(command: str) -> list[str]:
    """What a command runs, behind the variables that it sets: the tools in .venv and what they are told to do."""
    return [word for word in shlex.split(command) if "=" not in word and word != "env"]


def test_the_configuration_is_valid():
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIG)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_fetched():
    assert "://" not in CONFIG.read_text()
    for hook in hooks():
        assert hook["language"] == "system"
        assert programs(hook["entry"])[0].startswith(".venv/bin/"), hook["id"]
        assert (ROOT / programs(hook["entry"])[0]).exists(), hook["id"]


def test_every_step_of_make_lint_is_a_hook():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    steps = {frozenset(told(line)) for line in recipe[1].replace("\\\n", "").splitlines()}

    assert steps == {frozenset(told(hook["entry"])) for hook in hooks()}


def told(command: str) -> list[str]:
    """A command without its options and its folder, which differ where files are named."""
    ignored = {"-W", ".", "ignore::RuntimeWarning", "error::DeprecationWarning", "--force-exclude", "--dry-run"}
    return [word for word in programs(command) if word not in ignored]
