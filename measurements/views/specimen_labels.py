"""Sheets of labels: bar codes that say the specimen's id and nothing of anybody."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from measurements.forms.specimens import MOST_BLANK, PLACES, LabelsForm
from measurements.labels import Code128Error, code_128, code_128_svg, new_identifier
from measurements.models import Specimen
from measurements.selectors.listings import specimens_visible_to
from measurements.selectors.specimens import specimens_listed
from measurements.views.specimens import wish_of
from trials.access import actor_of, has_permission, require
from trials.permissions import Permission
from trials.selectors.trials import visible_trial

MOST_LABELS = 1000
QUIET = 20
NARROW = {"3x8": 66 / 0.19, "5x13": 35 / 0.19}
"""How many modules of 0.19 mm, which is the least that hand scanners read, a label is wide."""


@dataclass(frozen=True)
class Label:
    """One label: the bars, and the id as text under them."""

    identifier: str
    bars: SafeString


@require_safe
def specimen_labels(request: HttpRequest, slug: str) -> HttpResponse:
    """Show labels for printing: of the specimens `id`, of those that the list's filters leave, or `blank` new ids."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SPECIMEN_VIEW, trial)
    asked = LabelsForm({"sheet": "3x8", "start": "1"} | request.GET.dict())
    unasked = {"sheet": "3x8", "start": 1, "blank": None}
    given: dict[str, Any] = asked.cleaned_data if asked.is_valid() else unasked
    keys = [int(each) for each in request.GET.getlist("id") if each.isdecimal() and len(each) < 16]
    blank = min(given["blank"] or 0, MOST_BLANK) if has_permission(by, Permission.SPECIMEN_MANAGE, trial) else 0
    found: list[Specimen] = []
    if not blank:
        listed = specimens_visible_to(by, trial).filter(pk__in=keys).order_by("pk")
        found = list((listed if keys else specimens_listed(by, trial, wish_of(request)))[:MOST_LABELS])
    identifiers = [new_identifier() for _ in range(blank)] or [each.identifier for each in found if not tells(each)]
    labels = [label for each in identifiers if (label := _label(each)) is not None]
    context = {
        "trial": trial,
        "form": asked,
        "sheet": given["sheet"],
        "sheets": _sheets(labels, PLACES[given["sheet"]], given["start"]),
        "count": len(labels),
        "left_out": len(found) - len(labels) if found else 0,
        "dense": sum(_modules(each.identifier) > NARROW[given["sheet"]] for each in labels),
        "kept": [(name, value) for name, values in request.GET.lists() for value in values if name not in asked.fields],
        "may_manage": has_permission(by, Permission.SPECIMEN_MANAGE, trial),
        "most": MOST_LABELS,
        "is_cut": len(found) == MOST_LABELS,
    }
    return render(request, "measurements/specimen_labels.html", context)


def tells(specimen: Specimen) -> bool:
    """Return whether a specimen's id holds its participant's code: such an id is on no label."""
    return _letters(specimen.participant.code) in _letters(specimen.identifier)


def _letters(text: str) -> str:
    return "".join(character for character in text.upper() if character.isalnum())


def _label(identifier: str) -> Label | None:
    try:
        return Label(identifier, mark_safe(code_128_svg(identifier)))  # noqa: S308 - made of numbers, its name escaped
    except Code128Error:
        return None


def _modules(identifier: str) -> int:
    return 11 * (len(code_128(identifier)) - 1) + 13 + QUIET


def _sheets(labels: list[Label], places: int, start: int) -> list[list[Label | None]]:
    """The labels by sheet; the places that are used up on the first are empty."""
    filled: list[Label | None] = [*[None] * (min(start, places) - 1), *labels] if labels else []
    return [filled[at : at + places] for at in range(0, len(filled), places)]
