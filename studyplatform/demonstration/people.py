"""The demonstration's people: one account per role, with passwords and tokens made for this installation."""

import base64
import hmac
from collections.abc import Mapping

from django.conf import settings

from trials.access import Actor
from trials.models import Site, Trial, User
from trials.permissions import Role
from trials.services.credentials import create_personal_token
from trials.services.people import create_account, grant_role

PLATFORM = Actor(process="demonstration")
ADMINISTRATOR = "administrator"
NAMES = {
    Role.PRINCIPAL_INVESTIGATOR: "Paula Prior",
    Role.COORDINATOR: "Casey Cole",
    Role.DATA_MANAGER: "Dana Mensah",
    Role.MONITOR: "Mona Lindqvist",
    Role.UNBLINDED_STATISTICIAN: "Una Okafor",
    Role.BLINDED_STATISTICIAN: "Blake Sato",
    Role.MONITORING_BOARD: "Morgan Baptiste",
    Role.LAB_MANAGER: "Lena Maes",
    Role.EXPORT_STAFF: "Esra Demir",
}
# What the tokens of `.data/demo.json` may do.
PERSONAL_TOKENS = {
    "statistician": (Role.UNBLINDED_STATISTICIAN, ("read", "estimates:read", "export")),
    "blinded_statistician": (Role.BLINDED_STATISTICIAN, ("read", "estimates:read", "export")),
    "staff": (Role.EXPORT_STAFF, ("read", "export")),
}


def make_people() -> dict[str, User]:
    """Open one account per role and the administrator's; return them by role code."""
    names = {str(role): name for role, name in NAMES.items()} | {ADMINISTRATOR: "Ada Novak"}
    return {
        role: create_account(
            email=email_of(role),
            name=name,
            password=password_of(role),
            by=PLATFORM,
            is_administrator=role == ADMINISTRATOR,
        )
        for role, name in names.items()
    }


def email_of(role: str) -> str:
    """Return the address that the demonstration's person of this role signs in with."""
    return f"{role}@example.org"


def password_of(role: str) -> str:
    """Return the password of this role's person: made from the installation's key, so that each has its own."""
    made = hmac.digest(settings.SECRET_KEY.encode(), f"demonstration {role}".encode(), "sha256")
    return base64.urlsafe_b64encode(made)[:20].decode()


def sign_ins() -> dict[str, dict[str, str | None]]:
    """Return what `demo.json` says of each person."""
    roles = (*map(str, NAMES), ADMINISTRATOR)
    return {role: {"email": email_of(role), "password": password_of(role), "totp_secret": None} for role in roles}


def join(trial: Trial, users: Mapping[str, User], *, coordinator_at: Site | None = None) -> None:
    """Give everybody their role in a trial; the coordinator at one site only, where one is named."""
    for role in NAMES:
        site = coordinator_at if role == Role.COORDINATOR else None
        grant_role(trial=trial, user=users[str(role)], role=role, by=PLATFORM, site=site)


def make_personal_tokens() -> dict[str, str]:
    """Make the tokens of the demonstration's statisticians and staff."""
    users = {user.email: user for user in User.objects.all()}
    return {
        name: create_personal_token(user=users[email_of(role)], name="Demonstration", scopes=scopes, by=PLATFORM)[1]
        for name, (role, scopes) in PERSONAL_TOKENS.items()
    }
