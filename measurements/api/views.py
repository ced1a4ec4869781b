"""The laboratories' door: results in, results, biomarkers, specimens and submissions out."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from measurements.api import schema
from measurements.api.deliveries import body_of, channel_of, fingerprint, options_of, payload_of, refuse
from measurements.api.shapes import biomarker_shape, result_shape, specimen_shape, submission_shape
from measurements.selectors import listings
from measurements.services.idempotency import key_of
from measurements.services.results import Answer, laboratory_of, record_results
from measurements.validation.findings import NotedError
from measurements.validation.timestamps import parse_collected_at
from trials.access import actor_of
from trials.api.pagination import ByCursor
from trials.api.throttling import count_rows
from trials.models import Trial
from trials.selectors.trials import visible_trial

ROWS_WRONG = "Rows are wrong; see `errors`. Nothing was saved."


class Results(APIView):
    """Results of a trial: deliver them, read them."""

    @extend_schema(
        request={"application/json": schema.DELIVERY, "text/csv": schema.TEXT},
        parameters=schema.POST_PARAMETERS,
        responses={201: schema.ANSWER, 200: schema.ANSWER, **schema.POST_PROBLEMS},
        examples=schema.EXAMPLES,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Check a delivery and store it: 201 something was saved, 200 all was known, 422 rows are wrong."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        channel, options, body = (
            channel_of(request._request),
            options_of(request._request.GET),
            body_of(request._request),
        )
        key = key_of(by, request.headers.get("Idempotency-Key"), fingerprint(request._request, body))
        payload = payload_of(request._request, body)
        count_rows(request, len(payload.rows))
        answer = record_results(
            trial=trial,
            laboratory=laboratory_of(by, trial),
            payload=payload,
            by=by,
            channel=channel,
            options=options,
            body_sha256=hashlib.sha256(body).hexdigest(),
            key=key,
        )
        return _told(answer)

    @extend_schema(
        parameters=schema.RESULT_PARAMETERS,
        responses={200: schema.page_of(schema.RESULT), 422: schema.PROBLEM, **schema.PROBLEMS},
    )
    def get(self, request: Request, slug: str) -> Response:
        """List results as sent and as used, superseded ones among them."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        query = request.query_params
        found = listings.results_visible_to(
            by,
            trial,
            biomarker=_chosen(query.get("biomarker"), "biomarker", trial.biomarkers.values_list("code", "pk")),
            visit=_chosen(query.get("visit"), "visit", trial.visits.values_list("code", "pk")),
            since=_moment(query.get("updated_since")),
        )
        return _page(self, found, lambda results: [result_shape(result) for result in results])


class Biomarkers(APIView):
    """What a trial measures."""

    @extend_schema(parameters=[schema.CURSOR], responses={200: schema.page_of(schema.BIOMARKER), **schema.PROBLEMS})
    def get(self, request: Request, slug: str) -> Response:
        """List biomarkers with units, plausible ranges and the limits of assays."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        assays = listings.assays_of(by, trial)
        found = listings.biomarkers_of(by, trial)
        return _page(self, found, lambda listed: [biomarker_shape(each, assays.get(each.pk, [])) for each in listed])


class Specimens(APIView):
    """A trial's specimens, and among them those that wait for results."""

    @extend_schema(
        parameters=schema.SPECIMEN_PARAMETERS,
        responses={200: schema.page_of(schema.SPECIMEN), 422: schema.PROBLEM, **schema.PROBLEMS},
    )
    def get(self, request: Request, slug: str) -> Response:
        """List specimens with the biomarkers that they await."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        awaiting = request.query_params.get("awaiting")
        if awaiting not in {None, "results"}:
            refuse(422, "parameter_wrong", "Only awaiting=results can be asked for.", field="awaiting")
        found = listings.specimens_visible_to(by, trial, awaiting_results=awaiting is not None)
        return _page(self, found, lambda listed: _specimens(trial, listed))


class SubmissionDetail(APIView):
    """One delivery."""

    @extend_schema(responses={200: schema.SUBMISSION, **schema.PROBLEMS})
    def get(self, request: Request, slug: str, reference: UUID) -> Response:
        """Show a delivery's counts and its row report."""
        by = actor_of(request)
        return Response(submission_shape(listings.visible_submission(by, visible_trial(slug, by), reference)))


def _told(answer: Answer) -> Response:
    headers = {"Idempotent-Replay": "true"} if answer.is_replay else {}
    if answer.status != 422:
        return Response(answer.body, status=answer.status, headers=headers)
    problem = {
        "type": "/api/v1/problems/rows_wrong",
        "title": "Nothing was saved",
        "status": 422,
        "detail": ROWS_WRONG,
        "code": "rows_wrong",
    }
    return Response(problem | answer.body, status=422, headers=headers, content_type="application/problem+json")


def _page(view: APIView, found: QuerySet[Any, Any], shape: Callable[[list[Any]], list[dict[str, Any]]]) -> Response:
    pages = ByCursor()
    listed = pages.paginate_queryset(found, view.request, view) or []
    return pages.get_paginated_response(shape(listed))


def _specimens(trial: Trial, listed: list[Any]) -> list[dict[str, Any]]:
    awaited = listings.awaited(trial, listed)
    return [specimen_shape(specimen, awaited[specimen.pk]) for specimen in listed]


def _chosen(code: str | None, name: str, known: QuerySet[Any, Any]) -> int | None:
    """Return the key of the code that a parameter names; compared here, so that no text reaches the database unread."""
    if code is None:
        return None
    keys = dict(known)
    if code not in keys:
        refuse(
            422,
            f"{name}_unknown",
            f"“{code[:60]}” is not a {name} of this trial. Send one of: {', '.join(keys)}.",
            field=name,
        )
    return int(keys[code])


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # In an address, a plus sign that was not encoded arrives as a space.
        return parse_collected_at(text.replace(" ", "+"), timezone.now())
    except NotedError:
        refuse(
            422,
            "parameter_wrong",
            f"“{text[:60]}” is not a past date and time with an offset, such as 2026-11-20T08:30:00Z.",
            field="updated_since",
        )
