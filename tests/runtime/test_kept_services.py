"""What `make quick` stands on: services that stay until nobody uses them, and a fresh copy of a migrated database."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from billing_site.runtime.layout import ROOT, Layout, running_state
from tests.quick import migrations_fingerprint, quick_folder
from tests.runtime.conftest import House, wait_until

ONE_TEST = ("tests/services/test_guards.py", "-q", "-k", "windows_may_touch")


def test_kept_services_stop_once_nobody_has_used_them_for_a_while(house: House) -> None:
    house.data.mkdir()
    house.layout.in_use.touch()
    with house.layout.in_use.open() as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        keeper = house.begin("keep", "--idle", "1")
        house.state(keeper)
        with house.connect() as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
            assert connection.execute("SHOW autovacuum").fetchone() == ("off",)
        try:
            keeper.wait(3)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError("the services stopped while they were in use")

    assert keeper.wait(30) == 0
    assert running_state(house.layout) == {}


def test_a_run_begins_with_a_fresh_copy_of_a_database_that_is_migrated_once(make_house: Callable[..., House]) -> None:
    house = make_house()
    kept = Layout(quick_folder(house.data))

    def quick(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.quick", *words],
            cwd=ROOT,
            env={name: value for name, value in house.environment.items() if not name.startswith("PYTEST_")},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    try:
        first = quick(*ONE_TEST)
        assert "1 passed" in first.stdout, first.stdout + first.stderr
        assert "Migrating a database" in first.stderr
        with House(kept.data, house.environment).connect_to("quick") as connection:
            connection.execute("DELETE FROM customers_billingprofile")

        second = quick(*ONE_TEST)
        assert "1 passed" in second.stdout, second.stdout + second.stderr
        assert "Migrating a database" not in second.stderr
        with House(kept.data, house.environment).connect_to("quick") as connection:
            assert connection.execute("SELECT name FROM customers_billingprofile").fetchall() == [("Default",)]
    finally:
        stopped = quick("--stop")
    assert "Stopped what ran" in stopped.stdout
    wait_until(lambda: not running_state(kept), "the kept services stop")


def test_the_fingerprint_follows_what_the_migrations_say(tmp_path: Path) -> None:
    folder = tmp_path / "invoicing" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_initial.py").write_text("one")
    first = migrations_fingerprint(tmp_path)
    os.utime(folder / "0001_initial.py", (0, 0))
    assert migrations_fingerprint(tmp_path) == first

    (folder / "0001_initial.py").write_text("two")
    changed = migrations_fingerprint(tmp_path)
    (folder / "0002_more.py").write_text("")
    added = migrations_fingerprint(tmp_path)
    (folder / "0001_initial.py").rename(folder / "0003_later.py")
    assert len({first, changed, added, migrations_fingerprint(tmp_path)}) == 4


def test_the_kept_services_lie_beside_the_data_folder() -> None:
    assert quick_folder(Path("/srv/house/.data")) == Path("/srv/house/.data-quick")
