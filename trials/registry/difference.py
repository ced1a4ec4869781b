"""What differs between two documents: rows are matched by their code, so that an inserted one moves no other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

ABSENT: Any = object()


@dataclass(frozen=True)
class Change:
    """One difference: where it is (field names and codes, outermost first), and what stood there before and after."""

    kind: Literal["added", "removed", "changed"]
    path: tuple[str, ...]
    before: Any = None
    after: Any = None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return every change that leads from one document to the other, in the order of the documents; () when equal.

    A row (or a whole part) that is there on one side only is one change. The order of rows is not compared.
    """
    return tuple(_differences((), keyed(before), keyed(after)))


def keyed(value: Any) -> Any:
    """Return the document with every list of coded rows as a mapping from code to row."""
    if isinstance(value, Mapping):
        return {key: keyed(each) for key, each in value.items()}
    if isinstance(value, list) and value and all(isinstance(each, Mapping) and "code" in each for each in value):
        return {str(each["code"]): keyed(each) for each in value}
    return value


def _differences(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Change]:
    # A table that was empty, or is now, has no codes by which one would know it for a table.
    before, after = _as_table(before, after), _as_table(after, before)
    if before is after or (type(before) is type(after) and before == after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*after, *(key for key in before if key not in after)]:
            yield from _differences((*path, key), before.get(key, ABSENT), after.get(key, ABSENT))
    elif _is_nothing(before) and _is_nothing(after):
        yield Change("changed", path)
    elif _is_nothing(before):
        yield Change("added", path, None, after)
    elif _is_nothing(after):
        yield Change("removed", path, before, None)
    else:
        yield Change("changed", path, before, after)


def _as_table(value: Any, other: Any) -> Any:
    return {} if value == [] and isinstance(other, Mapping) else value


def _is_nothing(value: Any) -> bool:
    return value is ABSENT or value is None or (isinstance(value, str | list | dict) and not value)
