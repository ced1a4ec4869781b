"""The whole platform as processes, on a test's own database: web server, dispatcher, Celery worker."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studyplatform.up import answers, free_port, processes

READY_SECONDS = 40


@contextmanager
def running_platform(database_url: str, data_dir: Path, *, first_port: int, queue: str) -> Iterator[str]:
    """Start the platform's processes and give their address; `queue` is the one that no other test shares."""
    port = free_port(first_port)
    base_url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "STUDYPLATFORM_QUEUE": queue,
        "STUDYPLATFORM_DATA_DIR": str(data_dir),
        "STUDYPLATFORM_BASE_URL": base_url,
        "PORT": str(port),
    }
    (data_dir / "log").mkdir(exist_ok=True)
    services = processes(environment, data_dir, port)
    try:
        for service in services:
            service.start()
        deadline = time.monotonic() + READY_SECONDS
        while not answers(f"{base_url}/readyz"):
            if time.monotonic() > deadline or not services[0].alive:
                raise RuntimeError(services[0].failure("did not become ready"))
            time.sleep(0.1)
        yield base_url
    finally:
        for service in services:
            service.stop()
