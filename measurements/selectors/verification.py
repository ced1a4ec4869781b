"""What can be compared with its source, and what a monitor has compared already."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from django.db.models import Q
from django.utils.formats import date_format

from measurements.models import Result, SourceVerification
from measurements.selectors.places import seen_by
from trials.access import Actor, require
from trials.models import Attendance, Participant, ParticipantEvent, Visit
from trials.permissions import Permission

Kind, What = ParticipantEvent.Kind, SourceVerification.Item


@dataclass(frozen=True)
class SourceItem:
    """One thing that stands in a source document: its words, and whether it was compared as it now is.

    `key` names it in a form. `content` is the SHA-256 of what is recorded, which a mark is bound to.
    """

    key: str
    item: str
    label: str
    recorded: str
    content: str
    visit: Visit | None = None
    event: ParticipantEvent | None = None
    result: Result | None = None
    mark: SourceVerification | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the last mark on what is recorded now says that it is what the source says."""
        return self.mark is not None and self.mark.is_verified


def source_items(participants: Sequence[Participant], by: Actor) -> dict[int, list[SourceItem]]:
    """Return by participant: eligibility, consent, attendances, and values typed at the site, in order of the visits.

    What laboratories send is its own source and not in it. All participants are of one trial; five queries.
    """
    for participant in participants:
        require(by, Permission.PARTICIPANT_VIEW, participant.trial, site=participant.site)
    keys = [participant.pk for participant in participants]
    items: dict[int, list[SourceItem]] = {key: [] for key in keys}
    seen = seen_by(by, participants[0].trial) if participants else Q()
    for owner, item in (*_of_events(keys), *_of_visits(keys, seen)):
        items[owner].append(item)
    marks = _marks(keys)
    return {key: [replace(each, mark=marks.get((key, each.item, each.content))) for each in items[key]] for key in keys}


def _of_events(participants: Iterable[int]) -> Iterator[tuple[int, SourceItem]]:
    kinds = {Kind.SCREENED: What.ELIGIBILITY, Kind.CONSENTED: What.CONSENT, Kind.RECONSENTED: What.CONSENT}
    events = ParticipantEvent.objects.filter(participant__in=participants, kind__in=kinds).order_by("id")
    for event in events:
        version = str(event.detail.get("version", ""))
        yield (
            event.participant_id,
            SourceItem(
                f"event-{event.pk}", kinds[Kind(event.kind)], str(event.get_kind_display()),
                ", ".join(filter(None, [_day(event.occurred_on), version])),
                _sha256(event.pk, str(event.occurred_on), version), event=event,
            ),
        )  # fmt: skip


def _of_visits(participants: Iterable[int], seen: Q) -> Iterator[tuple[int, SourceItem]]:
    attendances = Attendance.objects.filter(participant__in=participants).select_related("visit")
    # A laboratory of the trial's own is the site: what is typed into visit forms.
    results = Result.objects.filter(
        seen, specimen__participant__in=participants, superseded_by=None, laboratory__trial__isnull=False
    ).select_related("specimen__visit", "biomarker")
    found = [
        *((each.visit, 0, each.participant_id, _attendance(each)) for each in attendances),
        *((each.specimen.visit, 1, each.specimen.participant_id, _value(each)) for each in results),
    ]
    found.sort(key=lambda line: (line[0].position, line[0].pk, line[1], line[3].label))
    yield from ((owner, item) for _, _, owner, item in found)


def _attendance(attendance: Attendance) -> SourceItem:
    recorded = _day(attendance.attended_on) if attendance.attended_on else attendance.missed_reason
    return SourceItem(
        f"attendance-{attendance.visit.pk}", What.ATTENDANCE, str(What.ATTENDANCE.label), recorded,
        _sha256(attendance.visit.pk, str(attendance.attended_on), attendance.missed_reason), visit=attendance.visit,
    )  # fmt: skip


def _value(result: Result) -> SourceItem:
    recorded = f"{result.value_as_sent} {result.unit_as_sent}".strip() or str(result.get_status_display())
    return SourceItem(
        f"value-{result.pk}", What.VALUE, result.biomarker.name, recorded,
        _sha256(result.pk), visit=result.specimen.visit, result=result,
    )  # fmt: skip


def _marks(participants: Iterable[int]) -> dict[tuple[int, str, str], SourceVerification]:
    marks = SourceVerification.objects.filter(participant__in=participants).select_related("event").order_by("id")
    return {(mark.participant_id, mark.item, mark.content): mark for mark in marks}


def _day(on: date | None) -> str:
    return date_format(on, "j M Y") if on else "–"


def _sha256(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
