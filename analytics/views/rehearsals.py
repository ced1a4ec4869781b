"""Rehearsals of a trial: request one, follow it, look at it, archive it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from analytics.forms.rehearsal import RehearsalForm
from analytics.models import Rehearsal
from analytics.models.rehearsal import FEWEST, MOST
from analytics.selectors.rehearsals import UNDER_WAY, rehearsal_of, rehearsals_of
from analytics.services.rehearsal import (
    BEFORE_THE_FIRST,
    DEFAULT_PARTICIPANTS,
    archive_rehearsal,
    request_rehearsal,
    retry_rehearsal,
)
from trials.access import Actor, actor_of, has_permission
from trials.errors import NotFound
from trials.forms.fields import accepted
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial

LISTED = 50


@require_http_methods(["GET", "POST"])
def rehearsals(request: HttpRequest, slug: str) -> HttpResponse:
    """The trial's rehearsals; posting requests a new one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    planned = max(FEWEST, min(MOST, trial.planned_participants or DEFAULT_PARTICIPANTS))
    form = RehearsalForm(request.POST if request.method == "POST" else None, initial={"participants": planned})
    if request.method == "POST" and form.is_valid() and accepted(form, lambda: _request(trial, form, by)):
        messages.success(request, _("The rehearsal is requested. It appears below, and fills within minutes."))
        return redirect("rehearsals", slug=slug)
    may_rehearse = trial.status in BEFORE_THE_FIRST and trial.rehearsal_of_id is None
    context = {
        "trial": trial,
        "form": form,
        "may_rehearse": may_rehearse and has_permission(by, Permission.TRIAL_DESIGN, trial),
        **_listed(trial, by),
    }
    return render(request, "analytics/rehearsals.html", context, status=422 if form.is_bound else 200)


def _request(trial: Trial, form: RehearsalForm, by: Actor) -> Rehearsal:
    given = form.cleaned_data
    return request_rehearsal(
        trial=trial,
        by=by,
        participants=given["participants"],
        effect=given["effect"],
        attrition=given["attrition"] / 100,
    )


def _listed(trial: Trial, by: Actor) -> dict[str, object]:
    listed = list(rehearsals_of(trial, by)[:LISTED])
    return {
        "rehearsals": listed,
        "is_waiting": any(each.state in UNDER_WAY for each in listed),
        "seen": ".".join(f"{each.pk}{each.state[0]}{each.progress}" for each in listed),
        "may_design": has_permission(by, Permission.TRIAL_DESIGN, trial),
        "may_archive": has_permission(by, Permission.TRIAL_LOCK, trial),
    }


@require_safe
def rehearsals_part(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer the list for a page that waits: 204 while nothing changed."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    context = _listed(trial, by)
    if context["seen"] == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "analytics/_rehearsals_list.html", {"trial": trial, **context})


@require_POST
def rehearsal_retry(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Go on with a rehearsal that failed."""
    by = actor_of(request)
    retry_rehearsal(rehearsal=rehearsal_of(visible_trial(slug, by), number, by), by=by)
    return redirect("rehearsals", slug=slug)


@require_POST
def rehearsal_archive(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Take a finished rehearsal to the archive."""
    by = actor_of(request)
    copy = rehearsal_of(visible_trial(slug, by), number, by).copy
    if copy is None:
        raise NotFound("rehearsal_unknown", "There is nothing to archive yet.")
    archive_rehearsal(copy=copy, by=by)
    messages.success(request, _("The rehearsal is archived. It stays readable."))
    return redirect("rehearsals", slug=slug)
