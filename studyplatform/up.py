"""`python -m studyplatform.up`: the whole platform on this machine, from the databases to the pages, until Ctrl-C.

PostgreSQL and Valkey (unless DATABASE_URL or REDIS_URL name others), migrations, web server, dispatcher and Celery
worker; on the first start the demonstration trials (STUDYPLATFORM_DEMO=0 leaves them out). PORT and
STUDYPLATFORM_DATA_DIR are honoured.
"""

import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from studyplatform.embedded import EmbeddedError, Servers, Service
from studyplatform.installation import installation_keys
from studyplatform.supervisor import Supervisor

CHECKOUT = Path(__file__).resolve().parent.parent
# Only this machine can reach it: the local mode switches TLS off.
HOST = "127.0.0.1"
PORTS_TRIED = 100
ROUND_SECONDS = 0.2
READY_SECONDS = 90
MIGRATE_FIX = "The database is as it was before the failing migration; a start is safe to repeat."
PROCESS_FIX = "Correct what its last lines name, then start again; the data is kept."


@dataclass
class Platform:
    """What is running: its address, its data directory, the environment of its processes, and who watches them."""

    base_url: str
    data_dir: Path
    environment: dict[str, str]
    supervisor: Supervisor

    @property
    def demo_file(self) -> Path:
        """The demonstration's sign-ins and tokens, written by `manage.py load_demo` when it is done."""
        return self.data_dir / "demo.json"


