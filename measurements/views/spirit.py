"""The schedule of enrolment, interventions and assessments, as a page and as CSV."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from measurements.selectors.spirit import spirit_schedule
from trials.access import actor_of
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer


@require_GET
def schedule(request: HttpRequest, slug: str) -> HttpResponse:
    """The table after SPIRIT 2025."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    context = {"trial": trial, "schedule": spirit_schedule(trial, by)}
    return render(request, "measurements/spirit_schedule.html", context)


@require_GET
def schedule_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """The same table as a file."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    table = spirit_schedule(trial, by)
    header = [_("Part"), _("What"), *(f"{point.name}, {point.when}" for point in table.time_points)]
    rows = ([group, row.label, *row.marks] for group, made in table.groups for row in made)
    return csv_answer(f"{trial.slug}-spirit", header, rows)
