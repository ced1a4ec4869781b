"""Loaded before everything else (`-p tests.servers`): real servers, and one migrated template database to clone.

PostgreSQL and the Redis-compatible server are started once per test run, by its first process; the processes of
pytest-xdist find their addresses in the environment. Tests connect as the application's role, never as the owner.
"""

import atexit
import os
import secrets
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit

import psycopg

TEMPLATE = "studyplatform_template"
PATIENCE_SECONDS = 20


def database_url(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def clone(name: str) -> str:
    """Make the database `name` anew as a copy of the migrated template; return the application's address of it."""
    with psycopg.connect(os.environ["STUDYPLATFORM_TEST_OWNER_URL"], autocommit=True) as owner:
        _when_nobody_uses_it(owner, f'DROP DATABASE IF EXISTS "{name}"')
        _when_nobody_uses_it(owner, f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
    return database_url(os.environ["STUDYPLATFORM_TEST_APPLICATION_URL"], name)


def _when_nobody_uses_it(owner: psycopg.Connection, statement: str) -> None:
    """Wait for backends whose clients have just gone, and for autovacuum, which the owner may not end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            owner.execute(statement)
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _start() -> None:
    from studyplatform.embedded import temporary_servers

    stack = ExitStack()
    atexit.register(stack.close)
    servers = stack.enter_context(temporary_servers())
    addresses = servers.environment
    os.environ.update(
        STUDYPLATFORM_LOCAL="1",
        DJANGO_SECRET_KEY=secrets.token_urlsafe(50),
        STUDYPLATFORM_ALLOCATION_KEY=b64encode(secrets.token_bytes(32)).decode(),
        STUDYPLATFORM_IDENTIFIER_KEY=b64encode(secrets.token_bytes(32)).decode(),
        STUDYPLATFORM_DATA_DIR=stack.enter_context(tempfile.TemporaryDirectory()),
        STUDYPLATFORM_TEST_OWNER_URL=addresses["DATABASE_OWNER_URL"],
        STUDYPLATFORM_TEST_APPLICATION_URL=addresses["DATABASE_URL"],
        REDIS_URL=addresses["REDIS_URL"],
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )
    with psycopg.connect(addresses["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        owner.execute(f"CREATE DATABASE {TEMPLATE}")
    os.environ["DATABASE_URL"] = database_url(addresses["DATABASE_URL"], TEMPLATE)
    migrated = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        env=os.environ | {"DATABASE_URL": database_url(addresses["DATABASE_OWNER_URL"], TEMPLATE)},
        check=False,
    )
    if migrated.returncode:
        sys.exit("the test database could not be migrated; see above")


if "STUDYPLATFORM_TEST_OWNER_URL" not in os.environ:
    _start()
