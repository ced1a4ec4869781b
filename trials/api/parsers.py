"""JSON as this API takes it: no deeper than any body needs, no key twice, and nothing the database cannot store."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

MOST_DEPTH = 20


class StrictJSONParser(BaseParser):
    """Reads `application/json`."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the value sent; ParseError (400) for what is no JSON or not taken."""
        try:
            value = json.loads(stream.read(), object_pairs_hook=_object, parse_constant=_refuse_constant)
            _require_shallow(value)
            written = json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be written
        except (ValueError, RecursionError) as error:
            raise ParseError(f"This is not JSON as taken here: {error}") from error
        if rb"\u0000" in written:
            raise ParseError("Texts may not hold the character NUL.")
        return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return read


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MOST_DEPTH}")


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
