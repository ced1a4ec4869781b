"""How the FHIR base speaks: `application/fhir+json` with exact decimals, and an OperationOutcome for every refusal."""

from collections.abc import Callable
from typing import Any

import msgspec
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from measurements.fhir.writing import Resource, issue, operation_outcome

FHIR_JSON = "application/fhir+json"
_TAKEN = frozenset({FHIR_JSON, "application/json", "application/*", "*/*", ""})
_FORMATS = frozenset({FHIR_JSON, "application/json", "json"})
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ISSUES = {
    400: "structure",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    503: "transient",
}
"""HTTP statuses, to FHIR's value set issue-type."""


class FhirRenderer(BaseRenderer):
    """Writes a resource; decimals with the digits that they have, never by way of a float."""

    media_type = FHIR_JSON
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return the bytes of a resource."""
        return b"" if data is None else _ENCODER.encode(data)


class FhirNegotiation(BaseContentNegotiation):
    """Offers JSON alone, under whichever of its names a client of FHIR asks for it."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the first parser; bodies are read raw."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the one renderer; NotAcceptable where `Accept` or `_format` leaves no room for it."""
        asked = request._request.GET.get("_format", "")
        # FHIR lets the parameter overrule the header, for clients that cannot set one.
        wanted, taken = (asked, _FORMATS) if asked else (request.headers.get("Accept", ""), _TAKEN)
        if taken.isdisjoint(part.partition(";")[0].strip().lower() for part in wanted.split(",")):
            raise NotAcceptable
        return renderers[0], FHIR_JSON


class FhirView(APIView):
    """Whatever stands below a trial's FHIR base."""

    renderer_classes = [FhirRenderer]
    content_negotiation_class = FhirNegotiation

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Return the handler of refusals: that of the whole API, translated."""
        handle = super().get_exception_handler()
        return lambda error, context: _as_outcome(handle(error, context))


def _as_outcome(answer: Response | None) -> Response | None:
    """Return the same refusal as an OperationOutcome; None stays a fault of ours."""
    if answer is not None:
        answer.data = outcome_of(answer.data)
        answer.content_type = FHIR_JSON
    return answer


def outcome_of(problem: dict[str, Any]) -> Resource:
    """Return a problem (RFC 9457) as an OperationOutcome: one issue for it, or one for each field that is wrong."""
    kind = _ISSUES.get(problem["status"], "processing")
    fields = [error for error in problem.get("errors", []) if error["message"] != problem["detail"]]
    issues = [issue("error", kind, error["code"], error["message"], error["field"]) for error in fields]
    return operation_outcome(issues or [issue("error", kind, problem["code"], problem["detail"])])
