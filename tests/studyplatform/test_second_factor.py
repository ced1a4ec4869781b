"""Without a second factor there is no work, except on one's own machine."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from tests.making import make_member, make_trial

pytestmark = pytest.mark.django_db
PAGE = "/trials/t/people/"


@pytest.fixture
def member(client: Client) -> Client:
    client.force_login(make_member(make_trial(), "monitor").user)
    return client


def test_locally_it_is_offered_only(member: Client, settings: Any) -> None:
    settings.LOCAL = True
    assert member.get(PAGE).status_code == 200


def test_elsewhere_it_is_asked_for_until_it_is_there(member: Client, settings: Any) -> None:
    settings.LOCAL = False
    answer = member.get(PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/2fa/totp/activate/")
    assert member.get("/api/v1/trials/").status_code == 302
    Authenticator.objects.create(user_id=member.session["_auth_user_id"], type=Authenticator.Type.TOTP, data={})
    assert member.get(PAGE).status_code == 200


def test_tokens_and_the_signed_out_are_not_led_there(client: Client, settings: Any) -> None:
    settings.LOCAL = False
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/v1/trials/").status_code == 401
