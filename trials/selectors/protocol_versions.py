"""The versions of a trial's protocol, and what differs between two, as members may read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext

from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import ProtocolVersion, Trial
from trials.permissions import Permission
from trials.registry.difference import Change, differences, keyed
from trials.selectors.protocol_words import CHOICES, LABELS, ROWS
from trials.selectors.registry import as_readable

NAMED_BY = ("title", "name", "text")
ORDER = {field: position for position, field in enumerate(LABELS)}


@dataclass(frozen=True)
class Line:
    """One difference in words: `kind` (added, removed, changed), where, and what stood there before and after."""

    kind: str
    where: str
    before: str
    after: str


def versions_of(trial: Trial, by: Actor) -> QuerySet[ProtocolVersion]:
    """Return the versions with who made them, the newest first, without their documents."""
    require(by, Permission.TRIAL_VIEW, trial)
    return ProtocolVersion.objects.filter(trial=trial).select_related("event").defer("document").order_by("-number")


def version_of(trial: Trial, by: Actor, number: int) -> ProtocolVersion:
    """Return one version, its document as `by` may read it; raise NotFound."""
    require(by, Permission.TRIAL_VIEW, trial)
    version = ProtocolVersion.objects.filter(trial=trial, number=number).select_related("event").first()
    if version is None:
        raise NotFound("version_unknown", f"There is no version {number} of this protocol.")
    version.document = as_readable(version.document, trial, by)
    return version


def difference_between(earlier: ProtocolVersion, later: ProtocolVersion) -> list[Line]:
    """Return what changed from one version to another, in words; the documents as `version_of` gave them."""
    before, after = keyed(earlier.document), keyed(later.document)
    return [_line(change, before, after) for change in differences(earlier.document, later.document)]


def _line(change: Change, before: Mapping[str, Any], after: Mapping[str, Any]) -> Line:
    return Line(
        kind=change.kind,
        where=_where(change.path, after, before),
        before=_text(change.before, change.path),
        after=_text(change.after, change.path),
    )


def _where(path: tuple[str, ...], *documents: Mapping[str, Any]) -> str:
    """Return where a change is: “Visit Six months, Name”."""
    if path[0] not in ROWS or len(path) < 2:
        words = [_label(part) for part in path[1:] or path]
    else:
        words = [f"{ROWS[path[0]]} “{_row_name(path, documents)}”", *(_label(part) for part in path[2:])]
    return ", ".join(words)


def _row_name(path: tuple[str, ...], documents: tuple[Mapping[str, Any], ...]) -> str:
    tables = (document.get(path[0]) for document in documents)
    row: Mapping[str, Any] = next(
        (rows[path[1]] for rows in tables if isinstance(rows, Mapping) and path[1] in rows), {}
    )
    return str(next((row[name] for name in NAMED_BY if row.get(name)), path[1]))


def _label(field: str) -> str:
    return str(LABELS.get(field) or ROWS.get(field) or field.replace("_", " ").capitalize())


def _text(value: Any, path: tuple[str, ...]) -> str:
    """Return a value in words: codes by their name, lists and rows in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, Mapping):
        # The database keeps no order of fields; the words do.
        fields = sorted((key for key in value if key != "code"), key=lambda key: ORDER.get(key, len(ORDER)))
        parts = ((_label(key), _text(value[key], (*path, key))) for key in fields)
        return "; ".join(f"{label}: {text}" for label, text in parts if text)
    if isinstance(value, list):
        return ", ".join(_text(each, path) for each in value)
    if isinstance(value, str) and value in LABELS and path[-1] == "none_of":
        return str(LABELS[value])
    return str(CHOICES.get((path[0], path[-1]), {}).get(value, value))
