"""The first page after signing in: my trials."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.selectors.overview import trial_cards
from trials.access import actor_of


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Every trial that the person takes part in, as a card."""
    return render(request, "analytics/home.html", {"cards": trial_cards(actor_of(request))})
