"""The demonstration's people: one account per role, with passwords and tokens made for this installation."""

import secrets
from collections.abc import Mapping

from trials.access import Actor
from trials.models import Site, Trial, User
from trials.permissions import Role
from trials.services.people import create_account, create_personal_token, grant_role

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


def make_people() -> tuple[dict[str, User], dict[str, dict[str, str | None]]]:
    """Open one account per role and the administrator's; return them, and what `demo.json` says of each."""
    users: dict[str, User] = {}
    shown: dict[str, dict[str, str | None]] = {}
    for role, name in {**{str(role): name for role, name in NAMES.items()}, ADMINISTRATOR: "Ada Novak"}.items():
        email, password = f"{role}@example.org", secrets.token_urlsafe(15)
        users[role] = create_account(
            email=email, name=name, password=password, by=PLATFORM, is_administrator=role == ADMINISTRATOR
        )
        shown[role] = {"email": email, "password": password, "totp_secret": None}
    return users, shown


def join(trial: Trial, users: Mapping[str, User], *, coordinator_at: Site | None = None) -> None:
    """Give everybody their role in a trial; the coordinator at one site only, where one is named."""
    for role in NAMES:
        site = coordinator_at if role == Role.COORDINATOR else None
        grant_role(trial=trial, user=users[str(role)], role=role, by=PLATFORM, site=site)


def make_personal_tokens(users: Mapping[str, User]) -> dict[str, str]:
    """Make the tokens of the demonstration's statisticians and staff."""
    return {
        name: create_personal_token(user=users[str(role)], name="Demonstration", scopes=scopes, by=PLATFORM)[1]
        for name, (role, scopes) in PERSONAL_TOKENS.items()
    }
