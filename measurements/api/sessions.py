"""Sessions over the API: what apps and coach-bots report, and what those who may see arms read."""

import hashlib
from typing import Any, cast

from django.http import HttpRequest, QueryDict
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from measurements.api import schema
from measurements.api.deliveries import PARAMETERS, body_of, fingerprint, refuse
from measurements.models import Session
from measurements.selectors.sessions import sessions_visible_to
from measurements.services.idempotency import key_of
from measurements.services.sessions import record_sessions
from measurements.validation import PayloadRefused
from measurements.validation.session_rows import SessionAsSent, decode_sessions
from measurements.validation.sessions import KINDS, SessionOptions
from trials.access import actor_of
from trials.api.pagination import ByCursor
from trials.api.throttling import count_rows
from trials.selectors.trials import visible_trial

READ_PARAMETERS = frozenset({"participant", "cursor", "page_size"})
CHOICES = {name: PARAMETERS[name] for name in ("on_error", "dry_run")}

TEXT, MAYBE = schema.TEXT, schema.MAYBE
ROW = schema.object_of(
    participant=TEXT,
    occurred_at={"type": "string", "format": "date-time"},
    external_id=TEXT,
    attended={"type": "boolean", "default": True},
    reason=TEXT,
    minutes=TEXT,
    completion=TEXT,
    number=schema.NUMBER,
    kind={"type": "string", "enum": list(KINDS), "default": "digital"},
    therapist=TEXT,
    software=TEXT,
    software_version=TEXT,
) | {"required": ["participant", "occurred_at"]}
DELIVERY = schema.object_of(sessions={"type": "array", "items": ROW, "maxItems": 1000}) | {"required": ["sessions"]}
ANSWER = schema.object_of(
    **dict.fromkeys(("received", "created", "unchanged", "rejected"), schema.NUMBER),
    dry_run={"type": "boolean"},
    **schema.FINDINGS,
)
SESSION = schema.object_of(
    id=TEXT,
    participant=TEXT,
    occurred_at=TEXT,
    external_id=MAYBE,
    attended={"type": "boolean"},
    reason=MAYBE,
    minutes=MAYBE,
    completion=MAYBE,
    number={"type": "integer", "nullable": True},
    kind=TEXT,
    therapist=MAYBE,
    software=MAYBE,
    software_version=MAYBE,
    source=TEXT,
    recorded_at=TEXT,
    retracted=MAYBE,
)
EXAMPLE = OpenApiExample(
    "A coach-bot's day",
    request_only=True,
    value={
        "sessions": [
            {
                "participant": "PNI-081-K",
                "occurred_at": "2026-11-20T18:30:00+01:00",
                "minutes": 24.5,
                "kind": "coach_bot",
                "external_id": "a6b1-0001",
                "software": "Nightlight",
                "software_version": "2.3.1",
            }
        ]
    },
)


