"""The card on what the trial shows so far: effects for those entitled, precision for everybody else."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from analytics.models import EffectEstimate
from analytics.selectors.estimates import Estimates, estimates_of
from analytics.selectors.overview import chosen_follow_up
from analytics.selectors.precision import PooledPrecision, pooled_precision
from analytics.selectors.runs import Freshness
from analytics.views.charts import Chart, forest_chart, precision_chart
from analytics.views.numbers import Table, forest_table, precision_table
from trials.access import Actor, actor_of, sees_effects
from trials.models import Trial, Visit
from trials.selectors.trials import visible_trial
from trials.templatetags.interface import ago

STANDARDIZED = "ppc"


@dataclass(frozen=True)
class Card:
    """What the card shows; `seen` changes exactly when it would look different."""

    visit: Visit
    state: Freshness
    is_blinded: bool
    chart: Chart | None
    table: Table
    estimates: Estimates | None = None
    precision: PooledPrecision | None = None

    @property
    def seen(self) -> str:
        """Return the mark by which polling knows that nothing changed, the words of its age among it."""
        computed = self.state.run.computed_at if self.state.run else None
        age = str(ago(computed)).partition(">")[2].partition("<")[0].replace(" ", "-")
        return f"{self.state.etag}.{age}"


def effects_card(trial: Trial, visit: Visit, by: Actor) -> Card:
    """Return the card as `by` may see it."""
    if sees_effects(by, trial):
        found = estimates_of(trial, by)
        standardized = standardized_at(found, visit)
        chart = forest_chart(trial, visit, standardized)
        return Card(visit, found.state, False, chart, forest_table(trial, standardized), estimates=found)
    precision = pooled_precision(trial, visit, by)
    chart = precision_chart(trial, precision) if precision.outcomes else None
    return Card(visit, precision.state, True, chart, precision_table(precision), precision=precision)


def standardized_at(found: Estimates, visit: Visit) -> list[EffectEstimate]:
    """Return the pre-post-control effect sizes at a visit, in the order of the biomarkers."""
    return found.matching(visit=visit.code, method=STANDARDIZED)


@require_safe
def effects_card_part(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer the card for a page that is open: 204 while it looks as the page has seen it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    visit = chosen_follow_up(trial, request.GET.get("visit"))
    if visit is None:
        return HttpResponse(status=204)
    card = effects_card(trial, visit, by)
    if card.seen == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "analytics/_effects_card.html", card_context(trial, card))


def card_context(trial: Trial, card: Card | None) -> dict[str, Any]:
    """Return what the card's template needs."""
    return {"trial": trial, "card": card, "empty_title": _("Nothing is computed yet")}
