"""Everywhere but in local mode, nobody works without a second factor."""

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from trials.models import User

OPEN_PATHS = ("/accounts/", "/static/", "/healthz", "/readyz", "/version")
REMEMBERED = "has_second_factor"


class SecondFactorMiddleware:
    """Sends people without a second factor to the page on which they set one up.

    Requests with a bearer token are nobody's session and pass: their authentication comes later.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, or lead to the set-up."""
        if settings.LOCAL or request.path.startswith(OPEN_PATHS) or not isinstance(request.user, User):
            return self._get_response(request)
        if not request.session.get(REMEMBERED):
            if not Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists():
                messages.info(request, _("Set up a second factor first: this platform holds study data."))
                return redirect("mfa_activate_totp")
            request.session[REMEMBERED] = True
        return self._get_response(request)
