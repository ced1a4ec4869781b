"""PostgreSQL and Valkey without an installation: the servers behind `make run` and `make test`.

Standard library only. Where DATABASE_URL or REDIS_URL is given, that server is used and none is started.

    with Servers(Path(".data")) as servers:
        servers.environment  # DATABASE_URL, DATABASE_OWNER_URL, REDIS_URL
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from studyplatform.embedded.locations import (
    EmbeddedError,
    held,
    open_data_directory,
    remove_state,
    server_account,
    socket_directory,
    state_directory,
)
from studyplatform.embedded.postgres import (
    APPLICATION_ROLE,
    OWNER_ROLE,
    database_url,
    ensure_roles_and_database,
    find_programs,
    postgres_service,
)
from studyplatform.embedded.process import Service
from studyplatform.embedded.valkey import find_server, redis_url, valkey_service

__all__ = ["EmbeddedError", "Servers", "Service", "temporary_servers"]

NO_OWNER_URL = (
    "DATABASE_URL is given without DATABASE_OWNER_URL. The application's role may not change the schema, so migrations "
    "need the address of the same database for the role that owns it. Set both, or neither for the embedded PostgreSQL."
)


class Servers:
    """The servers of one data directory, running between `start` and `stop` (or inside a `with` block).

    Start from the main thread and keep the process: when it dies, however it dies, the servers go down with it.
    """

    def __init__(self, data_dir: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.data_dir = data_dir
        self.environ = environ
        self.environment: dict[str, str] = {}
        self.services: list[Service] = []
        self._undo = ExitStack()

    def start(self) -> None:
        """Start what is not given from outside; EmbeddedError with the way out when that fails."""
        with ExitStack() as undo:
            self._start(undo)
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Stop what was started, the last first. The data stays."""
        self._undo.close()
        self.services.clear()

    def _start(self, undo: ExitStack) -> None:
        self.environment = given_addresses(self.environ)
        self.data_dir = open_data_directory(self.data_dir)
        if {"DATABASE_URL", "REDIS_URL"} <= self.environment.keys():
            return
        account = server_account()
        programs = None if "DATABASE_URL" in self.environment else find_programs(self.environ, account)
        state = state_directory(self.data_dir, account)
        undo.enter_context(held(state))
        sockets = socket_directory(state, account)
        undo.callback(shutil.rmtree, sockets, ignore_errors=True)
        logs = self.data_dir / "log"
        if programs:
            self._run(postgres_service(programs, state, sockets, logs / "postgres.log", account), undo)
            ensure_roles_and_database(programs, sockets)
            self.environment["DATABASE_URL"] = database_url(APPLICATION_ROLE, sockets)
            self.environment["DATABASE_OWNER_URL"] = database_url(OWNER_ROLE, sockets)
        if "REDIS_URL" not in self.environment:
            self._run(valkey_service(find_server(account), state, sockets, logs / "valkey.log", account), undo)
            self.environment["REDIS_URL"] = redis_url(sockets)

    def _run(self, service: Service, undo: ExitStack) -> None:
        undo.callback(service.stop)
        service.start()
        self.services.append(service)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def given_addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """The addresses of servers that somebody else runs; EmbeddedError for a database without its owner's address."""
    names = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
    given = {name: environ[name] for name in names if environ.get(name)}
    if "DATABASE_URL" in given and "DATABASE_OWNER_URL" not in given:
        raise EmbeddedError(NO_OWNER_URL)
    if "DATABASE_URL" not in given:
        given.pop("DATABASE_OWNER_URL", None)
    return given


@contextmanager
def temporary_servers(environ: Mapping[str, str] = os.environ) -> Iterator[Servers]:
    """Servers on a fresh data directory that is deleted afterwards, for tests and benchmarks."""
    data_dir = Path(tempfile.mkdtemp(prefix="studyplatform-"))
    if os.geteuid() == 0:
        data_dir.chmod(0o711)  # ours and new: the servers' account has to pass through to its folder
    try:
        with Servers(data_dir, environ) as servers:
            yield servers
    finally:
        remove_state(data_dir)
