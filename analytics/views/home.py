"""The first page after signing in: what waits for me, and my trials."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.selectors.overview import trial_cards
from analytics.selectors.tasks import tasks_of
from analytics.views.task_words import task_line
from trials.access import actor_of


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What waits for the person, and every trial that they take part in as a card; rehearsals apart."""
    by = actor_of(request)
    cards = trial_cards(by)
    context = {
        "tasks": [task_line(task) for task in tasks_of(by)],
        "cards": [card for card in cards if card.trial.rehearsal_of_id is None],
        "rehearsals": [card for card in cards if card.trial.rehearsal_of_id is not None],
    }
    return render(request, "analytics/home.html", context)
