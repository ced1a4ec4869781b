"""What the tests of this app's pages and API share."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.making import PLATFORM
from trials.access import Actor
from trials.services.people import create_personal_token

SCOPES = ("read", "estimates:read", "export", "participants:write")


@pytest.fixture
def signed_in() -> Callable[[Actor], Client]:
    """Return the browser of a signed-in person."""

    def sign_in(actor: Actor) -> Client:
        client = Client()
        client.force_login(actor.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture
def with_token() -> Callable[[Actor], APIClient]:
    """Return an API client with a personal token of every scope."""

    def authorize(actor: Actor, scopes=SCOPES) -> APIClient:
        _, token = create_personal_token(user=actor.user, name="test", scopes=scopes, by=PLATFORM)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return authorize