class Sessions(APIView):
    """Sessions of a trial's interventions: report them, read them."""

    @extend_schema(
        request={"application/json": DELIVERY},
        parameters=[each for each in schema.POST_PARAMETERS if each.name != "unknown_specimen"],
        responses={201: ANSWER, 200: ANSWER, **schema.POST_PROBLEMS},
        examples=[EXAMPLE],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Check sessions and store them: 201 something was saved, 200 all was known, 422 rows are wrong.

        The answer never depends on an arm.
        """
        by = actor_of(request)
        trial = visible_trial(slug, by)
        sent = request._request
        _require_json(sent)
        options, body = _options(sent.GET), body_of(sent)
        key = key_of(by, request.headers.get("Idempotency-Key"), fingerprint(sent, body))
        rows = _rows(body)
        count_rows(request, len(rows))
        answer = record_sessions(
            trial=trial,
            rows=rows,
            by=by,
            options=options,
            body_sha256=hashlib.sha256(body).hexdigest(),
            key=key,
        )
        headers = {"Idempotent-Replay": "true"} if answer.is_replay else {}
        if answer.status != 422:
            return Response(answer.body, status=answer.status, headers=headers)
        problem = {
            "type": "/api/v1/problems/rows_wrong",
            "title": "Nothing was saved",
            "status": 422,
            "detail": "Rows are wrong; see `errors`. Nothing was saved.",
            "code": "rows_wrong",
        }
        return Response(problem | answer.body, status=422, headers=headers, content_type="application/problem+json")

    @extend_schema(
        parameters=[OpenApiParameter("participant", str, description="A participant's code."), schema.CURSOR],
        responses={200: schema.page_of(SESSION), 422: schema.PROBLEM, **schema.PROBLEMS},
    )
    def get(self, request: Request, slug: str) -> Response:
        """List sessions, retracted ones among them: a laboratory's own, or those whose arm the reader may see."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        found = sessions_visible_to(by, trial)
        for name in request.query_params:
            if name not in READ_PARAMETERS:
                known = ", ".join(sorted(READ_PARAMETERS))
                refuse(422, "parameter_unknown", f"“{name[:60]}” is not a parameter. Send {known}.", field=name)
        code = request.query_params.get("participant")
        if code is not None:
            # A text that no code can be would choke the database; it matches nobody.
            found = found.filter(participant__code=code) if code.isascii() and code.isprintable() else found.none()
        pages = ByCursor()
        listed = pages.paginate_queryset(found, request, self) or []
        return pages.get_paginated_response([session_shape(session) for session in listed])


def session_shape(session: Session) -> dict[str, Any]:
    """Return a session as the API shows it; never an arm."""
    retraction = getattr(session, "retraction", None)
    return {
        "id": str(session.pk),
        "participant": session.participant.code,
        "occurred_at": session.occurred_at,
        "external_id": session.external_id or None,
        "attended": session.attended,
        "reason": session.reason or None,
        "minutes": None if session.minutes is None else f"{session.minutes:f}",
        "completion": None if session.completion is None else f"{session.completion:f}",
        "number": session.number,
        "kind": session.kind,
        "therapist": session.therapist.code if session.therapist else None,
        "software": session.software or None,
        "software_version": session.software_version or None,
        "source": session.source,
        "recorded_at": session.recorded_at,
        "retracted": retraction.reason if retraction else None,
    }


def _require_json(request: HttpRequest) -> None:
    content_type = request.content_type or ""
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if content_type != "application/json":
        named = f"“{content_type[:100]}”" if content_type else "No content type"
        refuse(415, "content_type_unknown", f"{named} is not read here. Send application/json. Nothing was saved.")
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        refuse(415, "charset_unknown", "Only UTF-8 is read here. Save the body as UTF-8. Nothing was saved.")


def _options(query: QueryDict) -> SessionOptions:
    """Return how wrong rows are treated; an unknown parameter is refused, since a misspelt `dry_run` must not store."""
    for name in query:
        if name not in CHOICES:
            sentence = f"“{name[:60]}” is not a parameter. Send {' or '.join(CHOICES)}. Nothing was saved."
            refuse(422, "parameter_unknown", sentence, field=name)
    chosen = {name: _choice(query, name) for name in CHOICES}
    return SessionOptions(cast(Any, chosen["on_error"]), chosen["dry_run"] == "true")


def _choice(query: QueryDict, name: str) -> str:
    values = query.getlist(name) or [CHOICES[name][0]]
    if len(values) > 1 or values[0] not in CHOICES[name]:
        choices = " or ".join(CHOICES[name])
        sentence = f"“{', '.join(values)[:60]}” is not a value of {name}. Send {choices}. Nothing was saved."
        refuse(422, "parameter_wrong", sentence, field=name)
    return values[0]


def _rows(body: bytes) -> tuple[SessionAsSent, ...]:
    try:
        return decode_sessions(body)
    except PayloadRefused as refused:
        refuse(refused.status, refused.code, refused.sentence)
