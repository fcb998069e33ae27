"""The parallel run of `make test` itself: workers, serial tests alone and last, all counted, missing tools told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quick import SLOW_PLUGINS

ROOT = Path(__file__).resolve().parent.parent.parent
WITHOUT = [
    word for name in ("django", "cacheprovider", *SLOW_PLUGINS) if "xdist" not in name for word in ("-p", f"no:{name}")
]

SUITE = """
import os, time
import pytest

@pytest.fixture(autouse=True)
def journal(request):
    write = lambda word: open(os.environ["JOURNAL"], "a").write(f"{word} {request.node.name}\\n")
    write("begin")
    yield
    write("end")

@pytest.mark.serial
@pytest.mark.parametrize("number", range(3))
def test_serial(number):
    time.sleep(0.02)

@pytest.mark.parametrize("number", range(PARALLEL))
def test_parallel(number):
    time.sleep(0.02 * (number % 4))
"""


def run_suite(folder: Path, suite: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_suite.py").write_text(suite)
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n  serial: alone\n  browser: needs Chromium\n  clickhouse: needs chdb\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join([str(ROOT), str(folder)])
    return subprocess.run(
        [sys.executable, "-m", "pytest", *WITHOUT, *words, str(folder)],
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": path,
            "JOURNAL": str(folder / "journal"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("parallel", [0, 5])
def test_serial_tests_run_alone_after_all_others(tmp_path: Path, parallel: int):
    done = run_suite(tmp_path, SUITE.replace("PARALLEL", str(parallel)), "-n", "2")

    words = (tmp_path / "journal").read_text().splitlines()
    # Without parameters pytest makes one skipped test of the parallel ones.
    assert f"{parallel + 3} passed" in done.stdout.splitlines()[-1], done.stdout
    assert words[-6:] == [f"{word} test_serial[{number}]" for number in range(3) for word in ("begin", "end")]


def test_the_longest_begin_unless_they_empty_the_tables(tmp_path: Path):
    for name, suite in {
        "runtime/test_server.py": "def test_server(): pass\n",
        "architecture/test_pages.py": "def test_pages(): pass\n",
        "architecture/test_ticks.py": (
            "import pytest\n@pytest.mark.django_db(transaction=True)\ndef test_ticks(): pass\n"
            "@pytest.mark.django_db\ndef test_more(): pass\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(suite)

    done = run_suite(tmp_path, SUITE.replace("PARALLEL", "1"), "-v", "-W", "ignore")

    assert [line.partition(" ")[0] for line in done.stdout.splitlines() if " PASSED" in line] == [
        "runtime/test_server.py::test_server",
        "architecture/test_pages.py::test_pages",
        "architecture/test_ticks.py::test_more",
        "architecture/test_ticks.py::test_ticks",
        "test_suite.py::test_parallel[0]",
        *[f"test_suite.py::test_serial[{number}]" for number in range(3)],
    ]


UNEVEN = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(500))
def test_quick(number):
    pass

@pytest.mark.parametrize("number", range(30))
def test_slow(number):
    time.sleep(0.1)
    open(os.environ["JOURNAL"], "a").write(os.environ["PYTEST_XDIST_WORKER"] + " ")

@pytest.mark.parametrize("number", range(600))
def test_quick_too(number):
    pass
"""


def test_no_worker_keeps_all_slow_tests_to_itself(tmp_path: Path):
    done = run_suite(tmp_path, UNEVEN, "-n", "2")

    workers = (tmp_path / "journal").read_text().split()
    assert "1130 passed" in done.stdout.splitlines()[-1], done.stdout
    assert min(workers.count("gw0"), workers.count("gw1")) >= 6, workers


def test_there_are_half_as_many_workers_again_as_processors(tmp_path: Path):
    done = run_suite(tmp_path, "def test_it(): pass\n", "--numprocesses", "auto", "-v")

    processors = os.cpu_count()
    assert f"created: {processors + (processors + 1) // 2}/" in done.stdout, done.stdout


def test_a_failing_serial_test_fails_the_run(tmp_path: Path):
    suite = "import pytest\n@pytest.mark.serial\ndef test_serial(): assert False\ndef test_parallel(): pass\n"

    done = run_suite(tmp_path, suite, "-n", "2")

    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("require_all", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_a_missing_browser_skips_a_test_or_fails_it_when_all_is_required(
    tmp_path: Path, require_all: str, outcome: str
):
    suite = "import pytest\n@pytest.mark.browser\ndef test_page(): pass\n"

    done = run_suite(tmp_path, suite, "-rse", REQUIRE_ALL=require_all, PATH=str(tmp_path))

    assert outcome in done.stdout.splitlines()[-1], done.stdout
    assert "Chromium is not installed" in done.stdout


@pytest.mark.parametrize(("require_all", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_a_missing_clickhouse_skips_a_test_or_fails_it_when_all_is_required(
    tmp_path: Path, require_all: str, outcome: str
):
    (tmp_path / "without_chdb.py").write_text("import sys\nsys.modules['chdb'] = None\n")
    suite = "import pytest\n@pytest.mark.clickhouse\ndef test_store(): pass\n"

    done = run_suite(tmp_path, suite, "-rse", "-p", "without_chdb", REQUIRE_ALL=require_all)

    assert outcome in done.stdout.splitlines()[-1], done.stdout
    assert "chdb is not installed" in done.stdout


def bytecode_of_make(**given: str) -> dict[str, str]:
    """What the commands of the Makefile are told about Python's bytecode."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE"))}
    done = subprocess.run(
        ["make", "--no-print-directory", "--eval", "tell: ; @env", "tell"],
        cwd=ROOT,
        env=kept | given,
        capture_output=True,
        text=True,
        check=True,
    )
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {name: value for name, value in told.items() if name.startswith("PYTHON") and name != "PYTHON"}


def test_what_is_compiled_is_kept_also_where_nothing_may_be_written_beside_the_sources():
    assert bytecode_of_make() == {}
    assert bytecode_of_make(PYTHONDONTWRITEBYTECODE="1") == {"PYTHONPYCACHEPREFIX": f"{ROOT}/.venv/bytecode"}
    elsewhere = {"PYTHONPYCACHEPREFIX": "/var/cache/bytecode"}
    assert bytecode_of_make(PYTHONDONTWRITEBYTECODE="1", **elsewhere) == elsewhere
