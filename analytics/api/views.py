"""Estimates, descriptions, exports and streams: parse, call one selector or service, answer."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.api.shapes import (
    DESCRIPTIVES,
    ESTIMATES,
    EXPORT,
    FILTERS,
    PROBLEM,
    PROBLEMS,
    description_shape,
    estimate_shape,
    export_shape,
    run_shape,
)
from analytics.exports.building import file_name, hand_out
from analytics.exports.copying import CsvStream
from analytics.exports.rights import Scope, effects_scope_of, scope_of
from analytics.selectors.estimates import descriptions_of, estimates_of
from analytics.selectors.exports import visible_export
from analytics.services.exports import request_export
from trials import audit
from trials.access import Actor, actor_of
from trials.models import Trial
from trials.selectors.trials import visible_trial


class Estimates(APIView):
    """The effects of a trial, for those entitled to see outcomes by arm."""

    @extend_schema(parameters=FILTERS, responses={200: ESTIMATES, **PROBLEMS})
    def get(self, request: Request, slug: str) -> Response:
        """Answer the newest estimates; `stale` says that the data are newer. 403 `blinded` for everybody else."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        found = estimates_of(trial, by)
        wanted = {name: request.query_params.get(name) for name in ("biomarker", "visit", "method", "measure")}
        rows = [estimate_shape(row) for row in found.matching(**wanted)]
        return Response({**run_shape(trial, found.state), "estimates": rows})


class Descriptives(APIView):
    """Descriptive statistics per arm and visit, for those entitled to see outcomes by arm."""

    @extend_schema(responses={200: DESCRIPTIVES, **PROBLEMS})
    def get(self, request: Request, slug: str) -> Response:
        """Answer n, means, medians, geometric means and shares below the limit of every biomarker, visit and arm."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        state, rows = descriptions_of(trial, by)
        return Response({**run_shape(trial, state), "descriptives": [description_shape(row) for row in rows]})


class Exports(APIView):
    """Exports of a trial."""

    @extend_schema(request=None, responses={202: EXPORT, **PROBLEMS})
    def post(self, request: Request, slug: str) -> Response:
        """Request a zip of the trial's tables; `Location` is where its state is told."""
        by = actor_of(request)
        export = request_export(trial=visible_trial(slug, by), by=by)
        return Response(
            export_shape(export), status=202, headers={"Location": reverse("api-export", args=[export.reference])}
        )


class ExportDetail(APIView):
    """One export."""

    @extend_schema(responses={200: EXPORT, **PROBLEMS})
    def get(self, request: Request, reference: UUID) -> Response:
        """Answer state, progress and hashes."""
        return Response(export_shape(visible_export(reference, actor_of(request))))


class AnyType(BaseContentNegotiation):
    """A file has one type, whatever the caller would rather have."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the first parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the first renderer."""
        return renderers[0], renderers[0].media_type


class ExportDownload(APIView):
    """The file of a finished export."""

    content_negotiation_class = AnyType

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY, **PROBLEMS, 409: PROBLEM})
    def get(self, request: Request, reference: UUID) -> FileResponse:
        """Send the zip to who asked for it; every download is recorded."""
        by = actor_of(request)
        export = visible_export(reference, by)
        path = hand_out(export=export, by=by)
        name = file_name(export)
        return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/zip")


def _csv_answer(
    request: Request, slug: str, table: str, scope: Callable[[Actor, Trial], Scope]
) -> HttpResponse | StreamingHttpResponse:
    by = actor_of(request)
    trial = visible_trial(slug, by)
    allowed = scope(by, trial)
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{trial.slug}_{table}.csv"',
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    # Before the first row leaves: what was sent in part was taken away too.
    audit.record_read("table.downloaded", by=by, trial=trial, target=trial, table=table)
    return StreamingHttpResponse(CsvStream(table, allowed), headers=headers)


CSV = extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR, **PROBLEMS})


@CSV
class ParticipantsCsv(APIView):
    """Participants as CSV."""

    content_negotiation_class = AnyType

    def get(self, request: Request, slug: str) -> HttpResponse | StreamingHttpResponse:
        """Stream one row per participant; the arm only for those who see allocations."""
        return _csv_answer(request, slug, "participants", scope_of)


@CSV
class ResultsCsv(APIView):
    """Results as CSV."""

    content_negotiation_class = AnyType

    def get(self, request: Request, slug: str) -> HttpResponse | StreamingHttpResponse:
        """Stream one row per result, as sent and as used."""
        return _csv_answer(request, slug, "results", scope_of)


@CSV
class AnalysisCsv(APIView):
    """The analysis-ready table as CSV."""

    content_negotiation_class = AnyType

    def get(self, request: Request, slug: str) -> HttpResponse | StreamingHttpResponse:
        """Stream one row per randomized participant, biomarker and follow-up visit, the baseline beside it."""
        return _csv_answer(request, slug, "analysis", scope_of)


@CSV
class EstimatesCsv(APIView):
    """The estimates as CSV, for those entitled to see outcomes by arm."""

    content_negotiation_class = AnyType

    def get(self, request: Request, slug: str) -> HttpResponse | StreamingHttpResponse:
        """Stream every estimate of the newest run in full precision."""
        return _csv_answer(request, slug, "estimates", effects_scope_of)