def main() -> int:
    """Run until SIGINT or SIGTERM; 0 after a clean stop, 1 with the reason and its fix on standard error."""
    stop_signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # with nohup the platform outlives its terminal
        stop_signals.append(signal.SIGHUP)
    for number in stop_signals:
        signal.signal(number, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        print("Stopped. The data is kept.")
    except EmbeddedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def run() -> None:
    """Start everything in order, tell the person in front, and keep it running."""
    port = free_port(int(os.environ.get("PORT") or "8000"))
    servers = Servers(Path(os.environ.get("STUDYPLATFORM_DATA_DIR") or CHECKOUT / ".data"))
    try:
        servers.start()
        environment = process_environment(servers, port)
        platform = Platform(f"http://{HOST}:{port}", servers.data_dir, environment, Supervisor(print))
        platform.supervisor.adopt(servers.services)
        manage(
            platform, "migrate", "--no-input", database_url=servers.environment["DATABASE_OWNER_URL"], fix=MIGRATE_FIX
        )
        services = processes(environment, servers.data_dir, port)
        try:
            start_and_introduce(platform, services)
            while True:
                platform.supervisor.watch()
                time.sleep(ROUND_SECONDS)
        finally:
            ignore_further_signals()
            platform.supervisor.stop(services)
    finally:
        ignore_further_signals()
        servers.stop()


def ignore_further_signals() -> None:
    """Let the orderly stop finish: a second Ctrl-C would leave it half done."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def start_and_introduce(platform: Platform, services: list[Service]) -> None:
    """Start the platform's processes, load the demonstration where it is due, and print what a newcomer needs."""
    web, *others = services
    platform.supervisor.start(web)
    wait_until_ready(platform, web)  # alone: on a small machine the others would delay the first page by seconds
    for service in others:
        platform.supervisor.start(service)
    print(f"The study platform is ready at {platform.base_url}/")
    if not platform.demo_file.exists() and os.environ.get("STUDYPLATFORM_DEMO") != "0":
        print("Loading the demonstration trials (first start only) ...", flush=True)
        fix = "Start with STUDYPLATFORM_DEMO=0 to go without the demonstration trials."
        manage(platform, "load_demo", fix=fix)
    if platform.demo_file.exists():
        print(sign_ins(json.loads(platform.demo_file.read_text())))
        print(manage(platform, "print_estimates", "opt", fix="The pages are not affected; restart to try again."))
    print(f"{platform.base_url}/ is up; logs are in {platform.data_dir / 'log'}. Ctrl-C stops everything.", flush=True)


def free_port(wanted: int) -> int:
    """`wanted`, or the next port on this machine that nobody uses (and a sentence saying so)."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port != wanted:
            print(f"Port {wanted} is in use; taking {port}.", flush=True)
        return port
    raise EmbeddedError(f"No port from {wanted} to {wanted + PORTS_TRIED - 1} is free. Set PORT to another number.")


def process_environment(servers: Servers, port: int) -> dict[str, str]:
    """The environment of the platform's processes: keys, the caller's environment, addresses, local mode.

    The owner's address is left out: nothing that serves needs the owner's rights, and only `migrate` is handed it.
    """
    made = {
        **servers.environment,
        "STUDYPLATFORM_APPLICATION_ROLE": urlsplit(servers.environment["DATABASE_URL"]).username or "",
        "STUDYPLATFORM_LOCAL": "1",
        "STUDYPLATFORM_BIND": HOST,
        "STUDYPLATFORM_BASE_URL": f"http://{HOST}:{port}",
        "STUDYPLATFORM_DATA_DIR": str(servers.data_dir),
        "DJANGO_SETTINGS_MODULE": "studyplatform.settings",
        "PYTHONUNBUFFERED": "1",
        "PORT": str(port),
    }
    environment = {**installation_keys(servers.data_dir), **os.environ, **made}
    del environment["DATABASE_OWNER_URL"]
    return environment


def processes(environment: Mapping[str, str], data_dir: Path, port: int) -> list[Service]:
    """The platform's own processes in the order in which they start and stop: web, dispatcher, worker."""
    python = sys.executable
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    bind = ["--interface", "wsgi", "--host", HOST, "--port", str(port)]
    bind.append("--no-access-log")  # addresses of links in messages let their reader in
    children = ["--workers", "2", "--blocking-threads", "4", "--respawn-failed-workers", "--respawn-interval", "0.2"]
    web = [python, "-m", "granian", *bind, *children, "--workers-kill-timeout", "10", "studyplatform.wsgi:application"]
    celery = [python, "-m", "celery", "-A", "studyplatform.celery", "worker"]
    commands: list[tuple[str, list[str], dict[str, str]]] = [
        ("web", web, {}),
        ("dispatcher", [python, "manage.py", "dispatch"], one_thread),
        ("worker", [*celery, "-c", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle"], one_thread),
    ]
    return [
        Service(name, argv, data_dir / "log" / f"{name}.log", {**environment, **extra}, CHECKOUT, fix=PROCESS_FIX)
        for name, argv, extra in commands
    ]


def wait_until_ready(platform: Platform, web: Service) -> None:
    """Watch until `/readyz` answers 200; EmbeddedError with the web server's log when it dies or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not answers(f"{platform.base_url}/readyz"):
        if not web.alive or time.monotonic() > deadline:
            raise EmbeddedError(web.failure("did not become ready"))
        platform.supervisor.watch()
        time.sleep(ROUND_SECONDS / 4)


def answers(address: str) -> bool:
    """Whether the address answers 200."""
    # Without the proxy that the environment may name: this is our own machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def manage(platform: Platform, *command: str, fix: str, database_url: str | None = None) -> str:
    """Run one management command while the watch goes on; what it printed, or EmbeddedError with its last lines."""
    environment = platform.environment | ({"DATABASE_URL": database_url} if database_url else {})
    log = platform.data_dir / "log" / f"{command[0]}.log"
    log.unlink(missing_ok=True)
    service = Service(command[0], [sys.executable, "manage.py", *command], log, environment, CHECKOUT, fix=fix)
    try:
        service.start()
        while service.alive:
            platform.supervisor.watch()
            time.sleep(ROUND_SECONDS / 4)
        if service.exit_code:
            raise EmbeddedError(service.failure(f"failed with exit code {service.exit_code}"))
    finally:
        service.stop()
    return log.read_text()


def sign_ins(demo: dict[str, dict[str, dict[str, str | None]]]) -> str:
    """The demonstration's sign-ins as a table, one line per role."""
    lines = [f"  {role:<24} {user['email']:<36} {user['password']}" for role, user in demo["users"].items()]
    return "\n".join(["Sign in as (role, e-mail, password):", *lines])


if __name__ == "__main__":
    sys.exit(main())
