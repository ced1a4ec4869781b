"""A platform of one's own: fresh servers, a migrated database, Django set up in this process."""

import os
import secrets
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from studyplatform.embedded import temporary_servers

CHECKOUT = Path(__file__).resolve().parent.parent
GIVEN_SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")


@contextmanager
def own_platform() -> Iterator[Path]:
    """Give the data directory of a migrated platform that this process is connected to as the application's role.

    Servers that the environment names are left alone: nothing here may write to a database that somebody uses. Only
    one platform per process, as Django is set up once.
    """
    environ = {name: value for name, value in os.environ.items() if name not in GIVEN_SERVERS}
    with temporary_servers(environ) as servers:
        os.environ.update(
            servers.environment,
            DJANGO_SETTINGS_MODULE="studyplatform.settings",
            DJANGO_SECRET_KEY=secrets.token_urlsafe(50),
            STUDYPLATFORM_ALLOCATION_KEY=b64encode(secrets.token_bytes(32)).decode(),
            STUDYPLATFORM_DATA_DIR=str(servers.data_dir),
            STUDYPLATFORM_LOCAL="1",
            # What is measured is the platform, not how soon one token is asked to wait.
            STUDYPLATFORM_REQUESTS_A_MINUTE="0",
            STUDYPLATFORM_ROWS_AN_HOUR="0",
            # A connection lasts as long as the run, so that its backend's CPU can be told.
            STUDYPLATFORM_CONN_MAX_AGE="86400",
        )
        (servers.data_dir / "static").mkdir(exist_ok=True)  # the web server warns where it is missing
        _migrate()
        import django

        django.setup()
        try:
            yield servers.data_dir
        finally:
            from django.db import connections

            connections.close_all()


def analyze() -> None:
    """Bring the planner's statistics up to date, as autovacuum has done in a database that has been in service."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


def _migrate() -> None:
    environment = os.environ | {"DATABASE_URL": os.environ["DATABASE_OWNER_URL"]}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True)
