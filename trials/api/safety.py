"""Adverse events over the API: to read, as far as they tell no arm."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trials.access import actor_of
from trials.api.pagination import ByCursor
from trials.api.views import READ_PROBLEMS
from trials.errors import RuleBroken
from trials.selectors.safety import AdverseEventLine, adverse_events_visible_to, lines, safety_view
from trials.selectors.trials import visible_trial

PARAMETERS = frozenset({"cursor", "page_size"})


class AdverseEvents(APIView):
    """The adverse events of a trial."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT} | READ_PROBLEMS)
    def get(self, request: Request, slug: str) -> Response:
        """List adverse events, page by page; what may not be shown is null for everybody alike."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        view = safety_view(by, trial)
        for name in request.query_params:
            if name not in PARAMETERS:
                sentence = f"“{name[:60]}” is not a parameter. Send {' or '.join(sorted(PARAMETERS))}."
                raise RuleBroken("parameter_unknown", sentence, field=name)
        pages = ByCursor()
        listed = pages.paginate_queryset(adverse_events_visible_to(by, trial), request, self) or []
        return pages.get_paginated_response([adverse_event_shape(line) for line in lines(listed, view)])


def adverse_event_shape(line: AdverseEventLine) -> dict[str, Any]:
    """Return an adverse event as the API shows it."""
    event = line.event
    return {
        "participant": event.participant.code,
        "number": event.number,
        "site": event.participant.site.code,
        "term": line.term,
        "started_on": event.started_on,
        "ended_on": event.ended_on,
        "ongoing": event.is_ongoing,
        "serious": event.is_serious,
        "criteria": event.criteria,
        "severity": event.severity,
        "outcome": event.outcome,
        "aware_on": event.aware_on,
        "reported_on": event.reported_on,
        "relatedness": line.relatedness,
        "expected": line.is_expected,
        "action_taken": line.action_taken,
        "narrative": line.narrative,
    }
