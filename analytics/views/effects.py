"""The effects page: every estimate with its interval, how it was computed, and why there is none."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.selectors.estimates import descriptions_of
from analytics.selectors.overview import chosen_follow_up, follow_up_visits
from analytics.views.effects_card import Card, effects_card
from analytics.views.numbers import description_table, model_rows
from trials.access import Actor, actor_of
from trials.models import Trial
from trials.selectors.trials import visible_trial


@require_safe
def effects(request: HttpRequest, slug: str) -> HttpResponse:
    """The effects at one follow-up visit (`visit`), or for the blinded how precisely they will be known."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    visit = chosen_follow_up(trial, request.GET.get("visit"))
    card = effects_card(trial, visit, by) if visit else None
    context: dict[str, Any] = {"trial": trial, "card": card, "visit": visit, "visits": follow_up_visits(trial)}
    if card is not None and card.estimates is not None:
        context |= _model(trial, card, by)
    return render(request, "analytics/effects.html", context)


def _model(trial: Trial, card: Card, by: Actor) -> dict[str, Any]:
    """Return the model's results at the card's visit, and what they were computed from."""
    rows = model_rows(trial, card.estimates.matching(visit=card.visit.code) if card.estimates else [])
    used = max((row for row in rows), key=lambda row: row.used, default=None)
    described = [each for each in descriptions_of(trial, by)[1] if each.visit_id == card.visit.pk]
    formulas = {each.formula for each in card.estimates.matching(visit=card.visit.code)} if card.estimates else set()
    return {
        "rows": rows,
        "notes": list(dict.fromkeys((row.outcome, row.notes) for row in rows if row.notes)),
        "most_used": used,
        "several_arms": trial.arms.count() > 2,
        "descriptions": description_table(trial, described),
        "formulas": sorted(formula for formula in formulas if formula),
        "reference_arm": trial.arms.get(is_reference=True),
        "arms": [arm for arm in trial.arms.all() if not arm.is_reference],
    }
