"""A parallel run: how many workers there are, which tests come first, and that those marked `serial` start when all
others have ended, one at a time.

One run for both kinds, so that pytest's closing line counts every test.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScheduling
from xdist.workermanage import WorkerController

# The workers know the markers, the controller hands out the tests: the first worker tells it by this file.
_LIST = pytest.StashKey[Any]()
_INPUT = "serial_list"
# Half a minute each, for some: at the end of a run, one worker would be busy with them while the others have gone.
_FIRST = ("runtime", "architecture")
# So many tests a worker has before it at most, once it has done what it began with: with hundreds, as xdist has it, one
# goes on with the slow ones among them for minutes when the others have gone.
_AHEAD = 12


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as processors, for `--numprocesses auto`: a third of the time, a worker waits for
    PostgreSQL, a browser, another process or a lease's end."""
    processors = os.cpu_count() or 1
    return processors + (processors + 1) // 2


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """On the controller, for each worker: where to write the ids of the serial tests."""
    config = node.config
    if _LIST not in config.stash:
        config.stash[_LIST] = tempfile.NamedTemporaryFile(prefix="serial-tests-")  # noqa: SIM115
        config.add_cleanup(config.stash[_LIST].close)
    node.workerinput[_INPUT] = config.stash[_LIST].name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the serial tests last, with and without workers, and the longest ones first."""
    items.sort(key=lambda item: (_is_serial(item), _place(item)))
    worker = getattr(config, "workerinput", {})
    if worker.get("workerid") == "gw0":
        Path(worker[_INPUT]).write_text(json.dumps([item.nodeid for item in items if _is_serial(item)]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScheduling | None:
    """Take the place of the default way to spread the tests."""
    return SerialLast(config, log) if config.getoption("dist") == "load" else None


def _place(item: pytest.Item) -> int:
    marker = item.get_closest_marker("django_db")
    if item.path.parent.name not in _FIRST or (marker and marker.kwargs.get("transaction")):
        return len(_FIRST)  # these leave empty tables: others come before them
    return _FIRST.index(item.path.parent.name)


def _is_serial(item: pytest.Item) -> bool:
    return item.get_closest_marker("serial") is not None


class SerialLast(LoadScheduling):
    """Spreads the tests over the workers; the last worker to be left gets the serial ones."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._serial: frozenset[str] | None = None

    def schedule(self) -> None:
        if self._serial is None:
            self._serial = frozenset(json.loads(Path(self.config.stash[_LIST].name).read_text() or "[]"))
        super().schedule()
        self.maxschedchunk: int = _AHEAD
        self._check_all()

    def check_schedule(self, node: WorkerController, duration: float = 0) -> None:
        if not self._only_serial_left():
            if len(self.node2pending[node]) < _AHEAD:
                super().check_schedule(node, duration)
        elif not node.shutting_down:
            if any(other is not node and not other.shutting_down for other in self.nodes):
                # It still runs the tests that it has, then goes.
                node.shutdown()
            elif len(self.nodes) == 1:
                super()._send_tests(node, len(self.pending))
                node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        crashed = super().remove_node(node)
        self.pending.sort()
        self._check_all()
        return crashed

    def _send_tests(self, node: WorkerController, num: int) -> None:
        super()._send_tests(node, min(num, sum(not self._held_back(index) for index in self.pending)))

    def _check_all(self) -> None:
        if self._only_serial_left():
            for node in self.nodes:
                self.check_schedule(node)

    def _only_serial_left(self) -> bool:
        return bool(self.pending) and all(self._held_back(index) for index in self.pending)

    def _held_back(self, index: int) -> bool:
        return self.collection is not None and self._serial is not None and self.collection[index] in self._serial
