"""Where the embedded servers keep their state and sockets, and which account runs them.

PostgreSQL refuses to run as root, and the account that runs it instead may not be able to reach a checkout or a virtual
environment under root's home. No account is created and no directory is opened up for it: state and binaries go to
where it can reach them.
"""

import fcntl
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SYSTEM_STATE = Path("/var/lib/studyplatform")
STATE_POINTER = "state-directory"
LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432")
# sockaddr_un holds 104 bytes on macOS and 108 on Linux, with the closing zero.
SOCKET_PATH_LIMIT = 103


class EmbeddedError(Exception):
    """The servers cannot be started; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the servers when the platform is started by root."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """None for an ordinary user, who runs the servers himself; for root the `postgres` account, or else `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it. "
        "Start as an ordinary user, or set DATABASE_URL and DATABASE_OWNER_URL."
    )


def current_user() -> str:
    """The name of the user who runs this process, as PostgreSQL's peer authentication sees it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise EmbeddedError(
            f"The user id {os.geteuid()} has no name, which PostgreSQL needs. Add it to /etc/passwd, or set "
            "DATABASE_URL and DATABASE_OWNER_URL."
        ) from error


def reachable(path: Path, account: Account | None) -> bool:
    """Whether the account may enter every directory down to and including `path`."""
    if account is None:
        return True
    return all(_may_enter(step, account) for step in [*path.resolve().parents, path.resolve()])


def _may_enter(directory: Path, account: Account) -> bool:
    status = directory.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def open_data_directory(data_dir: Path) -> Path:
    """Make the data directory if it is absent and return it resolved; EmbeddedError when it cannot be written."""
    # Root lets the servers' account pass through to its own folder; nobody else can list or read anything.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise EmbeddedError(f"{data_dir} cannot be made ({error.strerror}). Set STUDYPLATFORM_DATA_DIR.") from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        owner = data_dir.stat().st_uid
        raise EmbeddedError(
            f"{data_dir} belongs to the user with id {owner} and cannot be written by {current_user()}. "
            "Start as that user, or set STUDYPLATFORM_DATA_DIR to another directory."
        )
    return data_dir.resolve()


def state_directory(data_dir: Path, account: Account | None) -> Path:
    """The directory of the servers' state: the data directory, or a system directory that the account can reach.

    The choice is made once and written into the data directory. A deleted data directory therefore means a fresh start,
    never an old database with new keys.
    """
    pointer = data_dir / STATE_POINTER
    if not pointer.exists():
        # "." survives a move of the checkout.
        chosen = "." if reachable(data_dir, account) else str(_new_system_state())
        pointer.write_text(f"{chosen}\n")
    state = (data_dir / pointer.read_text().strip()).resolve()
    if not state.is_dir():
        raise EmbeddedError(
            f"The databases were in {state}, as {pointer} says, and are gone. Restore that directory, or delete "
            f"{data_dir} to begin anew."
        )
    return state


def _new_system_state() -> Path:
    SYSTEM_STATE.mkdir(parents=True, exist_ok=True, mode=0o755)
    state = Path(tempfile.mkdtemp(dir=SYSTEM_STATE))
    state.chmod(0o711)
    return state


def remove_state(data_dir: Path) -> None:
    """Delete a data directory together with the servers' state that belongs to it. Nothing may be running on it."""
    pointer = data_dir / STATE_POINTER
    if pointer.exists():
        shutil.rmtree(data_dir / pointer.read_text().strip(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


def owned_directory(path: Path, account: Account | None) -> Path:
    """Make `path` a directory that only the servers' account may enter (0700)."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if account and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)
    return path


def socket_directory(state: Path, account: Account | None) -> Path:
    """A directory (0700) for the servers' sockets whose path is short enough for the kernel."""
    beside = state / "run"
    if len(os.fsencode(beside)) + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT:
        return owned_directory(beside, account)
    return owned_directory(Path(tempfile.mkdtemp(prefix="studyplatform-", dir="/tmp")), account)


def runnable_copy(package: str, version: str, folders: Sequence[Path], account: Account | None) -> Path:
    """The directory that holds `folders` side by side where the account can run them: their own parent, or a copy.

    The copy is made once per version, under another name first, so that an interrupted copy is never used.
    """
    home = folders[0].parent
    if all(reachable(folder, account) for folder in folders):
        return home
    target = SYSTEM_STATE / "programs" / f"{package}-{version}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
        for folder in folders:
            shutil.copytree(folder, partial / folder.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        partial.chmod(0o755)
        _put_in_place(partial, target)
    return target


def _put_in_place(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial)
        if not target.exists():  # otherwise another process finished the same copy first
            raise


@contextmanager
def held(state: Path) -> Iterator[None]:
    """Hold the state directory for this process; EmbeddedError naming the process that already holds it."""
    path = state / "lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise EmbeddedError(
                f"The data in {state} is in use by the running process {lock.read().strip()}. "
                "Stop that one, or set STUDYPLATFORM_DATA_DIR to another directory."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
