"""What happened to a participant after randomization: choosing it, recording it, and striking a mistake."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from analytics.selectors.participants import values_in_use
from trials.access import Actor, actor_of, has_permission, require
from trials.course import ENDS, NEVER_RETRACTED
from trials.errors import NotFound
from trials.forms.course import FOLLOW_UP, HAPPENINGS, INTERVENTION, Happening, HappeningForm, RetractForm
from trials.forms.fields import accepted
from trials.models import ARM_TELLING, Participant, ParticipantEvent
from trials.permissions import Permission
from trials.selectors.events import course_of, events_of_participant
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial
from trials.services.enrollment import CONTRADICTIONS, record_event
from trials.services.retraction import retract_event

Kind = ParticipantEvent.Kind


@require_safe
def participant_course(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """What can be recorded now, each with what follows from it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    person = visible_participant(code, by, trial)
    require(by, Permission.PARTICIPANT_WITHDRAW, trial, site=person.site)
    sees_arm = has_permission(by, Permission.ALLOCATION_VIEW, trial, site=person.site)
    known = set(events_of_participant(person).values_list("kind", flat=True))
    context = {
        "trial": trial,
        "participant": person,
        "is_randomized": Kind.RANDOMIZED in known,
        # Not even which of them are left is said to the blinded.
        "intervention": [each for each in INTERVENTION if _is_open(each, person, known)] if sees_arm else [],
        "follow_up": [each for each in FOLLOW_UP if _is_open(each, person, known)],
        "values": values_in_use(person, by),
    }
    return render(request, "trials/participant_course.html", context)


def _is_open(happening: Happening, person: Participant, known: set[str]) -> bool:
    """Whether it can be recorded beside what is."""
    kind = Kind(happening.kind)
    if kind in ENDS and person.state != Participant.State.RANDOMIZED:
        return False
    return kind not in known and not known & set(CONTRADICTIONS.get(kind, ()))


@require_http_methods(["GET", "POST"])
def participant_happening(request: HttpRequest, slug: str, code: str, kind: str) -> HttpResponse:
    """One thing: its day, its reason, its consequences, and the typed code where there is no way back."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    person = visible_participant(code, by, trial)
    require(by, Permission.PARTICIPANT_WITHDRAW, trial, site=person.site)
    if kind not in HAPPENINGS:
        raise Http404
    if kind in ARM_TELLING:
        require(by, Permission.ALLOCATION_VIEW, trial, site=person.site)
    form = HappeningForm(HAPPENINGS[kind], person.code, request.POST or None)
    if form.is_valid() and accepted(form, lambda: record_event(participant=person, kind=kind, by=by, **form.given)):
        messages.success(request, _("“%(what)s” is recorded.") % {"what": HAPPENINGS[kind].label})
        return redirect("participant", slug=slug, code=person.code)
    context = {
        "trial": trial,
        "participant": person,
        "happening": HAPPENINGS[kind],
        "leaves": values_in_use(person, by) if kind == Kind.DATA_USE_WITHDRAWN else None,
        "form": form,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "trials/participant_happening.html", context, status=status)


@require_http_methods(["GET", "POST"])
def event_retract(request: HttpRequest, slug: str, code: str, number: int) -> HttpResponse:
    """Striking something recorded by mistake: what it was, and why it was wrong."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    person = visible_participant(code, by, trial)
    event = _struck(person, number, by)
    needed = Permission.PARTICIPANT_ENROLL if event.kind == Kind.EXCLUDED else Permission.PARTICIPANT_WITHDRAW
    require(by, needed, trial, site=person.site)
    form = RetractForm(request.POST or None)
    if form.is_valid() and accepted(
        form, lambda: retract_event(participant=person, number=number, by=by, reason=form.cleaned_data["reason"])
    ):
        messages.success(request, _("“%(what)s” is struck and counts no more.") % {"what": event.get_kind_display()})
        return redirect("participant", slug=slug, code=person.code)
    context = {"trial": trial, "participant": person, "event": event, "form": form}
    status = 422 if request.method == "POST" else 200
    return render(request, "trials/participant_retract.html", context, status=status)


def _struck(person: Participant, number: int, by: Actor) -> ParticipantEvent:
    event = course_of(person, by).filter(pk=number).first()
    if event is None or event.kind in NEVER_RETRACTED:
        raise NotFound("event_unknown", f"{person.code} has no such event that can be struck.")
    return event
