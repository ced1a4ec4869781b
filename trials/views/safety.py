"""Adverse events: the listing with its summary, recording one, and one with what is known of it."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from trials.access import actor_of, has_permission, require, sites_where
from trials.errors import NotFound
from trials.forms.fields import accepted
from trials.forms.safety import AdverseEventChangeForm, AdverseEventForm
from trials.models import AdverseEvent, Trial
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.safety import (
    AdverseEventLine,
    SafetyView,
    adverse_events_visible_to,
    deaths_unmatched,
    died_on,
    lines,
    overdue_reports,
    safety_summary,
    safety_view,
    visible_adverse_event,
)
from trials.selectors.trials import visible_trial
from trials.services.safety import change_adverse_event, record_adverse_event
from trials.views.csv_answers import csv_answer

PAGE_SIZE = 50
LISTED = 20
"""How many overdue reports stand above the listing; the filter shows them all."""
GRAVITY = Case(
    *(When(severity=each, then=Value(place)) for place, each in enumerate(AdverseEvent.Severity.values)),
    output_field=IntegerField(),
)
ORDERS: dict[str, Any] = {
    "participant": ("participant__number", "number"),
    "term": ("shown_term",),
    "site": ("participant__site__name",),
    "severity": ("gravity",),
    "outcome": ("outcome",),
    "began": ("started_on",),
    "ended": ("ended_on",),
}
COLUMNS = (
    "participant", "number", "site", "term", "started_on", "ended_on", "serious", "criteria", "severity", "outcome",
    "aware_on", "reported_on", "dictionary",
)  # fmt: skip
JUDGED = ("relatedness", "expected")
TOLD = ("action_taken", "narrative")


@require_safe
def safety(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The adverse events at one's sites, with counts; filters, sort and page stand in the address."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    view = safety_view(by, trial)
    visible = adverse_events_visible_to(by, trial)
    found = _chosen(visible, request, view)
    if request.GET.get("format") == "csv":
        return csv_answer(f"{slug}_adverse_events", _columns(view), _rows(found, view))
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    overdue = overdue_reports(visible)
    context = {
        "trial": trial,
        "page": page,
        "lines": lines(list(page.object_list), view),
        "summary": safety_summary(by, trial),
        "overdue": lines(list(overdue[:LISTED]), view),
        "overdue_count": overdue.count(),
        "deaths": deaths_unmatched(by, trial),
        "sees_relatedness": bool(view.judged),
        "sites": trial.sites.filter(pk__in=view.sites),
        "may_record": has_permission(by, Permission.SAFETY_RECORD, trial),
        "outcomes": AdverseEvent.Outcome.choices,
        "severities": AdverseEvent.Severity.choices,
        "relatednesses": AdverseEvent.Relatedness.choices,
        "asked": {
            name: request.GET.get(name, "")
            for name in ("site", "serious", "severity", "outcome", "relatedness", "open", "report")
        },
    }
    return render(request, "trials/safety_list.html", context)


def _chosen(found: QuerySet[AdverseEvent], request: HttpRequest, view: SafetyView) -> QuerySet[AdverseEvent]:
    """Narrow and order by what the address says; what it does not know, and what may not be asked, it leaves."""
    asked = request.GET
    if asked.get("site"):
        found = found.filter(participant__site__code=_plain(asked["site"]))
    if asked.get("serious") in {"yes", "no"}:
        found = found.filter(is_serious=asked["serious"] == "yes")
    if asked.get("severity") in AdverseEvent.Severity.values:
        found = found.filter(severity=asked["severity"])
    if asked.get("outcome") in AdverseEvent.Outcome.values:
        found = found.filter(outcome=asked["outcome"])
    if asked.get("relatedness") in AdverseEvent.Relatedness.values and view.judged:
        found = found.filter(relatedness=asked["relatedness"], participant__site__in=view.judged)
    if asked.get("open") == "yes":
        going_on = (AdverseEvent.Outcome.RECOVERING, AdverseEvent.Outcome.NOT_RECOVERED, AdverseEvent.Outcome.UNKNOWN)
        found = found.filter(ended_on=None, outcome__in=going_on)
    if asked.get("report") == "overdue":
        found = overdue_reports(found)
    sort = asked.get("sort", "-began")
    order = ORDERS.get(sort.removeprefix("-"), ORDERS["began"])
    return found.annotate(gravity=GRAVITY).order_by(
        *(f"-{field}" if sort.startswith("-") else field for field in order), "-pk"
    )


def _plain(text: str) -> str:
    """A code as the database can hold it."""
    return text if text.isascii() and text.isprintable() else ""


def _columns(view: SafetyView) -> tuple[str, ...]:
    """A blinded file has no column of what is left out."""
    return COLUMNS + (JUDGED if view.judged else ()) + (TOLD if view.told else ())


def _rows(found: QuerySet[AdverseEvent], view: SafetyView) -> Iterator[list[object]]:
    for event in found.iterator(chunk_size=500):
        (line,) = lines([event], view)
        row: list[object] = [
            event.participant.code,
            event.number,
            event.participant.site.code,
            line.term,
            event.started_on,
            event.ended_on,
            int(event.is_serious),
            " ".join(event.criteria),
            event.severity,
            event.outcome,
            event.aware_on,
            event.reported_on,
            " ".join(filter(None, (event.dictionary, event.dictionary_code))) if line.is_told else "",
        ]
        if view.judged:
            row += [line.relatedness, None if line.is_expected is None else int(line.is_expected)]
        if view.told:
            row += [line.action_taken, line.narrative]
        yield row


@require_http_methods(["GET", "POST"])
def adverse_event_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Record an adverse event; `participant` in the address is filled in."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SAFETY_RECORD, trial)
    form = AdverseEventForm(request.POST or None, initial={"participant": request.GET.get("participant", "")})
    made: list[AdverseEvent] = []

    def record() -> None:
        participant = visible_participant(form.cleaned_data["participant"].strip(), by, trial)
        made.append(
            record_adverse_event(
                participant=participant, particulars=form.particulars, by=by, key=form.cleaned_data["key"]
            )
        )

    if form.is_valid() and _recorded(form, record):
        return _to_event(request, made[0], trial)
    context = {"trial": trial, "form": form}
    return render(request, "trials/safety_record.html", context, status=422 if request.method == "POST" else 200)


def _recorded(form: AdverseEventForm, record: Any) -> bool:
    """Whether it was recorded; a code that is unknown is said at its field."""
    try:
        return accepted(form, record)
    except NotFound as error:
        form.add_error("participant", error.sentence)
        return False


def _to_event(request: HttpRequest, event: AdverseEvent, trial: Trial) -> HttpResponse:
    code = event.participant.code
    messages.success(
        request, _("Adverse event %(number)s of %(code)s is saved.") % {"number": event.number, "code": code}
    )
    return redirect("adverse-event", slug=trial.slug, code=code, number=event.number)


@require_http_methods(["GET", "POST"])
def adverse_event(request: HttpRequest, slug: str, code: str, number: int) -> HttpResponse:
    """One adverse event, as far as this person may see it; posting changes it, for a reason."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    event = visible_adverse_event(code, number, by, trial)
    may_record = event.participant.site_id in sites_where(by, Permission.SAFETY_RECORD, trial)
    if request.method == "POST":
        require(by, Permission.SAFETY_RECORD, trial, site=event.participant.site)
    form = AdverseEventChangeForm(event, request.POST or None) if may_record else None
    if form is not None and form.is_valid():
        given = form.cleaned_data
        if accepted(
            form,
            lambda: change_adverse_event(
                adverse_event=event, particulars=form.particulars, by=by, reason=given["reason"]
            ),
        ):
            return _to_event(request, event, trial)
    line: AdverseEventLine
    (line,) = lines([visible_adverse_event(code, number, by, trial)], safety_view(by, trial))
    context = {
        "trial": trial,
        "line": line,
        "event": line.event,
        "criteria": [AdverseEvent.Criterion(each).label for each in line.event.criteria],
        "relatedness": AdverseEvent.Relatedness(line.relatedness).label if line.relatedness else None,
        "death_unrecorded": line.event.outcome == AdverseEvent.Outcome.FATAL and died_on(event.participant) is None,
        "form": form,
    }
    return render(request, "trials/safety_event.html", context, status=422 if request.method == "POST" else 200)
