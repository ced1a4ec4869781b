"""The navigation leads every role to pages that it may open, and to all of those."""

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.making import make_member, make_trial
from trials.permissions import ROLE_PERMISSIONS, Permission, Role
from trials.templatetags.interface import DESTINATIONS


def address(name: str) -> str:
    try:
        return reverse(name, kwargs={"slug": "t"})
    except NoReverseMatch:
        return ""


@pytest.mark.django_db
@pytest.mark.parametrize("is_open_label", [True, False])
@pytest.mark.parametrize("role", list(Role))
def test_what_is_shown_can_be_opened_and_what_can_be_opened_is_shown(role: str, is_open_label: bool) -> None:
    # The page of exports opens for everybody and tells those who may not export so: nobody need be led there.
    trial, client = make_trial(is_open_label=is_open_label), Client()
    client.force_login(make_member(trial, role).user, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get(address("trial-overview")).content.decode()
    wrong = {
        destination.name: client.get(address(destination.name)).status_code
        for destination in DESTINATIONS
        if address(destination.name)
        and (f'href="{address(destination.name)}"' in page.split("<main")[0])
        != (client.get(address(destination.name)).status_code == 200)
    }
    assert set(wrong) <= ({"exports"} if Permission.EXPORT not in ROLE_PERMISSIONS[role] else set())
