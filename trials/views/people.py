"""People and rights, laboratories and their credentials, and a person's own tokens."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from trials.access import actor_of, has_permission, require
from trials.forms.fields import accepted
from trials.forms.people import CredentialForm, LaboratoryForm, MemberForm, TokenForm
from trials.models import Trial
from trials.permissions import LABORATORY_SCOPES, PERSONAL_SCOPES, Permission
from trials.selectors.people import credential_of, held_role, laboratories_of, members_of, own_token, tokens_of
from trials.selectors.trials import visible_trial
from trials.services.people import (
    add_laboratory,
    create_laboratory_credential,
    create_personal_token,
    end_role,
    grant_role,
    revoke_laboratory_credential,
    revoke_personal_token,
)


@require_http_methods(["GET", "POST"])
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """The members with their roles; posting gives a role."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    if request.method == "POST":
        require(by, Permission.PEOPLE_MANAGE, trial)
    form = MemberForm(trial, request.POST or None)
    given = form.cleaned_data if form.is_valid() else None
    if given and accepted(
        form, lambda: grant_role(trial=trial, user=given["email"], role=given["role"], site=given["site"], by=by)
    ):
        messages.success(request, _("%(person)s has the role now.") % {"person": given["email"]})
        return redirect("people", slug=slug)
    context = {
        "trial": trial,
        "members": members_of(trial, by),
        "form": form,
        "may_manage": has_permission(by, Permission.PEOPLE_MANAGE, trial),
        "may_manage_laboratories": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "trials/people.html", context, status=_status(request))


@require_POST
def role_end(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """End a role at once."""
    by = actor_of(request)
    held = held_role(number, by, visible_trial(slug, by))
    end_role(membership=held, by=by)
    messages.success(
        request, _("%(person)s is no longer %(role)s.") % {"person": held.user, "role": held.get_role_display().lower()}
    )
    return redirect("people", slug=slug)


@never_cache
@require_http_methods(["GET", "POST"])
def laboratories(request: HttpRequest, slug: str) -> HttpResponse:
    """The laboratories that deliver, with their credentials; posting adds a laboratory or makes a credential."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    known = laboratories_of(trial, by)
    chosen = request.POST.get("step", "")
    laboratory = LaboratoryForm(request.POST if chosen == "laboratory" else None)
    credential = CredentialForm(
        known.filter(trial=None), LABORATORY_SCOPES, request.POST if chosen == "credential" else None
    )
    context: dict[str, Any] = {"trial": trial, "laboratory_form": laboratory, "credential_form": credential}
    if laboratory.is_valid() and accepted(
        laboratory, lambda: add_laboratory(trial=trial, by=by, **laboratory.cleaned_data)
    ):
        messages.success(request, _("%(name)s can deliver now; make a credential for it.") % laboratory.cleaned_data)
        return redirect("laboratories", slug=slug)
    status = _status(request)
    if credential.is_valid() and accepted(
        credential, lambda: context.update(made=_make_credential(trial, credential, by))
    ):
        context["credential_form"] = CredentialForm(known.filter(trial=None), LABORATORY_SCOPES)
        status = 201
    context["laboratories"] = known.all()
    return render(request, "trials/laboratories.html", context, status=status)


def _make_credential(trial: Trial, form: CredentialForm, by: Any) -> tuple[Any, str]:
    given = form.cleaned_data
    return create_laboratory_credential(
        laboratory=given["laboratory"],
        trials=[trial],
        name=given["name"],
        scopes=given["scopes"],
        is_sandbox=given["is_sandbox"],
        expires_at=form.expires_at,
        by=by,
    )


@require_POST
def credential_revoke(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """End a credential at once."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    credential = credential_of(number, by, trial)
    revoke_laboratory_credential(credential=credential, trial=trial, by=by)
    messages.success(request, _("%(name)s is revoked.") % {"name": credential.name})
    return redirect("laboratories", slug=slug)


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """A person's own tokens; posting makes one and shows it this once."""
    by = actor_of(request)
    form = TokenForm(PERSONAL_SCOPES, request.POST or None)
    context: dict[str, Any] = {"form": form}
    status = _status(request)

    def make() -> None:
        given = form.cleaned_data
        assert by.user is not None, "pages are for people"  # noqa: S101 - tells the type checker
        context["made"] = create_personal_token(
            user=by.user, name=given["name"], scopes=given["scopes"], expires_at=form.expires_at, by=by
        )

    if form.is_valid() and accepted(form, make):
        context["form"], status = TokenForm(PERSONAL_SCOPES), 201
    context["tokens"] = tokens_of(by)
    return render(request, "trials/tokens.html", context, status=status)


@require_POST
def token_revoke(request: HttpRequest, number: int) -> HttpResponse:
    """End one's own token at once."""
    by = actor_of(request)
    token = own_token(number, by)
    revoke_personal_token(token=token, by=by)
    messages.success(request, _("%(name)s is revoked.") % {"name": token.name})
    return redirect("tokens")


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200
