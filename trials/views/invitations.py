"""Invitations: taking one up, sending again, withdrawing, and inviting to the platform."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from trials.access import actor_of
from trials.forms.fields import accepted
from trials.forms.people import AcceptanceForm, InvitationForm
from trials.models import Invitation, Trial, User
from trials.selectors.people import has_account, held_invitation, invitation_of, open_invitations
from trials.selectors.trials import visible_trial
from trials.services.invitations import (
    accept_invitation,
    invite_person,
    may_still_invite,
    resend_invitation,
    revoke_invitation,
    take_up_invitation,
    unusable,
)

HELD_TOKEN = "invitation"  # noqa: S105 - a place, no token
"""Where the session keeps the token of the link that was followed."""


def link_of(request: HttpRequest) -> Callable[[str], str]:
    """Return what makes the full address at which a token is taken up."""
    return lambda token: request.build_absolute_uri(reverse("invitation", kwargs={"token": token}))


@login_not_required
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Move the token out of the address, whatever it is worth: refused addresses are logged, and a token lets in.

    Every method is led on, since an answer that this one is not possible would be logged with the address.
    """
    request.session[HELD_TOKEN] = token
    return redirect("invitation-accept")


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def invitation_accept(request: HttpRequest) -> HttpResponse:
    """Take an invitation up: with a new account, or with the one that the address has come by since."""
    token = request.session.get(HELD_TOKEN, "")
    found = invitation_of(token)
    if found is None or not may_still_invite(found):
        return render(request, "trials/invitation_over.html", {"sentence": unusable().sentence}, status=404)
    if has_account(found.email):
        return _with_account(request, found, token)
    form = AcceptanceForm(found.email, request.POST or None, initial={"name": found.name})
    if form.is_valid() and accepted(form, lambda: accept_invitation(token=token, **form.cleaned_data)):
        del request.session[HELD_TOKEN]
        messages.success(request, _("Your account is ready. Sign in with %(email)s.") % {"email": found.email})
        return redirect("account_login")
    status = 422 if request.method == "POST" else 200
    return render(request, "trials/invitation.html", {"invitation": found, "form": form}, status=status)


def _with_account(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    """Let the addressee, once signed in, take the role."""
    is_addressee = isinstance(request.user, User) and request.user.email == found.email
    if request.method == "POST" and is_addressee:
        taken = take_up_invitation(token=token, by=actor_of(request))
        del request.session[HELD_TOKEN]
        messages.success(request, _("You have the role now."))
        return redirect("people", slug=taken.trial.slug) if taken.trial else redirect("home")
    return render(request, "trials/invitation_take_up.html", {"invitation": found, "is_addressee": is_addressee})


@never_cache
@require_POST
def invitation_resend(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Send an invitation to a trial again."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    return _resent(request, held_invitation(number, by, trial), trial)


@require_POST
def invitation_revoke(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Withdraw an invitation to a trial."""
    by = actor_of(request)
    held = held_invitation(number, by, visible_trial(slug, by))
    return _revoked(request, held, redirect("people", slug=slug))


@never_cache
@require_http_methods(["GET", "POST"])
def invitations(request: HttpRequest) -> HttpResponse:
    """Who is invited to the platform; posting invites. For administrators."""
    by = actor_of(request)
    waiting = open_invitations(None, by)
    form = InvitationForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid() and accepted(
        form, lambda: context.update(link=invite_person(by=by, link=link_of(request), **form.cleaned_data))
    ):
        if settings.MAIL_SERVER_BACKEND:
            messages.success(request, _("The invitation to %(email)s is on its way.") % form.cleaned_data)
            return redirect("invitations")
        context |= {"invited": form.cleaned_data["email"], "form": InvitationForm()}
    status = 201 if "invited" in context else 422 if request.method == "POST" else 200
    return render(request, "trials/invitations.html", context | {"invitations": waiting.all()}, status=status)


@never_cache
@require_POST
def platform_invitation_resend(request: HttpRequest, number: int) -> HttpResponse:
    """Send an invitation to the platform again."""
    return _resent(request, held_invitation(number, actor_of(request), None), None)


@require_POST
def platform_invitation_revoke(request: HttpRequest, number: int) -> HttpResponse:
    """Withdraw an invitation to the platform."""
    return _revoked(request, held_invitation(number, actor_of(request), None), redirect("invitations"))


def _resent(request: HttpRequest, held: Invitation, trial: Trial | None) -> HttpResponse:
    """Send again; without a mail server show the new link this once."""
    link = resend_invitation(invitation=held, by=actor_of(request), link=link_of(request))
    if settings.MAIL_SERVER_BACKEND:
        messages.success(request, _("The invitation to %(email)s is on its way again.") % {"email": held.email})
        return redirect("people", slug=trial.slug) if trial else redirect("invitations")
    return render(request, "trials/invitation_link.html", {"trial": trial, "invited": held.email, "link": link})


def _revoked(request: HttpRequest, held: Invitation, answer: HttpResponse) -> HttpResponse:
    revoke_invitation(invitation=held, by=actor_of(request))
    messages.success(request, _("The invitation to %(email)s is withdrawn.") % {"email": held.email})
    return answer
