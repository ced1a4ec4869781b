"""Where the servers of root go when their account cannot reach the checkout."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studyplatform.embedded import Service, locations
from studyplatform.embedded.locations import (
    SOCKET_PATH_LIMIT,
    Account,
    owned_directory,
    reachable,
    remove_state,
    runnable_copy,
    socket_directory,
    state_directory,
)

STRANGER = Account("stranger", uid=54321, gid=54321)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.fixture
def system_state(public: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(locations, "SYSTEM_STATE", public / "system")
    return public / "system"


@pytest.fixture
def private(public: Path) -> Path:
    """A data directory below a home that only its user may enter."""
    (public / "home").mkdir(mode=0o700)
    (public / "home" / "data").mkdir()
    return public / "home" / "data"


def test_a_directory_below_a_private_home_is_out_of_reach(public: Path, private: Path) -> None:
    assert reachable(public, STRANGER)
    assert not reachable(private, STRANGER)
    assert reachable(private, None)


def test_state_stays_in_a_data_directory_that_the_account_can_reach(public: Path, system_state: Path) -> None:
    assert state_directory(public, STRANGER) == public.resolve()
    assert not system_state.exists()


def test_state_of_a_private_checkout_goes_where_the_account_reaches_it_and_stays_there(
    private: Path, system_state: Path
) -> None:
    state = state_directory(private, STRANGER)
    assert state.parent == system_state
    assert reachable(state, STRANGER)
    assert state_directory(private, STRANGER) == state
    assert private.parent.stat().st_mode & 0o777 == 0o700


def test_a_deleted_data_directory_never_meets_its_old_databases(private: Path, system_state: Path) -> None:
    old = state_directory(private, STRANGER)
    (private / locations.STATE_POINTER).unlink()
    assert state_directory(private, STRANGER) != old


def test_removing_takes_the_state_along(private: Path, system_state: Path) -> None:
    state = state_directory(private, STRANGER)
    remove_state(private)
    assert not state.exists()
    assert not private.exists()


def test_programs_out_of_reach_are_copied_side_by_side_once(private: Path, system_state: Path) -> None:
    folders = [private / "programs", private / "programs.libs"]
    for folder in folders:
        folder.mkdir()
        (folder / "file").write_text("content")
    home = runnable_copy("package", "1.0", folders, STRANGER)
    assert home == system_state / "programs" / "package-1.0"
    assert (home / "programs" / "file").read_text() == (home / "programs.libs" / "file").read_text() == "content"
    (home / "programs" / "file").write_text("the copy that is kept")
    assert (runnable_copy("package", "1.0", folders, STRANGER) / "programs" / "file").read_text().endswith("kept")
    assert runnable_copy("package", "1.0", folders, None) == private


def test_socket_paths_fit_into_the_kernels_limit(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    sockets = socket_directory(deep, None)
    assert len(f"{sockets}/.s.PGSQL.5432") <= SOCKET_PATH_LIMIT
    assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.rmdir()


def test_a_servers_own_directory_admits_nobody_else(tmp_path: Path) -> None:
    assert owned_directory(tmp_path / "own", None).stat().st_mode & 0o777 == 0o700


def test_logs_and_what_processes_write_are_for_this_account_alone(tmp_path: Path) -> None:
    log, made = tmp_path / "log" / "p.log", tmp_path / "made"
    service = Service("p", ["touch", str(made)], log)
    service.start()
    assert service.process is not None
    service.process.wait(10)
    modes = [path.stat().st_mode & 0o777 for path in (log.parent, log, made)]
    assert modes == [0o700, 0o600, 0o600]
