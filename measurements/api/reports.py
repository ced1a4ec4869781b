"""The row report of a delivery as a file."""

from collections.abc import Iterable
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from measurements.api import schema
from measurements.selectors.listings import visible_submission
from measurements.validation.returned import REPORT_HEADER, report_lines
from trials import audit
from trials.access import actor_of
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer


class _AnyType(BaseContentNegotiation):
    """The answer is a file of one type, whatever the reader accepts; problems are JSON all the same."""

    def select_parser(self, request: Request, parsers: object) -> None:
        """Read no body."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Take the first one."""
        first = next(iter(renderers))
        return first, str(first.media_type)


class SubmissionReport(APIView):
    """What was said of the rows of one delivery."""

    content_negotiation_class = _AnyType

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR, **schema.PROBLEMS})
    def get(self, request: Request, slug: str, reference: UUID) -> HttpResponseBase:
        """Every error, warning and info as a line of a CSV file."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        delivery = visible_submission(by, trial, reference)
        audit.record_read("submission.report_downloaded", by=by, trial=trial, target=delivery)
        return csv_answer(f"{trial.known_as}_{delivery.reference}_report", REPORT_HEADER, report_lines(delivery.report))
