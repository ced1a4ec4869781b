"""From a request to a delivery: size, type, parameters, body. Nothing here knows what a row means."""

import hashlib
from collections.abc import Callable, Mapping
from typing import NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, QueryDict

from measurements.models import Submission
from measurements.validation import Options, Payload, PayloadRefused, decode_csv, decode_json
from measurements.validation.decode import MOST_BYTES
from trials.errors import RuleBroken

Decoder = Callable[[bytes], Payload]
TYPES: Mapping[str, tuple[str, Decoder]] = {
    "application/json": (Submission.Channel.API_JSON, decode_json),
    "text/csv": (Submission.Channel.API_CSV, decode_csv),
}
PARAMETERS = {
    "on_error": ("reject_all", "reject_rows"),
    "dry_run": ("false", "true"),
    "unknown_specimen": ("reject", "hold"),
}
"""Each parameter with its values; the first is the default."""


def refuse(status: int, code: str, sentence: str, *, field: str = "") -> NoReturn:
    """Raise RuleBroken with this HTTP status."""
    refusal = RuleBroken(code, sentence, field=field)
    refusal.status = status
    raise refusal


def channel_of(request: HttpRequest) -> str:
    """Return the channel that the content type names; 415 where it is not one that is read here."""
    content_type = request.content_type or ""
    if content_type not in TYPES:
        named = f"“{content_type[:100]}”" if content_type else "No content type"
        refuse(
            415,
            "content_type_unknown",
            f"{named} is not read here. Send application/json or text/csv. Nothing was saved.",
        )
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        refuse(415, "charset_unknown", "Only UTF-8 is read here. Save the body as UTF-8. Nothing was saved.")
    return TYPES[content_type][0]


def body_of(request: HttpRequest) -> bytes:
    """Return the raw body; 413 beyond 10 MB, before it is read where its length is told."""
    told = request.META.get("CONTENT_LENGTH") or "0"
    try:
        if told.isdigit() and int(told) <= MOST_BYTES:
            return request.body
    except RequestDataTooBig:
        pass
    refuse(413, "too_large", "The body is larger than 10 MB. Send it in parts. Nothing was saved.")


def payload_of(request: HttpRequest, body: bytes) -> Payload:
    """Return the rows of a body. Raises RuleBroken where it cannot be read as rows at all."""
    decode = TYPES[request.content_type or ""][1]
    try:
        return decode(body)
    except PayloadRefused as refused:
        refuse(refused.status, refused.code, refused.sentence)


def options_of(query: QueryDict) -> Options:
    """Return how the sender wants rows treated; 422 for a parameter or value that is not known.

    A misspelt `dry_run` must not store anything, so unknown parameters are refused.
    """
    for name in query:
        if name not in PARAMETERS:
            known = ", ".join(PARAMETERS)
            refuse(
                422,
                "parameter_unknown",
                f"“{name[:60]}” is not a parameter. Send {known}. Nothing was saved.",
                field=name,
            )
    return Options(
        on_error=_choice(query, "on_error"),  # type: ignore[arg-type]  # one of the two by PARAMETERS
        unknown_specimen=_choice(query, "unknown_specimen"),  # type: ignore[arg-type]  # likewise
        dry_run=_choice(query, "dry_run") == "true",
    )


def _choice(query: QueryDict, name: str) -> str:
    values = query.getlist(name) or [PARAMETERS[name][0]]
    if len(values) > 1 or values[0] not in PARAMETERS[name]:
        choices = " or ".join(PARAMETERS[name])
        sentence = f"“{', '.join(values)[:60]}” is not a value of {name}. Send {choices}. Nothing was saved."
        refuse(422, "parameter_wrong", sentence, field=name)
    return values[0]


def fingerprint(request: HttpRequest, body: bytes) -> str:
    """Return the SHA-256 by which a repeated request is known: address, parameters, type and body."""
    parameters = sorted((name, values) for name, values in request.GET.lists())
    head = f"{request.path}\n{parameters}\n{request.content_type}\n"
    return hashlib.sha256(head.encode("utf-8", "surrogatepass") + body).hexdigest()
