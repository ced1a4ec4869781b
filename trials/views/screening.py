"""The screening log."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from trials import audit
from trials.access import actor_of, has_permission, sites_where
from trials.models import Participant, Trial
from trials.permissions import Permission
from trials.selectors.screening import OUTCOMES, Assessment, assessments, screening_log, screening_totals
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_SIZE = 50
CHUNK = 500


@require_safe
def screening_log_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody assessed: `site`, `outcome`, `first` and `last` narrow the list, `sort` orders it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    chosen = _chosen(request)
    page = Paginator(screening_log(trial, by, **chosen), PAGE_SIZE).get_page(request.GET.get("page"))
    seen = sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    context = {
        "trial": trial,
        "page": page,
        "lines": list(assessments(trial, page.object_list)),
        "totals": screening_totals(trial, by),
        "outcomes": [(code, words) for code, (words, _condition) in OUTCOMES.items()],
        "sites": [site for site in trial.sites.all() if site.pk in seen],
        "chosen": chosen,
        "is_narrowed": any(value for name, value in chosen.items() if name != "sort"),
        "may_enrol": trial.status == Trial.Status.RECRUITING
        and not trial.randomized_elsewhere
        and has_permission(by, Permission.PARTICIPANT_ENROLL, trial),
    }
    return render(request, "trials/screening_log.html", context)


@require_safe
def screening_log_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """What the list shows, every page of it, as CSV; that it was taken is in the trail."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = screening_log(trial, by, **_chosen(request))
    audit.record_read("screening_log.downloaded", by=by, trial=trial, target=trial)
    header = ("screening_code", "site", "screened_on", "outcome", "reason", "unmet_criteria", "note", "study_code")
    return csv_answer(f"{trial.slug}-screening-log", header, map(_row, _lines(trial, found)))


def _chosen(request: HttpRequest) -> dict[str, Any]:
    return {
        "site": request.GET.get("site", ""),
        "outcome": request.GET.get("outcome", ""),
        "first": _day(request.GET.get("first", "")),
        "last": _day(request.GET.get("last", "")),
        "sort": request.GET.get("sort", "-code"),
    }


def _day(text: str) -> date | None:
    """Return the day of an address; None for what is no day."""
    try:
        return parse_date(text)
    except ValueError:
        return None


def _lines(trial: Trial, found: QuerySet[Participant]) -> Iterator[Assessment]:
    """Yield every line, some hundreds at a time, so that long logs take no more memory than short ones."""
    for start in range(0, found.count(), CHUNK):
        yield from assessments(trial, found[start : start + CHUNK])


def _row(line: Assessment) -> tuple[object, ...]:
    person = line.participant
    return (
        line.screening_code,
        person.site.code,
        person.screened_on,
        line.outcome,
        line.reason,
        "; ".join(line.unmet),
        line.note,
        line.study_code,
    )
