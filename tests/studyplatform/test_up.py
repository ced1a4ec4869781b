"""`make run`: what dies comes back, what is stopped leaves nothing, and each installation has keys of its own."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from studyplatform import supervisor as supervision
from studyplatform import up
from studyplatform.embedded import EmbeddedError, Servers, Service
from studyplatform.embedded.locations import remove_state
from studyplatform.installation import installation_keys
from studyplatform.supervisor import Supervisor

SLEEP = "import time; time.sleep(600)"
FORK = "import os, time; print(os.fork(), flush=True); time.sleep(600)"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(number: int) -> bool:
    """Whether a process has ended, also when nobody has collected it yet."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def service(code: str, name: str = "child") -> Service:
        made.append(Service(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", fix="Mend it."))
        return made[-1]

    yield service
    for each in made:
        each.stop()


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_killed_process_is_started_again_and_its_death_is_told(make: Callable[..., Service], said: list[str]) -> None:
    supervisor, child, other = Supervisor(said.append), make(SLEEP), make(SLEEP, "other")
    supervisor.start(child)
    supervisor.start(other)
    assert child.process
    assert other.process
    killed, untouched = child.process.pid, other.process.pid
    os.kill(killed, signal.SIGKILL)

    def back() -> bool:
        supervisor.watch()
        return child.alive and child.process is not None and child.process.pid != killed

    wait_until(back)
    assert other.process.pid == untouched
    assert [sentence.partition(" and")[0] for sentence in said] == ["child ended unexpectedly"]


def test_what_a_killed_process_left_is_ended_before_it_is_started_again(make: Callable[..., Service]) -> None:
    child = make(FORK)
    child.start()
    wait_until(lambda: child.log.exists() and len(child.log.read_text().split()) == 2)
    left = max(int(number) for number in child.log.read_text().split())
    assert child.process
    child.process.kill()
    wait_until(lambda: not child.alive)
    assert not ended(left)
    child.start()
    wait_until(lambda: ended(left))


def test_one_that_keeps_dying_is_tried_ever_less_often_and_a_sound_one_at_once(
    make: Callable[..., Service], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(supervision.time, "monotonic", lambda: now[0])
    child = make("import sys; sys.exit('no luck')")
    monkeypatch.setattr(child, "start", lambda: None)
    supervisor = Supervisor(said.append)
    supervisor.start(child)
    for _ in range(8):
        supervisor.watch()
        now[0] += supervision.LONGEST_DELAY_SECONDS
        supervisor.watch()
    now[0] += supervision.SOUND_AFTER_SECONDS + 1
    supervisor.watch()
    delays = [sentence.partition("again in ")[2].partition(" s")[0] for sentence in said]
    assert delays == ["0.2", "0.4", "0.8", "1.6", "3.2", "6.4", "10.0", "10.0", "0.2"]


def test_a_restart_that_fails_is_told_and_tried_again(
    make: Callable[..., Service], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = make(SLEEP)
    supervisor = Supervisor(said.append)
    supervisor.adopt([child])
    start, fails = child.start, iter([True, False])

    def unlucky() -> None:
        if next(fails):
            raise EmbeddedError("The disk is full.")
        start()

    monkeypatch.setattr(child, "start", unlucky)

    def back() -> bool:
        supervisor.watch()
        return child.alive

    wait_until(back)
    assert "The disk is full." in said


def test_stopping_goes_in_the_order_given_and_starts_nothing_again(
    make: Callable[..., Service], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["web", "dispatcher", "worker"]
    services = [make(SLEEP, name) for name in names]
    supervisor, stopped = Supervisor(said.append), []
    for service in services:
        supervisor.start(service)
        stop = service.stop
        monkeypatch.setattr(service, "stop", lambda name=service.name, stop=stop: (stopped.append(name), stop()))
    supervisor.stop(services)
    supervisor.watch()
    assert stopped == names
    assert not [service for service in services if service.alive]
    assert said == []


def test_a_process_that_ignores_the_first_signal_is_killed(make: Callable[..., Service]) -> None:
    child = make("import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)")
    child.grace_seconds = 0.1
    child.start()
    wait_until(lambda: child.log.read_text().startswith("deaf"))
    assert child.process
    number = child.process.pid
    child.stop()
    assert ended(number)


def test_a_failure_quotes_the_last_start_only_and_names_the_log_and_the_fix(make: Callable[..., Service]) -> None:
    child = make("import os; print('started by', os.getpid(), flush=True)")
    for _ in range(2):
        child.start()
        wait_until(lambda: not child.alive)
    sentence = child.failure("did not start")
    assert sentence.count("started by") == 1
    assert sentence.endswith(f"The whole log is {child.log}. Mend it.")


def test_a_port_in_use_moves_to_the_next_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind((up.HOST, 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        assert up.free_port(wanted) > wanted
    assert f"Port {wanted} is in use; taking " in capsys.readouterr().out


def test_a_free_port_is_taken_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind((up.HOST, 0))
        wanted = probe.getsockname()[1]
    assert up.free_port(wanted) == wanted
    assert capsys.readouterr().out == ""


def test_each_installation_makes_its_keys_once_and_keeps_them_private(tmp_path: Path) -> None:
    first = installation_keys(tmp_path)
    assert len(base64.b64decode(first["STUDYPLATFORM_ALLOCATION_KEY"], validate=True)) == 32
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert installation_keys(tmp_path) == first
    (tmp_path / "another").mkdir()
    assert not set(first.values()) & set(installation_keys(tmp_path / "another").values())


def test_damaged_keys_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"DJANGO_SEC')
    with pytest.raises(EmbeddedError, match="damaged"):
        installation_keys(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == '{"DJANGO_SEC'


def test_nothing_that_serves_is_handed_the_owners_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://owner@db/x")
    servers = Servers(tmp_path)
    servers.environment = {"DATABASE_URL": "postgresql://app@db/x", "DATABASE_OWNER_URL": "postgresql://owner@db/x"}
    environment = up.process_environment(servers, 8000)
    assert "DATABASE_OWNER_URL" not in environment
    assert environment["STUDYPLATFORM_APPLICATION_ROLE"] == "app"
    assert environment["STUDYPLATFORM_LOCAL"] == "1"
    for service in up.processes(environment, tmp_path, 8000):
        assert service.environment is not None
        assert "postgresql://owner@db/x" not in service.environment.values()


def test_the_web_server_listens_on_this_machine_only(tmp_path: Path) -> None:
    web = up.processes({}, tmp_path, 8000)[0]
    assert web.argv[web.argv.index("--host") + 1] == "127.0.0.1"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The whole platform without demonstration trials, on a fresh data directory, and its address."""
    data_dir = tmp_path / "data"
    without = {name: value for name, value in os.environ.items() if not name.endswith("_URL") and name != "PORT"}
    environment = without | {"STUDYPLATFORM_DATA_DIR": str(data_dir), "STUDYPLATFORM_DEMO": "0", "PORT": "18000"}
    command = [sys.executable, "-u", "-m", "studyplatform.up"]
    started = subprocess.Popen(command, env=environment, cwd=up.CHECKOUT, stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout
        line = next(line for line in started.stdout if line.startswith("The study platform is ready at "))
        yield started, line.split()[-1]
    finally:
        started.terminate()
        started.communicate()
        remove_state(data_dir)


PROGRAMS = ("valkey-server", "bin/postgres", "granian", "dispatch", "celery")


def children(number: int) -> dict[str, int]:
    """The processes that a process started and that run one of the PROGRAMS by now."""
    found = {}
    for child in Path(f"/proc/{number}/task/{number}/children").read_text().split():
        with suppress(FileNotFoundError):
            command = Path(f"/proc/{child}/cmdline").read_text()
            found |= {name: int(child) for name in PROGRAMS if name in command}
    return found


def test_the_platform_outlives_the_death_of_any_process_and_stops_without_a_trace(
    platform: tuple[subprocess.Popen[str], str],
) -> None:
    started, address = platform
    first = children(started.pid)
    assert sorted(first) == sorted(PROGRAMS)
    for number in first.values():
        os.kill(number, signal.SIGKILL)
    wait_until(lambda: len(again := children(started.pid)) == 5 and not set(again.values()) & set(first.values()))
    wait_until(lambda: up.answers(f"{address}readyz"))
    last = children(started.pid)
    started.send_signal(signal.SIGINT)
    said, _ = started.communicate(timeout=60)
    assert (started.returncode, said.splitlines()[-1]) == (0, "Stopped. The data is kept.")
    assert all(ended(number) for number in last.values())
    assert not up.answers(f"{address}readyz")
