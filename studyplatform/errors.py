"""From a rule that said no to HTTP: problem+json (RFC 9457) for machines, a page for people. Nobody else does this."""

import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, connections
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response

from trials import audit
from trials.access import actor_of
from trials.errors import InConflict, NotAllowed, RuleBroken, TooMany
from trials.selectors.trials import trials_visible_to

log = logging.getLogger(__name__)
Answer = Callable[[HttpRequest], HttpResponse]

TITLES = {
    400: "The request could not be read",
    401: "No valid token",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    406: "This form is not offered",
    409: "Not now",
    413: "Too large",
    415: "Wrong content type",
    422: "Nothing was saved",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "For a moment not available",
}
REFUSED_VALUE = "A value cannot be stored as it was sent. Nothing was saved."
UNREADABLE = "The address holds a NUL character, which no value has. Take it out. Nothing was changed."
UNAVAILABLE = "The database does not answer. Nothing was saved. Send the same request again in a few seconds."


def problem(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the body of a problem answer."""
    return {
        "type": f"/api/v1/problems/{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }


def problem_answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception from an API view; None lets Django's handling go on (a fault of ours, 500)."""
    if isinstance(error, RuleBroken):
        _record_refusal(context["request"], error)
        body = problem(error.status, error.code, error.sentence, errors=error.rows or _wrong_field(error))
        retry_after = error.retry_after if isinstance(error, InConflict | TooMany) else None
        return _answer(error.status, body, {} if retry_after is None else {"Retry-After": str(retry_after)})
    if isinstance(error, DataError):
        log.warning("a value reached the database that it refuses", exc_info=error)
        return _answer(422, problem(422, "value_refused", REFUSED_VALUE))
    if isinstance(error, (OperationalError, InterfaceError)):
        _drop_connections(error)
        return _answer(503, problem(503, "unavailable", UNAVAILABLE), {"Retry-After": "5"})
    if isinstance(error, Http404):
        return _answer(404, problem(404, "not_found", "There is nothing at this address that you may see."))
    if isinstance(error, PermissionDenied):
        return _answer(403, problem(403, "not_allowed", "Your rights do not include this."))
    if isinstance(error, exceptions.APIException):
        return _framework_answer(error)
    return None


def _wrong_field(error: RuleBroken) -> list[dict[str, str]]:
    where = {"pointer": f"/{error.field}", "field": error.field, "code": error.code, "message": error.sentence}
    return [where] if error.field else []


def _record_refusal(request: HttpRequest, error: RuleBroken) -> None:
    """Keep in the audit trail who was told 403; the answer goes out also when the database refuses to keep it."""
    if not isinstance(error, NotAllowed) or error.code == "not_signed_in":
        return
    try:
        by, place = actor_of(request), request.resolver_match
        trial = trials_visible_to(by).filter(slug=place.kwargs.get("slug", "")).first() if place else None
        page = place.view_name if place else ""
        audit.record_read("access.refused", by=by, trial=trial, code=error.code, method=request.method, page=page)
    except (DatabaseError, InterfaceError):
        log.exception("a refusal could not be recorded")


def _framework_answer(error: exceptions.APIException) -> Response:
    status = 422 if isinstance(error, exceptions.ValidationError) else error.status_code
    headers = {}
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)  # type: ignore[attr-defined]
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if isinstance(error, exceptions.ValidationError):
        fields = error.get_full_details()
        return _answer(
            status, problem(status, "fields_wrong", "Some fields are wrong; see `errors`.", errors=_fields(fields))
        )
    return _answer(status, problem(status, str(error.get_codes()), str(error.detail)), headers)


def _fields(details: Any) -> list[dict[str, str]]:
    """Return [{pointer, field, code, message}] of DRF's nested error details."""
    if not isinstance(details, dict):
        return [{"pointer": "", "field": "", "code": item["code"], "message": str(item["message"])} for item in details]
    return [
        {
            "pointer": f"/{field}",
            "field": field,
            "code": str(item.get("code", "wrong")),
            "message": str(item.get("message", item)),
        }
        for field, items in details.items()
        for item in (items if isinstance(items, list) else [items])
    ]


def _answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(body, status=status, headers=headers, content_type="application/problem+json")


class UnavailableMiddleware:
    """With PostgreSQL away the answer is 503 with Retry-After, never a traceback."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, and translate a lost database wherever it shows."""
        try:
            return self._get_response(request)
        except (OperationalError, InterfaceError) as error:
            return self._unavailable(error)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Translate a lost database that a page met."""
        return self._unavailable(error) if isinstance(error, (OperationalError, InterfaceError)) else None

    @staticmethod
    def _unavailable(error: Exception) -> HttpResponse:
        _drop_connections(error)
        body = problem(503, "unavailable", UNAVAILABLE)
        answer = JsonResponse(body, status=503, content_type="application/problem+json")
        answer["Retry-After"] = "5"
        return answer


def _drop_connections(error: Exception) -> None:
    """Log why, and let the next request of this thread connect anew.

    A transaction whose server went away may never have been left; Django closes such a connection only when it is.
    """
    log.error("the database did not answer", exc_info=error)
    for connection in connections.all(initialized_only=True):
        connection.in_atomic_block = False
        connection.close()


class RuleBrokenMiddleware:
    """A page on which a service said no: its sentence, its status, and where to go."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; an address with a NUL, which the database refuses, perhaps amid a download, is answered here."""
        if _holds_nul(request):
            return _unreadable(request)
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Show the refusal of a service, or of the database for a value that no form should have let through."""
        if isinstance(error, DataError):
            log.warning("a value reached the database that it refuses", exc_info=error)
            return render(request, "refused.html", {"sentence": REFUSED_VALUE, "code": "value_refused"}, status=422)
        if not isinstance(error, RuleBroken):
            return None
        _record_refusal(request, error)
        template = {403: "403.html", 404: "404.html"}.get(error.status, "refused.html")
        return render(request, template, {"sentence": error.sentence, "code": error.code}, status=error.status)


def _holds_nul(request: HttpRequest) -> bool:
    asked = (text for name, values in request.GET.lists() for text in (name, *values))
    return "\0" in request.path_info or any("\0" in text for text in asked)


def _unreadable(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        body = problem(400, "address_unreadable", UNREADABLE)
        return JsonResponse(body, status=400, content_type="application/problem+json")
    return render(request, "refused.html", {"sentence": UNREADABLE, "code": "address_unreadable"}, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours with a reference that is also in the log."""
    reference = uuid.uuid4().hex[:12]
    log.error("fault %s at %s", reference, request.path)
    if request.path.startswith("/api/"):
        body = problem(
            500, "fault", "Something went wrong here. Nothing was saved by this request.", reference=reference
        )
        return JsonResponse(body, status=500, content_type="application/problem+json")
    return render(request, "500.html", {"reference": reference}, status=500)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address."""
    if request.path.startswith("/api/"):
        body = problem(404, "not_found", "There is nothing at this address that you may see.")
        return JsonResponse(body, status=404, content_type="application/problem+json")
    return render(request, "404.html", {"sentence": ""}, status=404)
