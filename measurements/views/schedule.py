"""The schedule of visits: what is due at which site, and what came of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from measurements.selectors.schedule import Schedule, VisitLine, Wish, schedule
from measurements.services.visits import lock_visits
from trials import audit
from trials.access import Actor, actor_of, allocation_sites, has_permission, sites_where
from trials.models import Trial, Visit
from trials.permissions import Permission
from trials.schedule import TO_DO, State
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
STATES: Mapping[State, Any] = {
    State.OVERDUE: gettext_lazy("Overdue"),
    State.DUE: gettext_lazy("Due now"),
    State.NOT_YET_DUE: gettext_lazy("Not yet due"),
    State.NO_DATE: gettext_lazy("No date yet"),
    State.ATTENDED: pgettext_lazy("a visit", "Attended"),
    State.OUT_OF_WINDOW: gettext_lazy("Attended out of window"),
    State.MISSED: pgettext_lazy("a visit", "Missed"),
    State.NOT_EXPECTED: gettext_lazy("Not expected"),
}
BADGES: Mapping[State, str] = {
    State.OVERDUE: "warn",
    State.DUE: "info",
    State.ATTENDED: "ok",
    State.OUT_OF_WINDOW: "warn",
}
TO_DO_STATE, ALL_STATES = "to_do", "all"
HORIZONS = (7, 14, 30, 90)
USUAL_HORIZON = 30
COLUMNS = (
    "participant",
    "site",
    "visit",
    "state",
    "window_first",
    "target",
    "window_last",
    "attended_on",
    "days_outside_window",
    "missed_reason",
    "note",
    "complete",
    "locked",
)


@require_safe
def visit_schedule(request: HttpRequest, slug: str) -> HttpResponse:
    """List visits, those to do first; `site`, `visit`, `state` and `days` narrow the list, `sort` orders it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    number = int(asked) if (asked := request.GET.get("page", "1")).isdecimal() and len(asked) < 7 else 1
    found = schedule(trial, by, _wish(request, trial, start=PAGE_LENGTH * (max(number, 1) - 1), most=PAGE_LENGTH))
    page = Paginator(range(found.total), PAGE_LENGTH).get_page(number)
    if page.number != max(number, 1):
        found = schedule(trial, by, _wish(request, trial, start=page.start_index() - 1, most=PAGE_LENGTH))
    context = {
        "trial": trial,
        "page": page,
        "lines": [(line, STATES[line.state], BADGES.get(line.state, "plain")) for line in found.lines],
        "figures": _figures(found, _days(request)),
        "by_week": request.GET.get("sort", "date") == "date",
        "hides_dates": trial.visits.filter(anchor=Visit.Anchor.INTERVENTION_END).exists()
        and len(allocation_sites(by, trial)) < trial.sites.count(),
        "may_lock": has_permission(by, Permission.VISIT_LOCK, trial),
        **_filters(request, trial, by),
    }
    return render(request, "measurements/visit_schedule.html", context)


@require_safe
def visit_schedule_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Every line of the list as it is filtered and sorted."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = schedule(trial, by, _wish(request, trial))
    audit.record_read("schedule.downloaded", by=by, trial=trial, target=trial, lines=len(found.lines))
    return csv_answer(f"{trial.slug}_visits", COLUMNS, (_row(line) for line in found.lines))


@require_POST
def visits_lock(request: HttpRequest, slug: str) -> HttpResponse:
    """Lock every complete visit, of one kind or of all."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    count = lock_visits(trial=trial, by=by, visit=trial.visits.filter(code=request.POST.get("visit", "")).first())
    said = ngettext("%(count)d complete visit is locked now.", "%(count)d complete visits are locked now.", count)
    messages.success(request, said % {"count": count})
    return redirect("visit-schedule", slug=slug)


def _wish(request: HttpRequest, trial: Trial, *, start: int = 0, most: int | None = None) -> Wish:
    """What the address asks for; what it names and the trial does not have narrows nothing."""
    state = request.GET.get("state", TO_DO_STATE)
    chosen: tuple[str, ...] = (state,) if state in STATES else () if state == ALL_STATES else TO_DO
    return Wish(
        site=trial.sites.filter(code=request.GET.get("site", "")).values_list("pk", flat=True).first(),
        visit=trial.visits.filter(code=request.GET.get("visit", "")).values_list("pk", flat=True).first(),
        states=chosen,
        until=timezone.localdate() + timedelta(days=_days(request)) if _days(request) else None,
        sort=request.GET.get("sort", "date"),
        start=start,
        most=most,
    )


def _days(request: HttpRequest) -> int:
    """How far ahead visits are listed; 0 for all."""
    asked = request.GET.get("days", str(USUAL_HORIZON))
    return int(asked) if asked in {"0", *map(str, HORIZONS)} else USUAL_HORIZON


def _filters(request: HttpRequest, trial: Trial, by: Actor) -> dict[str, Any]:
    return {
        "sites": trial.sites.filter(pk__in=sites_where(by, Permission.PARTICIPANT_VIEW, trial)),
        "visits": trial.visits.all(),
        "states": [(TO_DO_STATE, _("To do")), *STATES.items(), (ALL_STATES, _("All states"))],
        "horizons": HORIZONS,
        "site": request.GET.get("site", ""),
        "visit": request.GET.get("visit", ""),
        "state": request.GET.get("state", TO_DO_STATE),
        "days": _days(request),
    }


def _figures(found: Schedule, days: int) -> list[dict[str, Any]]:
    """Counts by state over the chosen sites and visits, whatever state is listed."""
    counts = {state: found.counts.get(state, 0) for state in State}
    ahead = _("window opens in the next %(days)d days") % {"days": days} if days else _("window not open yet")
    done = counts[State.ATTENDED] + counts[State.OUT_OF_WINDOW]
    return [
        {
            "label": STATES[State.OVERDUE],
            "value": counts[State.OVERDUE],
            "meaning": _("window closed, nothing recorded"),
        },
        {"label": STATES[State.DUE], "value": counts[State.DUE], "meaning": _("window is open")},
        {"label": _("Coming up"), "value": counts[State.NOT_YET_DUE], "meaning": ahead},
        {
            "label": pgettext_lazy("visits", "Attended"),
            "value": done,
            "meaning": _("%(out)d out of window, %(missed)d missed")
            % {"out": counts[State.OUT_OF_WINDOW], "missed": counts[State.MISSED]},
        },
    ]


def _row(line: VisitLine) -> tuple[object, ...]:
    first, target, last = line.window or (None, None, None)
    return (
        line.participant,
        line.site.code,
        line.visit.code,
        line.state.value,
        first,
        target,
        last,
        line.attended_on,
        line.days_outside if line.window and line.attended_on else None,
        line.missed_label,
        line.note,
        line.completed_at,
        line.locked_at,
    )
