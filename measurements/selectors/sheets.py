"""A visit's sheet: what is planned to be measured of a participant, and what is recorded of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from measurements.models import Biomarker, Query, Result, Specimen
from measurements.selectors.cross_over import may_offer_cross_over
from measurements.selectors.places import seen_by, shows_lines, specimens_seen_by
from measurements.selectors.schedule import VisitLine, planned_visit
from trials.access import Actor, has_permission, require
from trials.models import Attendance, Laboratory, Participant, Trial, Visit
from trials.permissions import Permission
from trials.schedule import Window, study_day


@dataclass(frozen=True)
class Line:
    """A biomarker with its recorded result, where there is one: the site's own, or else a laboratory's."""

    biomarker: Biomarker
    result: Result | None
    query: Query | None
    specimen: str
    is_own: bool


@dataclass(frozen=True)
class Sheet:
    """Everything that a visit form shows."""

    participant: Participant
    visit: Visit
    attendance: Attendance | None
    specimens: list[Specimen]
    lines: list[Line]
    planned: VisitLine
    may_record: bool
    may_attend: bool
    may_lock: bool
    may_cross_over: bool

    @property
    def drawn_at(self) -> datetime | None:
        """When the first of the specimens was drawn."""
        return min((specimen.drawn_at for specimen in self.specimens if specimen.drawn_at), default=None)

    @property
    def last_saved(self) -> datetime | None:
        """When a value was recorded last."""
        return max((line.result.recorded_at for line in self.lines if line.result), default=None)

    @property
    def window(self) -> Window | None:
        """First, target and last day; None before the anchor is known, and where it would tell the reader an arm."""
        return self.planned.window

    @property
    def is_locked(self) -> bool:
        """Whether the visit, apart from the trial, is locked."""
        return self.attendance is not None and self.attendance.locked_at is not None

    @property
    def day(self) -> int | None:
        """The study day on which the visit took place."""
        on = self.attendance.attended_on if self.attendance else None
        if on is None and self.drawn_at is not None:
            on = timezone.localdate(self.drawn_at)
        anchor = self.participant.randomized_on
        return study_day(on, anchor) if on is not None and anchor is not None else None


def visit_sheet(participant: Participant, visit: Visit, laboratory: Laboratory, by: Actor) -> Sheet:
    """Return the sheet of a visit; `laboratory` is the one that values entered here belong to."""
    trial = participant.trial
    require(by, Permission.RESULT_VIEW, trial, site=participant.site)
    found = Specimen.objects.filter(specimens_seen_by(by, trial), participant=participant, visit=visit)
    specimens = list(found.order_by("identifier"))
    results = _current_results(specimens, seen_by(by, trial))
    attendance = Attendance.objects.filter(participant=participant, visit=visit).first()
    is_open = trial.data_state == Trial.DataState.OPEN
    is_kept = is_open and not (attendance and attendance.locked_at) and not participant.data_use_withdrawn
    return Sheet(
        participant,
        visit,
        attendance,
        specimens,
        _lines(trial, specimens, results, laboratory, shows_lines(by, trial, participant.site_id)),
        planned_visit(participant, visit, by),
        may_record=is_kept and has_permission(by, Permission.RESULT_RECORD, trial, site=participant.site),
        may_attend=is_kept and has_permission(by, Permission.VISIT_RECORD, trial, site=participant.site),
        may_lock=is_open and has_permission(by, Permission.VISIT_LOCK, trial, site=participant.site),
        may_cross_over=is_open and may_offer_cross_over(participant, visit, by),
    )


def _current_results(specimens: Iterable[Specimen], seen: Q) -> list[Result]:
    found = Result.objects.filter(seen, specimen__in=list(specimens), superseded_by=None)
    return list(found.select_related("specimen", "laboratory").order_by("id"))


def _lines(
    trial: Trial, specimens: list[Specimen], results: list[Result], laboratory: Laboratory, shown: Q
) -> list[Line]:
    own = {result.biomarker_id: result for result in results if result.laboratory_id == laboratory.pk}
    others = {result.biomarker_id: result for result in results if result.laboratory_id != laboratory.pk}
    of_kind = {specimen.specimen_type: specimen.identifier for specimen in reversed(specimens)}
    queries = {query.result_id: query for query in Query.objects.filter(result__in=results).order_by("id")}
    lines = []
    for biomarker in Biomarker.objects.filter(shown, trial=trial):
        result = own.get(biomarker.pk) or others.get(biomarker.pk)
        is_own = result is None or biomarker.pk in own
        specimen = result.specimen.identifier if result else of_kind.get(biomarker.specimen_type, "")
        lines.append(Line(biomarker, result, queries.get(result.pk) if result else None, specimen, is_own))
    return lines
