"""Specimens as pages show them: the list, the worklist, one with what happened to it. None of it says an arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from measurements.labels import typed_identifier
from measurements.models import Biomarker, Result, Shipment, Specimen
from measurements.selectors.listings import awaited, specimens_visible_to
from measurements.selectors.places import seen_by
from measurements.validation.nearness import Nearness
from measurements.validation.texts import has_only_kept_characters
from trials.access import Actor, sites_where
from trials.errors import NotFound
from trials.models import Participant, Trial, Visit
from trials.permissions import Permission

OVERDUE_AFTER = timedelta(days=28)
"""So long after receipt, or after the draw where no receipt is recorded, results are called overdue."""
QUESTIONNAIRE = "questionnaire"
ORDERS = {
    "specimen": "identifier",
    "participant": "participant__number",
    "site": "participant__site__name",
    "visit": "visit__position",
    "type": "specimen_type",
    "state": "state",
    "drawn": "drawn_at",
    "received": "received_at",
    "since": "waits_since",
}
"""Columns that a list can be sorted by."""


@dataclass(frozen=True)
class SpecimenWish:
    """What a list is narrowed to and ordered by; empty leaves all. `sort` with a minus is descending."""

    visit: str = ""
    kind: str = ""
    state: str = ""
    site: str = ""
    awaiting: bool = False
    sort: str = ""


def specimens_listed(by: Actor, trial: Trial, wish: SpecimenWish) -> QuerySet[Specimen, Any]:
    """Return the specimens that `by` may see and wishes for, each with `waits_since`.

    What holds the answers of a questionnaire is no tube: it is listed only where its kind is wished for.
    """
    found = specimens_visible_to(by, trial, awaiting_results=wish.awaiting).select_related("participant__site")
    if wish.kind != QUESTIONNAIRE:
        found = found.exclude(specimen_type=QUESTIONNAIRE)
    narrowed = {
        "visit__code": wish.visit,
        "specimen_type": wish.kind,
        "state": wish.state if wish.state in Specimen.State.values else "",
        "participant__site__code": wish.site,
    }
    found = found.filter(**{name: value for name, value in narrowed.items() if value})
    listed = found.annotate(waits_since=Coalesce("received_at", "drawn_at"))
    field = F(ORDERS.get(wish.sort.removeprefix("-"), "waits_since" if wish.awaiting else "identifier"))
    order = field.desc(nulls_last=True) if wish.sort.startswith("-") else field.asc(nulls_last=True)
    return listed.order_by(order, "pk")


@dataclass(frozen=True)
class SpecimenLine:
    """A specimen in a list, with what it awaits and since when."""

    specimen: Specimen
    awaiting: Sequence[str]
    since: datetime | None
    is_overdue: bool


def specimen_lines(trial: Trial, specimens: Sequence[Any]) -> list[SpecimenLine]:
    """Return the lines of listed specimens."""
    to_come = awaited(trial, specimens)
    late = timezone.now() - OVERDUE_AFTER
    return [
        SpecimenLine(
            each,
            to_come[each.pk],
            each.waits_since if to_come[each.pk] else None,
            bool(to_come[each.pk] and each.waits_since and each.waits_since < late),
        )
        for each in specimens
    ]


def visible_specimen(number: int, by: Actor, trial: Trial) -> Specimen:
    """Return one specimen; NotFound in the same words for a missing one and one that `by` may not see."""
    found = specimens_visible_to(by, trial).select_related("participant__site", "trial").filter(pk=number).first()
    if found is None:
        raise _unknown()
    return found


def specimen_of_id(typed: str, by: Actor, trial: Trial) -> Specimen:
    """Return the specimen whose id was typed or scanned; NotFound names the nearest id that `by` may see."""
    text = typed_identifier(typed)
    visible = specimens_visible_to(by, trial).select_related("participant__site", "trial")
    if text and len(text) <= 80 and has_only_kept_characters(text, "specimen"):
        found = visible.filter(identifier=text).first() or visible.filter(identifier__iexact=text).first()
        if found is not None:
            return found
    near = Nearness(list(visible.order_by("pk").values_list("identifier", flat=True)[:5000])).nearest(text)
    raise _unknown(text, near)


def _unknown(text: str = "", near: str | None = None) -> NotFound:
    named = f"“{text[:64]}” is no specimen that you may see." if text else "There is no such specimen that you may see."
    return NotFound("specimen_unknown", f"{named} Did you mean {near}?" if near else named)


def results_in(specimen: Specimen, by: Actor) -> list[Result]:
    """Return the current results in a specimen and its aliquots: a laboratory's own, people's all."""
    found = Result.objects.filter(seen_by(by, specimen.trial), trial=specimen.trial_id, superseded_by=None)
    found = found.filter(specimen=specimen) | found.filter(specimen__parent=specimen)
    if by.credential is not None:
        found = found.filter(laboratory=by.credential.laboratory_id)
    return list(found.select_related("biomarker", "laboratory", "specimen").order_by("biomarker__position", "id"))


def types_of(trial: Trial) -> list[str]:
    """Return the types of specimen that the trial's biomarkers need; questionnaires have no tube."""
    kinds = Biomarker.objects.filter(trial=trial, is_awaited=True).exclude(specimen_type=QUESTIONNAIRE)
    return sorted(set(kinds.values_list("specimen_type", flat=True)))


def missing_types(participant: Participant, visit: Visit) -> list[str]:
    """Return the types that a visit needs and has no specimen of, lost and destroyed ones not counted."""
    there = Specimen.objects.filter(participant=participant, visit=visit, parent=None)
    kept = there.exclude(state__in=[Specimen.State.LOST, Specimen.State.DESTROYED])
    return sorted(set(types_of(participant.trial)) - set(kept.values_list("specimen_type", flat=True)))


def shipments_visible_to(by: Actor, trial: Trial) -> QuerySet[Shipment]:
    """Return the parcels from the sites whose specimens `by` may see, the newest first."""
    sites = sites_where(by, Permission.SPECIMEN_VIEW, trial)
    return Shipment.objects.filter(trial=trial, site__in=sites).select_related("site", "laboratory", "trial")


def visible_shipment(number: int, by: Actor, trial: Trial) -> Shipment:
    """Return one parcel; NotFound in the same words for a missing and a hidden one."""
    found = shipments_visible_to(by, trial).filter(number=number).first()
    if found is None:
        raise NotFound("shipment_unknown", "There is no such shipment that you may see.")
    return found


@dataclass(frozen=True)
class ManifestLine:
    """A specimen in a parcel: how it arrived, where that is recorded. It names no participant."""

    specimen: Specimen
    received_at: datetime | None
    condition: str
    condition_label: str


def manifest(shipment: Shipment) -> list[ManifestLine]:
    """Return what was packed into a parcel, in order of packing, and in which condition each piece arrived."""
    arrived: Mapping[int, Any] = {
        event.specimen_id: event for event in shipment.events.filter(kind="received").order_by("id")
    }
    lines = shipment.lines.select_related("specimen", "specimen__visit")
    return [_manifest_line(line.specimen, arrived.get(line.specimen_id)) for line in lines]


def _manifest_line(specimen: Specimen, event: Any) -> ManifestLine:
    if event is None:
        return ManifestLine(specimen, None, "", "")
    return ManifestLine(specimen, event.at, event.condition, event.get_condition_display())
