"""The audit trail of a trial."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from trials.access import actor_of
from trials.selectors.audit_trail import events_of, sees_all_events, verbs_of
from trials.selectors.trials import visible_trial

PAGE_SIZE = 50


@require_GET
def audit_trail(request: HttpRequest, slug: str) -> HttpResponse:
    """Who did what when and why, the newest first; `verb` narrows it down."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    events, verbs = events_of(trial, by), verbs_of(trial, by)
    verb = request.GET.get("verb", "")
    if verb in verbs:
        events = events.filter(verb=verb)
    context = {
        "trial": trial,
        "page": Paginator(events, PAGE_SIZE).get_page(request.GET.get("page")),
        "verbs": verbs,
        "verb": verb,
        "is_complete": sees_all_events(trial, by),
    }
    return render(request, "trials/audit_trail.html", context)
