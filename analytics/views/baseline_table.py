"""Table 1 as a page: who was randomized and what they were like at baseline, ready to be copied into a paper."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from analytics.selectors.baseline_table import baseline_table as table_of
from analytics.views.baseline_words import limit_notes, table_rows
from trials import audit
from trials.access import actor_of
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer


@require_safe
def baseline_table(request: HttpRequest, slug: str) -> HttpResponse:
    """The table: by arm for those who see effects and allocations of the whole trial, else all arms together."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    table = table_of(trial, by)
    context = {
        "trial": trial,
        "table": table,
        "state": table.state,
        "rows": table_rows(table),
        "limits": limit_notes(table),
        "several_arms": len(table.arms) > 2,
    }
    return render(request, "analytics/baseline_table.html", context)


@require_safe
def baseline_table_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """The table as the page shows it, with cells as papers print them; the API has it in full precision."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    table = table_of(trial, by)
    difference = (_("SMD"),) if table.arms else ()
    header = (_("Characteristic"), *(arm.name for arm in table.arms), _("Total"), *difference)
    rows = [(row.name, *row.cells, *((row.difference,) if table.arms else ())) for row in table_rows(table)]
    audit.record_read("table.downloaded", by=by, trial=trial, target=trial, table="baseline")
    return csv_answer(f"{trial.slug}_table_1", header, rows)
