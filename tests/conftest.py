"""Fixtures for everybody: a database of one's own, as the application's role."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from rest_framework.test import APIClient

from tests.running import running_platform
from tests.servers import clone

SCOPES = ("read", "estimates:read", "export", "participants:write")


@pytest.fixture(scope="session")
def database_name(worker_id: str) -> str:
    """The name of this process's database."""
    return f"test_{worker_id}"


@pytest.fixture(scope="session")
def django_db_setup(database_name: str, django_db_blocker: Any) -> Iterator[None]:
    """Connect to a fresh copy of the migrated template in place of pytest-django's own creation (which needs DDL)."""
    clone(database_name)
    connections["default"].settings_dict["NAME"] = database_name
    connections.settings["default"]["NAME"] = database_name
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture
def committed(django_db_setup: None, database_name: str, django_db_blocker: Any) -> Iterator[str]:
    """A database in which transactions really commit, for concurrency and for servers; made anew afterwards.

    Gives the application's address of it. pytest-django's `transactional_db` would truncate, which the application's
    role may not.
    """
    connections.close_all()
    address = clone(database_name)
    with django_db_blocker.unblock():
        yield address
        connections.close_all()
    clone(database_name)


@pytest.fixture
def platform(committed: str, tmp_path: Path, worker_id: str) -> Iterator[str]:
    """The address of the whole platform, running on a database in which transactions commit."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    with running_platform(
        committed, tmp_path, first_port=8200 + 20 * number, queue=f"{worker_id}-{tmp_path.name}"
    ) as base_url:
        yield base_url


@pytest.fixture
def signed_in() -> Callable[[Any], Client]:
    """Return the browser of a signed-in person."""

    def sign_in(actor: Any) -> Client:
        client = Client()
        client.force_login(actor.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture
def with_token() -> Callable[[Any], APIClient]:
    """Return an API client with a personal token of every scope."""

    def authorize(actor: Any, scopes=SCOPES) -> APIClient:
        from tests.making import PLATFORM
        from trials.services.credentials import create_personal_token

        _, token = create_personal_token(user=actor.user, name="test", scopes=scopes, by=PLATFORM)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return authorize
