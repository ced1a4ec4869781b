"""The servers behind `make run`: two roles, honest durability, and no start that a kill could spoil."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from studyplatform.embedded import EmbeddedError, Servers, temporary_servers
from studyplatform.embedded.locations import STATE_POINTER, remove_state

# Neither the addresses of the test run's own servers nor a PG_BIN: these tests start servers of their own.
NOTHING_GIVEN: dict[str, str] = {}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with temporary_servers(NOTHING_GIVEN) as running:
        yield running


@pytest.fixture
def own() -> Iterator[Servers]:
    """Servers of this test alone, which it may kill."""
    with temporary_servers(NOTHING_GIVEN) as running:
        yield running


def query(servers: Servers, statement: str, role: str = "DATABASE_URL") -> list[tuple]:
    with psycopg.connect(servers.environment[role], autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def running(number: int) -> bool:
    """Whether a process lives; a killed one that its new parent has not collected does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(servers: Servers) -> list[int]:
    return [service.process.pid for service in servers.services if service.process]


def test_the_application_connects_as_a_role_without_any_right_of_the_owner(servers: Servers) -> None:
    ((role, superuser, creates_databases, creates_roles),) = query(
        servers, "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    assert (role, superuser, creates_databases, creates_roles) == ("studyplatform_app", False, False, False)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE made_by_the_application (id int)",
        "CREATE SCHEMA made_by_the_application",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE DATABASE made_by_the_application",
        "CREATE ROLE made_by_the_application",
        "DROP DATABASE studyplatform",
        "SET ROLE studyplatform_owner",
        "ALTER ROLE studyplatform_app SUPERUSER",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_application_role_cannot(servers: Servers, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(servers, statement)


def test_the_owner_makes_tables_and_clones_databases(servers: Servers) -> None:
    query(servers, "CREATE TABLE made_by_the_owner (id int)", "DATABASE_OWNER_URL")
    query(servers, "CREATE DATABASE copy TEMPLATE studyplatform", "DATABASE_OWNER_URL")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(servers, "SELECT * FROM made_by_the_owner")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("jit", "off"),
        ("server_encoding", "UTF8"),
    ],
)
def test_postgres_is_durable_and_reached_by_its_socket_only(servers: Servers, setting: str, value: str) -> None:
    assert query(servers, f"SELECT current_setting('{setting}')") == [(value,)]


def test_letters_beyond_ascii_are_compared_without_regard_to_case(servers: Servers) -> None:
    assert query(servers, "SELECT upper('åsa') = 'ÅSA'") == [(True,)]


def test_nobody_else_may_enter_the_directory_of_the_sockets(servers: Servers) -> None:
    sockets = Path(servers.environment["REDIS_URL"].removeprefix("redis+socket://")).parent
    assert sockets.stat().st_mode & 0o777 == 0o700


def test_a_killed_postmaster_starts_again_with_all_that_was_committed(own: Servers) -> None:
    query(own, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id", "DATABASE_OWNER_URL")
    postgres = own.services[0]
    os.kill(pids(own)[0], signal.SIGKILL)
    wait_until(lambda: not postgres.alive)
    postgres.start()
    assert query(own, "SELECT count(*) FROM kept", "DATABASE_OWNER_URL") == [(1000,)]


def test_a_lock_file_that_names_a_living_stranger_does_not_stop_the_start(own: Servers) -> None:
    postgres = own.services[0]
    lock = Path(postgres.argv[2]) / "postmaster.pid"
    stale, stranger = lock.read_text().splitlines(), pids(own)[1]  # Valkey, which runs as the same account
    os.kill(pids(own)[0], signal.SIGKILL)
    wait_until(lambda: not postgres.alive)
    lock.write_text("\n".join([str(stranger), *stale[1:]]) + "\n")
    postgres.start()
    assert query(own, "SELECT 1") == [(1,)]


def test_a_second_start_keeps_the_data_and_a_stop_leaves_no_process(own: Servers) -> None:
    query(own, "CREATE TABLE kept AS SELECT 7 AS id", "DATABASE_OWNER_URL")
    first = pids(own)
    own.stop()
    assert not [number for number in first if running(number)]
    own.start()
    assert query(own, "SELECT id FROM kept", "DATABASE_OWNER_URL") == [(7,)]


def test_data_in_use_is_refused_with_the_number_of_the_process_that_uses_it(servers: Servers) -> None:
    with pytest.raises(EmbeddedError, match=rf"in use by the running process {os.getpid()}\."):
        Servers(servers.data_dir, NOTHING_GIVEN).start()
    assert query(servers, "SELECT 1") == [(1,)]


def test_the_command_line_prints_addresses_and_its_servers_die_with_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    command = [sys.executable, "-m", "studyplatform.embedded", "--data-dir", str(data_dir)]
    without = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=without)
        assert started.stdout
        lines = [shlex.split(started.stdout.readline()) for _ in range(3)]
        addresses = dict(words[1].split("=", 1) for words in lines if words[0] == "export")
        with psycopg.connect(addresses["DATABASE_OWNER_URL"], autocommit=True) as owner:
            owner.execute("CREATE TABLE kept AS SELECT 7 AS id")
            children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        started.kill()
        started.wait()
        wait_until(lambda: not any(running(int(number)) for number in children))
        assert len(children) == 2
        with Servers(data_dir, NOTHING_GIVEN) as again:
            assert query(again, "SELECT id FROM kept", "DATABASE_OWNER_URL") == [(7,)]
    finally:
        remove_state(data_dir)


def test_given_addresses_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    given = {
        "DATABASE_URL": "postgresql://a@db/x",
        "DATABASE_OWNER_URL": "postgresql://o@db/x",
        "REDIS_URL": "redis://r",
    }
    with Servers(tmp_path / "data", given) as servers:
        assert servers.environment == given
        assert servers.services == []


def test_a_given_database_needs_its_owners_address(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="DATABASE_OWNER_URL"):
        Servers(tmp_path, {"DATABASE_URL": "postgresql://a@db/x"}).start()


def test_a_pg_bin_without_postgres_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"PG_BIN is .* no working `postgres`"):
        Servers(tmp_path / "data", {"PG_BIN": str(tmp_path)}).start()


def test_data_of_another_major_version_is_left_alone(own: Servers) -> None:
    cluster = Path(own.services[0].argv[2])
    own.stop()
    made_by = (cluster / "PG_VERSION").read_text()
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 15"):
        own.start()
    (cluster / "PG_VERSION").write_text(made_by)
    own.start()
    assert query(own, "SELECT 1") == [(1,)]


def test_a_start_that_fails_quotes_the_log_and_leaves_nothing_running(own: Servers) -> None:
    cluster = Path(own.services[0].argv[2])
    own.stop()
    (cluster / "pg_hba.conf").write_text("nonsense\n")
    with pytest.raises(EmbeddedError, match=r"(?s)could not load .*pg_hba\.conf.*whole log is"):
        own.start()
    assert own.services == []


def test_state_that_is_gone_is_not_replaced_in_silence(own: Servers) -> None:
    own.stop()
    pointer = own.data_dir / STATE_POINTER
    remembered = pointer.read_text()
    pointer.write_text("/nonexistent/state\n")
    with pytest.raises(EmbeddedError, match="are gone"):
        own.start()
    pointer.write_text(remembered)
