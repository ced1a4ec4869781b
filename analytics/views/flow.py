"""The flow of participants after CONSORT 2025, as a page to print and as a picture to take away."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from analytics.selectors.flow import trial_flow
from analytics.views.charts import flow_chart
from analytics.views.flow_words import flow_table, summary
from trials.access import actor_of
from trials.selectors.trials import visible_trial


@require_safe
def flow(request: HttpRequest, slug: str) -> HttpResponse:
    """The diagram, its words and its numbers; pooled for those who do not see allocations of the whole trial."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    counted = trial_flow(trial, by)
    context = {
        "trial": trial,
        "counts": counted.counts,
        "is_analysed": counted.is_analysed,
        "outcomes": counted.arms[0].outcomes if counted.arms else (),
        "chart": flow_chart(counted),
        "summary": summary(counted),
        "table": flow_table(counted),
        "counted_at": timezone.now(),
    }
    return render(request, "analytics/flow.html", context)


@require_safe
def flow_svg(request: HttpRequest, slug: str) -> HttpResponse:
    """The diagram as a file, with its own colours and nothing from elsewhere."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    return svg_answer(f"{trial.slug}_flow", flow_chart(trial_flow(trial, by)).wide)


def svg_answer(name: str, picture: str) -> HttpResponse:
    """Answer with a picture to be saved under this name."""
    answer = HttpResponse(picture, content_type="image/svg+xml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.svg"'
    return answer
