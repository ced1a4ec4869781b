"""Participants: the list with its status grid, and one participant's page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from analytics.selectors.participants import values_of
from analytics.views.grid import Cell, grid_of
from measurements.selectors.queries import queries_of, rights_over
from measurements.selectors.schedule import VisitLine, visit_lines
from measurements.selectors.sessions import sessions_of
from trials.access import Actor, actor_of, allocation_sites, has_permission
from trials.course import NEVER_RETRACTED
from trials.forms.course import DATA_SCOPES
from trials.models import Participant, ParticipantEvent, Trial
from trials.permissions import Permission
from trials.selectors.consent import consent_of, reconsent_due_for
from trials.selectors.events import course_of
from trials.selectors.identities import may_see_identity
from trials.selectors.participants import allocated_arm, participants_visible_to, visible_participant
from trials.selectors.safety import adverse_events_of
from trials.selectors.screening import answers_of, exclusion_of
from trials.selectors.trials import visible_trial

PAGE_SIZE = 25
ORDERS = {
    "code": ("number", "screening_number"),
    "site": ("site__name", "number"),
    "state": ("state", "number"),
    "randomized": ("randomized_on", "number"),
}


@require_safe
def participants(request: HttpRequest, slug: str) -> HttpResponse:
    """The participants that this person sees: `state` and `site` narrow the list, `sort` orders it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = _chosen(participants_visible_to(by, trial), trial, request)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "page": page,
        "grid": grid_of(trial, list(page.object_list), by),
        "states": Participant.State.choices,
        "sites": trial.sites.all(),
        "state": request.GET.get("state", ""),
        "site": request.GET.get("site", ""),
        "may_export": has_permission(by, Permission.EXPORT, trial),
        "may_enrol": has_permission(by, Permission.PARTICIPANT_ENROLL, trial)
        and trial.status == Trial.Status.RECRUITING,
    }
    return render(request, "analytics/participants.html", context)


def _chosen(found: QuerySet[Participant], trial: Trial, request: HttpRequest) -> QuerySet[Participant]:
    """Narrow and order by what the address says; what it does not know it leaves."""
    state, site = request.GET.get("state", ""), request.GET.get("site", "")
    if state in Participant.State.values:
        found = found.filter(state=state)
    sites = {each.code: each for each in trial.sites.all()}
    if site in sites:
        found = found.filter(site=sites[site])
    sort = request.GET.get("sort", "")
    order = ORDERS.get(sort.removeprefix("-"), ORDERS["code"])
    return found.order_by(*(f"-{field}" if sort.startswith("-") else field for field in order), "pk")


@require_safe
def participant(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """One participant: visits with their windows, values, and what happened."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    person = visible_participant(code, by, trial)
    sees_arm = person.site_id in allocation_sites(by, trial)
    (line,) = grid_of(trial, [person], by).lines
    context: dict[str, Any] = {
        "trial": trial,
        "participant": person,
        "arm": allocated_arm(person, by),
        "sees_arm": sees_arm,
        "strata": _levels(trial, person),
        "visits": _visits(person, line.cells, by),
        "values": values_of(person, by) if has_permission(by, Permission.RESULT_VIEW, trial) else None,
        "events": _timeline(person, by),
        "consent": consent_of(person),
        "answers": answers_of(person),
        "exclusion": exclusion_of(person),
        "reconsent": reconsent_due_for(person),
        "may_record": has_permission(by, Permission.PARTICIPANT_WITHDRAW, trial, site=person.site)
        and person.state not in {Participant.State.SCREENED, Participant.State.CONSENTED, Participant.State.EXCLUDED},
        "may_see_identity": may_see_identity(person, by),
        "may_enrol": has_permission(by, Permission.PARTICIPANT_ENROLL, trial, site=person.site),
        "sessions": sessions_of(person, by),
        "may_record_sessions": has_permission(by, Permission.SESSION_RECORD, trial, site=person.site),
        "adverse_events": adverse_events_of(person, by),
        "may_record_safety": has_permission(by, Permission.SAFETY_RECORD, trial, site=person.site),
        "sees_queries": has_permission(by, Permission.QUERY_VIEW, trial, site=person.site),
        "queries": queries_of(person, by),
        "may_ask": rights_over(person, by).manage,
        "may_randomize": has_permission(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=person.site),
        "may_unblind": hasattr(person, "allocation")
        and has_permission(by, Permission.ALLOCATION_UNBLIND, trial, site=person.site),
    }
    return render(request, "analytics/participant.html", context)


@dataclass(frozen=True)
class Happened:
    """One line of the timeline: the event, its reason and details in words, and what struck it."""

    event: ParticipantEvent
    reason: str
    details: tuple[str, ...]
    struck: ParticipantEvent | None
    may_strike: bool


def _timeline(person: Participant, by: Actor) -> list[Happened]:
    """Return what happened, as far as `by` may see it, the newest day first."""
    trial, site = person.trial, person.site
    may_enrol = has_permission(by, Permission.PARTICIPANT_ENROLL, trial, site=site)
    may_withdraw = has_permission(by, Permission.PARTICIPANT_WITHDRAW, trial, site=site)
    texts = dict(trial.criteria.values_list("code", "text"))
    lines = []
    for event in course_of(person, by):
        struck = getattr(event, "retracted_by", None)
        may = may_enrol if event.kind == ParticipantEvent.Kind.EXCLUDED else may_withdraw
        may_strike = may and struck is None and event.kind not in NEVER_RETRACTED
        lines.append(Happened(event, _reason(event), _details(event, texts), struck, may_strike))
    return lines


def _reason(event: ParticipantEvent) -> str:
    if event.kind == ParticipantEvent.Kind.EXCLUDED:
        return str(dict(ParticipantEvent.ExclusionReason.choices).get(event.reason, event.reason))
    return event.reason


def _details(event: ParticipantEvent, criteria: Mapping[str, str]) -> tuple[str, ...]:
    """Return what else was recorded with an event, in words."""
    detail = event.detail
    words = []
    if "version" in detail:
        words.append(_("Version %(version)s") % {"version": detail["version"]})
    if "unmet" in detail:
        unmet = "; ".join(criteria.get(code, code) for code in detail["unmet"])
        words.append(_("Not met: %(criteria)s") % {"criteria": unmet})
    if "note" in detail:
        words.append(str(detail["note"]))
    if event.kind in {ParticipantEvent.Kind.CONSENT_SCOPE_WITHDRAWN, ParticipantEvent.Kind.DATA_USE_WITHDRAWN}:
        words.append(str(dict(DATA_SCOPES).get(detail.get("scope", ""), detail.get("scope", ""))))
    return tuple(word for word in words if word)


def _levels(trial: Trial, person: Participant) -> list[tuple[str, str]]:
    """Return the participant's level of every factor but the site, by name."""
    return [
        (factor.name, next((each["name"] for each in factor.levels if each["code"] == level), level))
        for factor in trial.factors.filter(is_site=False)
        if (level := person.strata.get(factor.code))
    ]


def _visits(person: Participant, cells: tuple[Cell, ...], by: Actor) -> list[tuple[VisitLine, Cell]]:
    """Return each planned visit with how complete its values are, in the order of the plan."""
    lines = {line.visit.pk: line for line in visit_lines(person, by)}
    return [(lines[cell.visit.pk], cell) for cell in cells]
