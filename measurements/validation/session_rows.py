"""Sessions as an app or a coach-bot sends them: from the bytes of a body to rows, nothing decided yet."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from measurements.validation.decode import read_json, refuse_payload, require_shallow
from measurements.validation.nearness import Nearness
from measurements.validation.texts import shown

MOST_SESSIONS = 1_000
_KINDS = {list: "a list", dict: "an object", bool: "true or false"}


class SessionAsSent(Struct, frozen=True):
    """One row; None where a field was not sent. Numbers are texts, as sent."""

    participant: str | None = None
    occurred_at: str | None = None
    external_id: str | None = None
    attended: str | None = None
    reason: str | None = None
    minutes: str | None = None
    completion: str | None = None
    number: str | None = None
    kind: str | None = None
    therapist: str | None = None
    software: str | None = None
    software_version: str | None = None
    not_text: tuple[tuple[str, str], ...] = ()
    """Fields that held something else than one text or number, each with what it was ("a list")."""
    unknown: tuple[str, ...] = ()
    """Names of fields that sessions do not have."""


SESSION_FIELDS = tuple(field for field in SessionAsSent.__struct_fields__ if field not in {"not_text", "unknown"})


def decode_sessions(body: bytes) -> tuple[SessionAsSent, ...]:
    """The rows of a body `{"sessions": [...]}`.

    Raises `PayloadRefused` (400 `malformed`, `duplicate_key` or `too_deep`, 413 `too_large` or `too_many_rows`,
    422 `encoding`, `not_an_object`, `field_missing` or `field_unknown`).
    """
    document = read_json(body)
    if not isinstance(document, dict):
        refuse_payload(422, "not_an_object", 'The body holds no object. Send {"sessions": [...]}. Nothing was saved.')
    sessions = document.pop("sessions", None)
    if not isinstance(sessions, list):
        refuse_payload(422, "field_missing", 'The body has no list "sessions". Add it. Nothing was saved.')
    if document:
        name = shown(next(iter(document)))
        sentence = f'"{name}" is not a field here. Send "sessions" alone. Nothing was saved.'
        refuse_payload(422, "field_unknown", sentence)
    if len(sessions) > MOST_SESSIONS:
        sentence = f"There are more than {MOST_SESSIONS} sessions. Send them in parts. Nothing was saved."
        refuse_payload(413, "too_many_rows", sentence)
    return tuple(_row(fields) for fields in sessions)


def _row(fields: Any) -> SessionAsSent:
    if not isinstance(fields, dict):
        return SessionAsSent(not_text=(("participant", "a row that is no object"),))
    for value in fields.values():
        if isinstance(value, dict | list):
            require_shallow(value)
    return session_as_sent(fields)


def session_as_sent(fields: Mapping[str, Any]) -> SessionAsSent:
    """The row that a mapping of field names makes; whatever else it holds is noted in the row."""
    texts: dict[str, str] = {}
    not_text = []
    for name in SESSION_FIELDS:
        value = fields.get(name)
        if name == "attended" and isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, str):
            texts[name] = value
        elif value is not None:
            not_text.append((name, _KINDS.get(type(value), "something else")))
    unknown = tuple(str(name) for name in fields if name not in SESSION_FIELDS)
    return SessionAsSent(**texts, not_text=tuple(not_text), unknown=unknown)


def nearest_field(name: str) -> str | None:
    """The field that a misspelt name is nearest to."""
    return Nearness(SESSION_FIELDS).nearest(name)
