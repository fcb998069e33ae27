"""The embedded PostgreSQL and Redis: start, stop, and a start after every kind of end. Real processes throughout."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
import redis

from tests.runtime.conftest import House, alive, processes_that_mention, wait_until

SHOW = ["sh", "-c", "echo $DATABASE_URL; echo $REDIS_URL"]


def test_a_command_gets_both_addresses_and_nothing_is_left_behind(house: House) -> None:
    done = house.run("run", "--", *SHOW)

    database, broker = done.stdout.split()
    assert done.returncode == 0, done.stderr
    assert database == f"postgres://countinghouse@:5432/countinghouse?host={house.data}/sock"
    assert broker.startswith("redis://:") and "@127.0.0.1:" in broker
    assert processes_that_mention(str(house.data)) == []
    assert not house.layout.state.exists()


def test_the_commands_exit_code_is_ours(house: House) -> None:
    assert house.run("run", "--", "sh", "-c", "exit 7").returncode == 7


def test_given_addresses_start_nothing(house: House) -> None:
    house.environment |= {"DATABASE_URL": "postgres://elsewhere/books", "REDIS_URL": "redis://elsewhere/0"}

    done = house.run("run", "--", *SHOW)

    assert done.stdout.split() == ["postgres://elsewhere/books", "redis://elsewhere/0"]
    assert not house.data.exists()


def test_a_given_database_leaves_only_redis_to_start(house: House) -> None:
    house.environment["DATABASE_URL"] = "postgres://elsewhere/books"

    done = house.run("run", "--", *SHOW)

    assert done.stdout.split()[0] == "postgres://elsewhere/books"
    assert not house.layout.postgres.exists()
    assert house.layout.redis.exists()


def test_the_database_outlives_a_stop_and_keeps_fsync_and_autovacuum_on(house: House) -> None:
    with_table = house.begin_services()
    with house.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW autovacuum").fetchone() == ("on",)
        assert connection.execute("SHOW server_version_num").fetchone()[0].startswith("18")
    stop(with_table)

    house.begin_services()

    with house.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_queued_tasks_outlive_a_stop(house: House) -> None:
    first = house.begin_services()
    with redis.Redis.from_url(house.state(first)["redis_url"]) as client:
        client.rpush("celery", "a task")
    stop(first)

    second = house.begin_services()

    with redis.Redis.from_url(house.state(second)["redis_url"]) as client:
        assert client.lrange("celery", 0, -1) == [b"a task"]


def test_redis_refuses_a_client_without_its_password(house: House) -> None:
    port = house.state(house.begin_services())["redis_url"].rpartition(":")[2].split("/")[0]

    with redis.Redis(port=int(port)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_it_starts_right_after_a_kill_of_postgresql(house: House) -> None:
    first = house.begin_services()
    with house.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(house.state(first)["children"]["postgres"]["pid"], signal.SIGKILL)
    stop(first)

    house.begin_services()

    with house.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_kill_of_the_supervisor_leaves_no_orphan_and_the_next_start_works(house: House) -> None:
    first = house.begin_services()
    children = house.state(first)["children"]
    with house.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    first.wait()

    # At once: PostgreSQL may still be stopping, its lock file and sockets are there.
    house.begin_services()

    assert [name for name, child in children.items() if alive(child["pid"])] == []
    with house.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_without_a_next_start_a_kill_of_the_supervisor_leaves_nothing_running_either(house: House) -> None:
    first = house.begin_services()
    first.kill()
    first.wait()

    wait_until(lambda: processes_that_mention(str(house.data)) == [], "all processes of the folder have ended")


def test_a_stale_lock_file_that_names_a_living_stranger_does_not_stop_the_start(house: House) -> None:
    first = house.begin_services()
    server = house.state(first)["children"]["postgres"]["pid"]
    first.kill()
    first.wait()
    wait_until(lambda: not alive(server), "PostgreSQL has ended")
    lines = ["1", str(house.layout.postgres), "1790000000", "5432", str(house.layout.sockets), "", "0 0", "ready"]
    (house.layout.postgres / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (house.layout.sockets / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")

    house.begin_services()

    with house.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_two_folders_run_side_by_side(make_house: Callable[..., House]) -> None:
    left, right = make_house(), make_house()
    left.begin_services()
    right.begin_services()

    with left.connect() as connection:
        connection.execute("CREATE TABLE only_left ()")
    with right.connect() as connection:
        assert connection.execute("SELECT to_regclass('only_left')").fetchone() == (None,)


def test_a_second_start_in_the_same_folder_is_refused_and_names_the_holder(house: House) -> None:
    first = house.begin_services()

    refused = house.run("serve")

    assert refused.returncode == 1
    assert f"is in use by `run sleep` (process {first.pid}). Nothing was started." in refused.stderr
    assert first.poll() is None


def test_a_second_command_uses_the_services_that_run(house: House) -> None:
    state = house.state(house.begin_services())

    assert house.run("run", "--", *SHOW).stdout.split() == [state["database_url"], state["redis_url"]]


def test_stop_ends_what_runs_and_says_when_nothing_does(house: House) -> None:
    first = house.begin_services()

    assert f"Stopped what ran in {house.data}." in house.run("stop").stdout
    assert first.wait(20) != 0
    assert f"Nothing runs in {house.data}." in house.run("stop").stdout


def test_a_folder_of_another_version_is_refused_untouched(house: House) -> None:
    house.run("run", "--", "true")
    (house.layout.postgres / "PG_VERSION").write_text("16\n")

    refused = house.run("run", "--", "true")

    assert refused.returncode == 1
    assert "was made by PostgreSQL 16; this is 18. Nothing was changed." in refused.stderr


def test_a_long_path_gets_its_sockets_elsewhere_and_leaves_none_behind(make_house: Callable[..., House]) -> None:
    house = make_house()
    house.data = house.data / ("a-long-name-" * 10)
    house.environment["BILLING_DATA_DIR"] = str(house.data)
    assert len(str(house.layout.sockets)) < 80

    done = house.run("run", "--", *SHOW)

    assert done.returncode == 0, done.stderr
    assert f"host={house.layout.sockets}" in done.stdout
    assert not house.layout.sockets.exists()


def test_a_throwaway_run_leaves_no_folder(house: House) -> None:
    done = house.run("run", "--throwaway", "--", "sh", "-c", "echo $BILLING_DATA_DIR")

    assert done.returncode == 0, done.stderr
    assert not os.path.exists(done.stdout.strip())
    assert not house.data.exists()


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)
