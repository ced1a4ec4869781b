"""Bearer tokens: a laboratory's credential (`lab_live_`, `lab_test_`) or a person's (`pat_`)."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from trials.access import Actor, is_current
from trials.models import LaboratoryCredential, PersonalToken, User
from trials.tokens import PERSONAL, digest

# Last use is shown to the minute; writing it at every request would cost a commit.
LAST_USE_GRAIN = timedelta(minutes=1)


class LaboratoryCaller(AnonymousUser):
    """Who `request.user` is when a laboratory calls: nobody's account, and known all the same."""

    @property
    def is_authenticated(self) -> bool:  # type: ignore[override]
        """Return True: the credential was checked."""
        return True


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; sets `request.actor`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return (user, token), None without the header, or raise with one text for every wrong token."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        held = _find(token.strip())
        if held is None or not is_current(held.expires_at, held.revoked_at):
            raise AuthenticationFailed(
                "This token is unknown, expired or revoked. Ask for a new one.", code="token_unknown"
            )
        _note_use(held)
        user: User | LaboratoryCaller
        if isinstance(held, PersonalToken):
            actor, user = Actor(user=held.user, scopes=frozenset(held.scopes), remembered={}), held.user
            if not held.user.is_active:
                raise AuthenticationFailed(
                    "This token is unknown, expired or revoked. Ask for a new one.", code="token_unknown"
                )
        else:
            actor, user = Actor(credential=held), LaboratoryCaller()
        request._request.actor = actor  # type: ignore[attr-defined]
        return user, held

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return 'Bearer realm="study platform"'


def _find(token: str) -> PersonalToken | LaboratoryCredential | None:
    sha256 = digest(token)
    if token.startswith(PERSONAL):
        return PersonalToken.objects.select_related("user").filter(sha256=sha256).first()
    return LaboratoryCredential.objects.select_related("laboratory").filter(sha256=sha256).first()


def _note_use(held: PersonalToken | LaboratoryCredential) -> None:
    now = timezone.now()
    if held.last_used_at is None or now - held.last_used_at > LAST_USE_GRAIN:
        type(held).objects.filter(pk=held.pk).update(last_used_at=now)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes these tokens."""

    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "description": "A laboratory's credential or a personal token."}
