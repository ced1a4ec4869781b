"""Versions of the consent form, and one participant's consent after the first."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from trials.access import Actor, actor_of, has_permission, require
from trials.forms.consent import ReconsentForm, ScopeWithdrawalForm, VersionForm
from trials.forms.fields import accepted
from trials.models import Participant
from trials.permissions import Permission
from trials.selectors.consent import consent_of, reconsent_due, reconsent_due_for, scopes_of, valid_form
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial
from trials.services.consent import add_consent_form, decline_reconsent, record_reconsent, withdraw_scope

DUE_SHOWN = 100


@require_http_methods(["GET", "POST"])
def consent_forms(request: HttpRequest, slug: str) -> HttpResponse:
    """The versions of a trial, the newest first, and a form for the next one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.TRIAL_VIEW, trial)
    may_design = has_permission(by, Permission.TRIAL_DESIGN, trial) and not trial.randomized_elsewhere
    form = VersionForm(request.POST or None)
    if request.method == "POST":
        require(by, Permission.TRIAL_DESIGN, trial)
        if form.is_valid() and accepted(form, lambda: add_consent_form(trial=trial, by=by, **form.cleaned_data)):
            messages.success(request, _("Version %(version)s is added.") % form.cleaned_data)
            return redirect("consent-forms", slug=slug)
    due = reconsent_due(trial, by) if has_permission(by, Permission.PARTICIPANT_VIEW, trial) else []
    context = {
        "trial": trial,
        "versions": [(each, scopes_of(each)) for each in reversed(trial.consent_forms.all())],
        "valid": valid_form(trial, timezone.localdate()),
        "due": due[:DUE_SHOWN],
        "due_count": len(due),
        "form": form if may_design else None,
        "failed": request.method == "POST",
    }
    return render(request, "trials/consent_forms.html", context, status=422 if context["failed"] else 200)


@require_http_methods(["GET", "POST"])
def participant_consent(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """One participant's consent: what is in force, the answer to a newer version, and parts that are taken back."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    person = visible_participant(code, by, trial)
    require(by, Permission.PARTICIPANT_ENROLL, trial, site=person.site)
    again, part = _forms(person, request.POST or None)
    if request.method == "POST" and _is_done(request, person, by, again, part):
        messages.success(request, _("It is recorded."))
        return redirect("participant-consent", slug=slug, code=person.code)
    context = {
        "trial": trial,
        "participant": person,
        "consent": consent_of(person),
        "again": again,
        "part": part,
        "may_withdraw": has_permission(by, Permission.PARTICIPANT_WITHDRAW, trial, site=person.site),
    }
    return render(request, "trials/consent_participant.html", context, status=422 if request.method == "POST" else 200)


def _forms(person: Participant, data: Any) -> tuple[ReconsentForm | None, ScopeWithdrawalForm | None]:
    """Return the forms that there is something to say in; only the one that was sent is filled in."""
    due, consent = reconsent_due_for(person), consent_of(person)
    sent = data.get("step") if data else ""
    again = ReconsentForm(due.asks, data if sent == "again" else None) if due else None
    has_parts = consent is not None and bool(consent.optional_in_force)
    part = ScopeWithdrawalForm(consent, data if sent == "part" else None) if consent and has_parts else None
    return again, part


def _is_done(
    request: HttpRequest, person: Participant, by: Actor, again: ReconsentForm | None, part: ScopeWithdrawalForm | None
) -> bool:
    if again is not None and again.is_bound:
        return again.is_valid() and accepted(again, lambda: _answer(person, by, again))
    if part is not None and part.is_bound:
        return part.is_valid() and accepted(
            part, lambda: withdraw_scope(participant=person, by=by, **part.cleaned_data)
        )
    return True  # sent a second time: what it asked for is recorded, and its form is gone


def _answer(person: Participant, by: Actor, form: ReconsentForm) -> None:
    given, version = form.cleaned_data, form.version.version
    if given["answer"] == "agrees":
        record_reconsent(participant=person, by=by, on=given["on"], version=version, scope=form.agreed)
    else:
        decline_reconsent(participant=person, by=by, on=given["on"], version=version, reason=given["reason"])
