"""The laboratories' settings: who delivers, their credentials, the sandbox. Its own answer shows a token, once."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from measurements.selectors.listings import submissions_visible_to
from measurements.selectors.sandbox import sandbox_state
from measurements.services.sandbox import empty_sandbox, ready_sandbox
from trials.access import Actor, actor_of, has_permission
from trials.forms.credentials import (
    SANDBOX,
    ConfirmationForm,
    CredentialForm,
    EndDeliveryForm,
    LaboratoryForm,
    RevocationForm,
    RotationForm,
)
from trials.forms.fields import accepted
from trials.models import Laboratory, LaboratoryCredential, Trial
from trials.permissions import LABORATORY_SCOPES, Permission
from trials.selectors.credentials import laboratory_line, laboratory_lines
from trials.selectors.people import credential_of
from trials.selectors.trials import visible_trial
from trials.services.credentials import (
    create_laboratory_credential,
    revoke_laboratory_credential,
    rotate_laboratory_credential,
)
from trials.services.people import add_laboratory, end_delivery
from trials.views.csv_answers import csv_answer

RECENT = 5


@never_cache
@require_http_methods(["GET", "POST"])
def laboratories(request: HttpRequest, slug: str) -> HttpResponse:
    """The laboratories that deliver or did, and the sandbox; posting adds a laboratory."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = LaboratoryForm(request.POST or None)
    if form.is_valid() and accepted(form, lambda: add_laboratory(trial=trial, by=by, **form.cleaned_data)):
        messages.success(request, _("%(name)s can deliver now. Make a credential for it.") % form.cleaned_data)
        return redirect("laboratory", slug=slug, code=form.cleaned_data["code"])
    context = {
        "trial": trial,
        "form": form,
        "lines": laboratory_lines(trial, by),
        "sandbox": sandbox_state(trial, by),
    }
    return render(request, "measurements/laboratories.html", context, status=_status(request))


@require_GET
def laboratories_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Every credential of the trial's laboratories as a file; the tokens are kept nowhere and not in it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    header = ("laboratory", "credential", "prefix", "scopes", "sandbox", "created", "expires", "last_used", "state")
    rows = (
        (
            line.laboratory.code,
            each.name,
            each.prefix,
            " ".join(each.scopes),
            each.is_sandbox,
            each.created_at,
            each.expires_at,
            each.last_used_at,
            each.standing.value,
        )
        for line in laboratory_lines(trial, by)
        for each in line.credentials
    )
    return csv_answer(f"{slug}-credentials", header, rows)


@never_cache
@require_http_methods(["GET", "POST"])
def laboratory(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """One laboratory: its credentials and latest deliveries; posting makes a credential and shows its token once."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    line = laboratory_line(code, trial, by)
    form = CredentialForm(LABORATORY_SCOPES, request.POST or None)
    context: dict[str, Any] = {"trial": trial, "form": form}
    status = _status(request)

    def make() -> None:
        context["made"] = _make(trial, line.laboratory, form, by)

    if form.is_valid() and accepted(form, make):
        context["form"], status = CredentialForm(LABORATORY_SCOPES), 201
    return render(request, "measurements/laboratory.html", context | _shown(request, trial, code, by), status=status)


def _make(trial: Trial, laboratory: Laboratory, form: CredentialForm, by: Actor) -> tuple[LaboratoryCredential, str]:
    given = form.cleaned_data
    is_sandbox = given["kind"] == SANDBOX
    made = create_laboratory_credential(
        laboratory=laboratory,
        trials=[trial],
        name=given["name"],
        scopes=given["scopes"],
        is_sandbox=is_sandbox,
        expires_at=form.expires_at,
        key=given["key"],
        by=by,
    )
    if is_sandbox:
        ready_sandbox(trial=trial, by=by)
    return made


def _shown(request: HttpRequest, trial: Trial, code: str, by: Actor) -> dict[str, Any]:
    """Return what the page of a laboratory shows beside its forms."""
    line = laboratory_line(code, trial, by)
    recent = None
    if has_permission(by, Permission.RESULT_VIEW, trial):
        found = submissions_visible_to(by, trial).filter(laboratory=line.laboratory)
        recent = list(found.order_by("-id")[:RECENT])
    return {
        "line": line,
        "recent": recent,
        "sandbox": sandbox_state(trial, by),
        "results_address": request.build_absolute_uri(reverse("api-results", kwargs={"slug": trial.slug})),
    }


@require_http_methods(["GET", "POST"])
def laboratory_end(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """End that a laboratory delivers, with a reason."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    line = laboratory_line(code, trial, by)
    form = EndDeliveryForm(request.POST or None)

    def end() -> None:
        end_delivery(laboratory=line.laboratory, trial=trial, by=by, reason=form.cleaned_data["reason"])

    if form.is_valid() and accepted(form, end):
        messages.success(request, _("%(name)s delivers no more.") % {"name": line.laboratory.name})
        return redirect("laboratories", slug=slug)
    context = {"trial": trial, "line": line, "form": form}
    return render(request, "measurements/laboratory_end.html", context, status=_status(request))


@never_cache
@require_http_methods(["GET", "POST"])
def credential_rotate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make a credential's successor and show its token once; the old one ends after the chosen overlap."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    credential = credential_of(number, by, trial)
    form = RotationForm(request.POST or None)
    context: dict[str, Any] = {"trial": trial, "credential": credential, "form": form}

    def rotate() -> None:
        context["made"] = rotate_laboratory_credential(
            credential=credential, trial=trial, by=by, overlap=form.overlapping, expires_at=form.expires_at
        )

    status = _status(request)
    if form.is_valid() and accepted(form, rotate):
        code, status = credential.laboratory.code, 201
        credential.refresh_from_db()
        context |= _shown(request, trial, code, by) | {"form": CredentialForm(LABORATORY_SCOPES), "rotated": credential}
        return render(request, "measurements/laboratory.html", context, status=status)
    return render(request, "measurements/credential_rotate.html", context, status=status)


@require_http_methods(["GET", "POST"])
def credential_revoke(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """End a credential at once, after its beginning was typed again."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    credential = credential_of(number, by, trial)
    form = RevocationForm(credential, request.POST or None)

    def revoke() -> None:
        revoke_laboratory_credential(credential=credential, trial=trial, by=by, reason=form.cleaned_data["reason"])

    if form.is_valid() and accepted(form, revoke):
        messages.success(request, _("%(name)s is revoked.") % {"name": credential.name})
        return redirect("laboratory", slug=slug, code=credential.laboratory.code)
    context = {"trial": trial, "credential": credential, "form": form}
    return render(request, "measurements/credential_revoke.html", context, status=_status(request))


@require_http_methods(["GET", "POST"])
def sandbox_empty(request: HttpRequest, slug: str) -> HttpResponse:
    """Put what laboratories sent to the sandbox aside and begin a new one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = ConfirmationForm(request.POST or None)
    if form.is_valid() and accepted(form, lambda: empty_sandbox(trial=trial, by=by)):
        messages.success(request, _("The sandbox is empty, with new participants and specimens under the same ids."))
        return redirect("laboratories", slug=slug)
    context = {"trial": trial, "form": form, "sandbox": sandbox_state(trial, by)}
    return render(request, "measurements/sandbox_empty.html", context, status=_status(request))


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200
