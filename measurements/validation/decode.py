"""From the bytes of a JSON delivery to rows as sent, and what every reader of deliveries keeps to.

What is wrong with one row is noted in it; only a body that cannot be read as rows at all is refused here.
"""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from measurements.validation.sent import RowAsSent, row_as_sent
from measurements.validation.texts import shown

MOST_BYTES = 10_000_000
MOST_ROWS = 20_000
DEEPEST = 20
_TOO_DEEP = f"The JSON is nested deeper than {DEEPEST} levels. Send flat rows. Nothing was saved."


class PayloadRefused(ValueError):  # noqa: N818 - it says what happened to the payload
    """The body as a whole cannot be read: HTTP status, code and a sentence for people."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


class RunAsSent(Struct, frozen=True):
    """The run that a delivery names for all its rows; the rows carry it as well."""

    id: str | None = None
    performed_on: str | None = None


class Payload(Struct, frozen=True):
    """A delivery: its run and its rows, each with the run filled in where it names none itself."""

    run: RunAsSent
    rows: tuple[RowAsSent, ...]
    numbers: tuple[int, ...] = ()
    """What the rows are called in messages, where that is not 1, 2, 3 and so on."""


def decode_json(body: bytes) -> Payload:
    """The rows of a JSON body `{"run": {...}, "results": [...]}`.

    Raises `PayloadRefused` (400 `malformed`, `duplicate_key` or `too_deep`, 413 `too_large` or `too_many_rows`,
    422 `encoding`, `not_an_object`, `field_missing` or `field_not_text`).
    """
    document = read_json(body)
    if not isinstance(document, dict):
        refuse_payload(422, "not_an_object", 'The body holds no object. Send {"results": [...]}. Nothing was saved.')
    results = document.pop("results", None)
    if not isinstance(results, list):
        refuse_payload(422, "field_missing", 'The body has no list "results". Add it. Nothing was saved.')
    require_few(len(results))
    require_shallow(document)
    run, unknown = _run(document.pop("run", None))
    rows = [_json_row(fields, run) for fields in results]
    unknown = (*document, *unknown)
    if rows and unknown:  # said at the first row, because a finding belongs to a row
        rows[0] = replace(rows[0], unknown=(*unknown, *rows[0].unknown))
    return Payload(run, tuple(rows))


def read_json(body: bytes) -> Any:
    """The JSON of a body, numbers as texts. Raises `PayloadRefused`: 400, 413 or 422 `encoding`."""
    text = utf8_text(body)
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=str,  # as texts, so that 1.80 keeps its digits
            parse_float=str,
            parse_constant=str,  # NaN and Infinity are refused with their row, as any other value
        )
    except RecursionError:
        refuse_payload(400, "too_deep", _TOO_DEEP)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        refuse_payload(
            400, "malformed", f"The body stops being JSON at {where}: {error.msg}. Mend it there. Nothing was saved."
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = _first_repeated(name for name, _ in pairs)
        sentence = f'An object has the key "{shown(twice)}" twice. Send each key once. Nothing was saved.'
        raise PayloadRefused(400, "duplicate_key", sentence)
    return fields


def _first_repeated(names: Iterable[str]) -> str:
    """The first name that occurs a second time, or nothing."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _run(run: Any) -> tuple[RunAsSent, tuple[str, ...]]:
    """The run of a body and its unknown fields. One that holds no texts is refused: it would be wrong in every row."""
    fields = {} if run is None else run
    if not isinstance(fields, dict) or not all(isinstance(value, str | None) for value in fields.values()):
        refuse_payload(
            422, "field_not_text", '"run" needs the texts "id" and "performed_on". Send it so. Nothing was saved.'
        )
    unknown = tuple(name for name in fields if name not in {"id", "performed_on"})
    return RunAsSent(fields.get("id"), fields.get("performed_on")), unknown


def _json_row(fields: Any, run: RunAsSent) -> RowAsSent:
    if not isinstance(fields, dict):
        return RowAsSent(not_text=(("specimen", "a row that is no object"),))
    for value in fields.values():
        if isinstance(value, dict | list):
            require_shallow(value)
    if run.id is not None and fields.get("run") is None:
        fields["run"] = run.id
    if run.performed_on is not None and fields.get("performed_on") is None:
        fields["performed_on"] = run.performed_on
    return row_as_sent(fields)


def require_shallow(value: Any) -> None:
    """Raise `PayloadRefused` (400 `too_deep`) for what is nested too deep inside of a row."""
    level, depth = [value], 2  # at most: the list of rows and the row are above it
    while level:
        depth += 1
        if depth > DEEPEST:
            refuse_payload(400, "too_deep", _TOO_DEEP)
        level = [inner for outer in level for inner in _inside(outer)]


def _inside(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [item for item in inner if isinstance(item, dict | list)]


def utf8_text(body: bytes) -> str:
    """The text of a body. Raises `PayloadRefused` (413 `too_large`, 422 `encoding`)."""
    require_small(body)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        refuse_payload(
            422, "encoding", f"Line {line} is not UTF-8. Save the file as UTF-8 and send it again. Nothing was saved."
        )


def require_small(body: bytes) -> None:
    """Raise `PayloadRefused` (413 `too_large`) for more than 10 MB."""
    if len(body) > MOST_BYTES:
        refuse_payload(413, "too_large", "The body is larger than 10 MB. Send it in parts. Nothing was saved.")


def require_few(rows: int) -> None:
    """Raise `PayloadRefused` (413 `too_many_rows`) for more than 20,000 rows."""
    if rows > MOST_ROWS:
        refuse_payload(
            413, "too_many_rows", f"There are more than {MOST_ROWS} rows. Send them in parts. Nothing was saved."
        )


def refuse_payload(status: int, code: str, sentence: str) -> NoReturn:
    """Refuse the body as a whole."""
    raise PayloadRefused(status, code, sentence)
