"""How much a token may ask and send; beyond it 429 with `Retry-After`. Dry runs count too."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from trials.errors import TooMany
from trials.models import LaboratoryCredential, PersonalToken
from trials.services.allowances import Limit, Spent, spend

MINUTE, HOUR = 60, 3600
REQUESTS_SPENT = "Too many requests at once: this token may send {most} a minute. Send it again in {wait} seconds."
ROWS_SPENT = (
    "Too many rows at once: this token may send {most} an hour. Send them again in {wait} seconds. Nothing was saved."
)


class TokenThrottle(BaseThrottle):
    """Counts the requests of a credential or a personal token; people on the pages have no limit here."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return True, or raise TooMany; what is left is told in the headers of every answer."""
        limit = _limit(request.auth, settings.REQUESTS_A_MINUTE, settings.SANDBOX_REQUESTS_A_MINUTE, MINUTE)
        if limit is None:
            return True
        spent = spend(name=f"{_name(request.auth)}.requests", amount=1, limit=limit)
        request._request.allowance = spent  # type: ignore[attr-defined]
        if not spent.is_granted:
            raise _refused(spent, REQUESTS_SPENT)
        return True


def count_rows(request: Request, rows: int) -> None:
    """Count the rows of a delivery, before they are looked at. Raises TooMany where the token sent too many."""
    limit = _limit(request.auth, settings.ROWS_AN_HOUR, settings.SANDBOX_ROWS_AN_HOUR, HOUR)
    if limit is None or not rows:
        return
    spent = spend(name=f"{_name(request.auth)}.rows", amount=rows, limit=limit)
    if not spent.is_granted:
        raise _refused(spent, ROWS_SPENT)


def _name(token: Any) -> str:
    return f"{token._meta.model_name}.{token.pk}"


def _limit(token: Any, most: int, most_in_sandbox: int, seconds: int) -> Limit | None:
    if not isinstance(token, LaboratoryCredential | PersonalToken):
        return None
    is_sandbox = isinstance(token, LaboratoryCredential) and token.is_sandbox
    wished = most_in_sandbox if is_sandbox else most
    return Limit(wished, seconds) if wished else None


def _refused(spent: Spent, sentence: str) -> TooMany:
    told = sentence.format(most=f"{spent.limit.most:,}", wait=spent.retry_after)
    return TooMany("too_many_requests", told, retry_after=spent.retry_after)


class AnswerHeadersMiddleware:
    """Says on every answer of the API what is left of the requests, and whether it came out of a sandbox."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with the headers that the token's request calls for."""
        answer = self._get_response(request)
        spent = getattr(request, "allowance", None)
        if isinstance(spent, Spent):
            answer["RateLimit-Limit"] = str(spent.limit.most)
            answer["RateLimit-Remaining"] = str(spent.remaining)
            answer["RateLimit-Reset"] = str(spent.full_after)
        credential = getattr(getattr(request, "actor", None), "credential", None)
        if credential is not None and credential.is_sandbox:
            answer["Sandbox"] = "true"
        return answer
