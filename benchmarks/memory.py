"""What a web process holds in memory once it serves."""

import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.figures import Figure

MEBIBYTE = 1024
FIRST_PORT = 18000
PAGES = ("/healthz", "/api/v1/trials/", "/")


def measure(data_dir: Path, is_quick: bool) -> list[Figure]:
    """Start the web server as the supervisor does, ask for a few pages, and read the largest of its processes."""
    del is_quick
    from studyplatform.up import free_port, processes

    port = free_port(FIRST_PORT)
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {"STUDYPLATFORM_BASE_URL": address, "PORT": str(port)}
    web = processes(environment, data_dir, port)[0]
    web.start()
    try:
        for _ in range(4):  # so that each of the workers has served
            for page in PAGES:
                _ask(address + page)
        assert web.process is not None
        held = max(_resident_megabytes(process) for process in _family(web.process.pid))
    finally:
        web.stop()
    return [Figure("memory of a web process after start", held, "MB", 150, candidate="resident set of a worker")]


def _ask(address: str) -> None:
    """Wait for any answer of the server, a refusal too."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while True:
        try:
            direct.open(address, timeout=10).close()
        except urllib.error.HTTPError as refusal:
            refusal.close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        return


def _family(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(member for child in children for member in _family(int(child)))]


def _resident_megabytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / MEBIBYTE
