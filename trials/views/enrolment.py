"""Enrolling a person, one step a page. Which step comes is read from the person's state, so going back is harmless."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from trials.access import Actor, actor_of, require, sites_where
from trials.errors import RuleBroken
from trials.forms.enrolment import ConsentForm, ExcludeForm, ScreenForm, StrataForm
from trials.forms.fields import show_refusal
from trials.models import Participant, Trial
from trials.permissions import Permission
from trials.selectors.consent import valid_form
from trials.selectors.participants import allocated_arm, person_in_enrolment
from trials.selectors.screening import exclusion_of
from trials.selectors.trials import visible_trial
from trials.services.enrollment import enroll_participant, exclude_participant, record_consent
from trials.services.randomization import randomize_participant

State = Participant.State


@require_http_methods(["GET", "POST"])
def enrol(request: HttpRequest, slug: str) -> HttpResponse:
    """Step 1: where and when, and the criteria. Somebody not eligible is excluded at once."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.PARTICIPANT_ENROLL, trial)
    form = ScreenForm(trial, sites_where(by, Permission.PARTICIPANT_ENROLL, trial), request.POST or None)
    if form.is_valid():
        try:
            participant = enroll_participant(
                trial=trial,
                site=form.cleaned_data["site"],
                by=by,
                screened_on=form.cleaned_data["screened_on"],
                eligibility=form.eligibility,
                key=form.cleaned_data["key"],
            )
        except RuleBroken as error:
            show_refusal(form, error)
        else:
            return _to_person(trial, participant)
    return _page(request, "screen", trial, form, {"is_open": _takes_people(trial)})


@require_http_methods(["GET", "POST"])
def enrol_person(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The step that comes next for this person: consent, strata and confirmation, or what became of it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    participant = person_in_enrolment(number, by, trial)
    if participant.state not in {State.SCREENED, State.CONSENTED}:
        return _result(request, trial, participant, by)
    if request.POST.get("step") == "exclude":
        return _exclude(request, trial, participant, by)
    step = _consent_step if participant.state == State.SCREENED else _randomize_step
    return step(request, trial, participant, by)


def _exclude(request: HttpRequest, trial: Trial, participant: Participant, by: Actor) -> HttpResponse:
    """Instead of the next step: the reason why this person is not randomized."""
    form = ExcludeForm(trial, request.POST)
    if form.is_valid():
        try:
            exclude_participant(participant=participant, by=by, on=timezone.localdate(), **form.cleaned_data)
        except RuleBroken as error:
            show_refusal(form, error)
        else:
            return _to_person(trial, participant)
    return _page(request, "exclude", trial, form, {"participant": participant})


def _consent_step(request: HttpRequest, trial: Trial, participant: Participant, by: Actor) -> HttpResponse:
    """Step 2: consent."""
    valid = valid_form(trial, timezone.localdate())
    form = ConsentForm(trial, valid, request.POST or None)
    if form.is_valid():
        given = form.cleaned_data
        try:
            record_consent(
                participant=participant, by=by, on=given["consented_on"], version=given["version"], scope=form.agreed
            )
        except RuleBroken as error:
            show_refusal(form, error)
        else:
            return _to_person(trial, participant)
    return _page(
        request, "consent", trial, form, {"participant": participant, "valid": valid, "exclusion": ExcludeForm(trial)}
    )


def _randomize_step(request: HttpRequest, trial: Trial, participant: Participant, by: Actor) -> HttpResponse:
    """Steps 3 and 4: the strata, a last look, and the one randomization."""
    require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=participant.site)
    context = {"participant": participant, "exclusion": ExcludeForm(trial)}
    form = StrataForm(participant, request.POST if request.method == "POST" else request.GET)
    if form.fields and request.method == "GET" and "confirm" not in request.GET:
        return _page(request, "strata", trial, StrataForm(participant), context)
    if not form.is_valid():
        return _page(request, "strata", trial, form, context, status=422)
    if request.POST.get("step") != "randomize":
        return _page(request, "confirm", trial, form, context, status=200)
    try:
        randomize_participant(participant=participant, by=by, levels=form.cleaned_data)
    except RuleBroken as error:
        show_refusal(form, error)
        return _page(request, "confirm", trial, form, context)
    messages.success(request, _("%(code)s is randomized.") % {"code": participant.code})
    return _to_person(trial, participant)


def _result(request: HttpRequest, trial: Trial, participant: Participant, by: Actor) -> HttpResponse:
    """What became of it. The arm only for those who may see it; a late second click ends here too."""
    if request.method == "POST":
        return _to_person(trial, participant)
    context = {
        "participant": participant,
        "arm": allocated_arm(participant, by),
        "exclusion": exclusion_of(participant),
    }
    return _page(request, "result", trial, None, context)


# The template of a step, and where it stands among the steps that are shown.
POSITIONS = {"screen": 0, "consent": 1, "exclude": 1, "strata": 2, "confirm": 3, "result": 4}


def _page(
    request: HttpRequest, step: str, trial: Trial, form: Any, context: dict[str, Any], status: int | None = None
) -> HttpResponse:
    words = (_("Screening"), _("Consent"), _("Strata"), _("Last look"), _("Result"))
    steps = [(name, position - POSITIONS[step]) for position, name in enumerate(words)]
    everything = {"trial": trial, "form": form, "steps": steps, **context}
    default = 422 if request.method == "POST" else 200
    return render(request, f"trials/enrol_{step}.html", everything, status=status or default)


def _takes_people(trial: Trial) -> bool:
    return trial.status == Trial.Status.RECRUITING and not trial.randomized_elsewhere


def _to_person(trial: Trial, participant: Participant) -> HttpResponse:
    return redirect("enrol-person", slug=trial.slug, number=participant.screening_number)
