"""Start, watch and stop one server process, as its direct parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studyplatform.embedded.locations import Account, EmbeddedError

PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 10_000_000


@dataclass
class Service:
    """One long-running process: how it is started, when it is ready, how it is stopped.

    Start it from the main thread: the kernel sends the parent-death signal when the *thread* that started it ends.
    """

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    directory: Path = Path("/")
    account: Account | None = None
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGKILL)
    grace_seconds: float = 20.0
    start_seconds: float = 60.0
    prepare: Callable[[], None] | None = None
    ready: Callable[[], bool] | None = None
    fix: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    log_start: int = field(default=0, init=False)

    def start(self) -> None:
        """Start the process and return once it is ready; EmbeddedError with the log's tail when it never is."""
        self.stop()  # a dead predecessor may have left workers
        if self.prepare:
            self.prepare()
        rotate(self.log)
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        self.process = spawn(self)
        deadline = time.monotonic() + self.start_seconds
        while self.ready and not self.ready():
            if not self.alive or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(self.failure("did not start"))
            time.sleep(0.03)

    @property
    def alive(self) -> bool:
        """Whether the process that was started is still running."""
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process that was started; None while it is running."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """Send the stop signals in turn, each with its grace period, and clear what is left of the process group."""
        process, self.process = self.process, None
        if process is None:
            return
        for stop_signal in (*self.stop_signals, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(stop_signal)
                wait_for_end(process, self.grace_seconds)
        end_group(process.pid)

    def failure(self, what: str) -> str:
        """A sentence for people: what happened, the last lines that it wrote, where the log is and what to do."""
        lines = tail(self.log, self.log_start)
        quoted = "".join(f"    {line}\n" for line in lines)
        return f"{self.name} {what}.\n{quoted}The whole log is {self.log}.{' ' if self.fix else ''}{self.fix}"


def spawn(service: Service) -> subprocess.Popen[bytes]:
    """Start the service's process in a session of its own, as its account, with its output in its log."""
    account = service.account
    with service.log.open("ab") as log:
        # A session of its own: Ctrl-C in the terminal reaches only the supervisor, which then stops all in order.
        return subprocess.Popen(
            service.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=service.environment,
            cwd=service.directory,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,  # exports and logs hold what other accounts of this machine may not read
            preexec_fn=ending_with_parent(service.stop_signals[0]),
        )


def rotate(log: Path) -> None:
    """Make the log and its directory, readable by this account alone; set aside one that has grown large."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)


def ending_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it executes: ask the kernel for `stop_signal` when its parent dies (Linux only).

    A change of uid clears the request, so it is made after it; the C library is resolved here, before it, because
    afterwards its files may be out of reach.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def request() -> None:
        prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request was made
            os._exit(1)

    return request


def wait_for_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until the process has ended, at most `seconds`."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def end_group(group: int) -> None:
    """Kill what is left of a process group, for example the workers of a web server whose parent was killed."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def run_as(account: Account | None, argv: Sequence[str], what: str) -> str:
    """Run a short command as `account` and return its output; EmbeddedError with what it said when it fails."""
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        cwd="/",
        env=quiet_environment(),
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode:
        raise EmbeddedError(f"{what} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def quiet_environment() -> dict[str, str]:
    """The environment without the PG* settings that a person's shell may carry for another PostgreSQL."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def tail(log: Path, start: int = 0, lines: int = 15) -> list[str]:
    """The last lines of a log from the byte `start` on, an empty list when there is no log."""
    if not log.exists():
        return []
    return log.read_bytes()[start:].decode(errors="replace").splitlines()[-lines:]
