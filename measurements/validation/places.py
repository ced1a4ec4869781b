"""Where a value belongs: the specimen of a row, or that of its participant and visit."""

from datetime import date, datetime
from typing import NoReturn

from msgspec import Struct

from measurements.validation.fields import given
from measurements.validation.findings import Note, NotedError
from measurements.validation.nearness import Nearness
from measurements.validation.reference import Key, Reference, SpecimenRef
from measurements.validation.sent import RowAsSent
from trials.allocation.study_codes import meant_code


class Place(Struct, frozen=True):
    """A specimen, known, to be made, or (all keys None) held because the trial does not know it."""

    specimen: str
    specimen_pk: Key | None
    participant_pk: Key | None
    visit_pk: Key | None
    named: tuple[str, str]
    """Field and text by which the row named it: messages repeat this and reveal no other code."""
    drawn_at: datetime | None = None
    window: tuple[date, date] | None = None
    remarks: tuple[Note, ...] = ()


class Places:
    """Finds the place of a row in a trial."""

    def __init__(self, reference: Reference, *, hold_unknown: bool) -> None:
        self._reference = reference
        self._hold_unknown = hold_unknown
        self._specimens = Nearness(reference.specimens)
        self._participants = Nearness(reference.participants)
        self._visits = Nearness(reference.visits)
        self._made: dict[tuple[str, str, str | None], str] = {}
        self._taken: set[str] = set()
        self._places: dict[str, Place] = {}

    def find(self, row: RowAsSent, kind: str | None) -> Place:
        """The place of `row`, in a specimen of `kind` where the row names none. Raises `NotedError`."""
        specimen_id = row.specimen
        is_named_alone = not (row.participant or row.visit)
        if is_named_alone and specimen_id in self._places:  # a specimen has a row for each biomarker
            return self._places[specimen_id]
        if not specimen_id:
            return self._of_participant(row, kind)
        specimen = self._reference.specimens.get(specimen_id)
        if specimen is None:
            specimen_id = given(specimen_id, "specimen")
            if specimen_id is None:
                return self._of_participant(row, kind)
            specimen = self._reference.specimens.get(specimen_id)
            if specimen is None:
                return self._unknown(specimen_id)
        if not is_named_alone:
            _require_same(row, specimen_id, specimen)
        place = self._places[specimen_id] = self._known(specimen_id, specimen, ("specimen", specimen_id))
        return place

    def _unknown(self, specimen_id: str) -> Place:
        near = self._specimens.nearest(specimen_id)
        if not self._hold_unknown:
            raise NotedError(Note("specimen_unknown", "specimen", specimen_id, near))
        remark = Note("specimen_held", "specimen", specimen_id, near)
        return Place(specimen_id, None, None, None, ("specimen", specimen_id), remarks=(remark,))

    def _known(self, specimen_id: str, specimen: SpecimenRef, named: tuple[str, str]) -> Place:
        remarks: tuple[Note, ...] = ()
        if specimen.drawn_at is None:
            remarks = (Note("specimen_not_received", named[0], specimen_id),)
        return self._at(
            specimen.participant, specimen.visit, specimen_id, specimen.pk, named, specimen.drawn_at, remarks
        )

    def _of_participant(self, row: RowAsSent, kind: str | None) -> Place:
        participant, visit = self._participant(row), self._visit(row)
        named = ("participant", participant)
        ids = self._reference.by_participant_visit.get((participant, visit), ())
        specimens = self._reference.specimens
        fitting = [known for known in ids if kind is None or specimens[known].kind in (None, kind)]
        if len(fitting) > 1:
            details = {"count": len(fitting), "visit": visit}
            raise NotedError(Note("specimen_ambiguous", "participant", participant, details=details))
        if fitting:
            return self._known(fitting[0], specimens[fitting[0]], named)
        return self._at(participant, visit, self._new_id(participant, visit, kind), None, named, None, ())

    def _at(
        self,
        participant: str,
        visit: str,
        specimen_id: str,
        specimen_pk: Key | None,
        named: tuple[str, str],
        drawn_at: datetime | None,
        remarks: tuple[Note, ...],
    ) -> Place:
        """The place, unless its participant withdrew the use of data or its visit is locked while the trial is open."""
        reference = self._reference
        who, planned = reference.participants[participant], reference.visits[visit]
        if who.data_use_withdrawn:
            raise NotedError(Note("participant_withdrawn", *named))
        if planned.locked_for and who.pk in planned.locked_for and reference.trial_state == "open":
            raise NotedError(Note("visit_locked", *named))
        window = reference.windows.get((participant, visit))
        return Place(specimen_id, specimen_pk, who.pk, planned.pk, named, drawn_at, window, remarks)

    def _participant(self, row: RowAsSent) -> str:
        text = row.participant
        if text is not None and text in self._reference.participants:
            return text
        code = given(text, "participant")
        if code is None:
            field = "participant" if row.visit else "specimen"
            raise NotedError(Note("field_missing", field, details={"needed_by": "every row"}))
        if code not in self._reference.participants:
            near = meant_code(code, self._reference.participants) or self._participants.nearest(code)
            raise NotedError(Note("participant_unknown", "participant", code, near))
        return code

    def _visit(self, row: RowAsSent) -> str:
        text = row.visit
        if text is not None and text in self._reference.visits:
            return text
        code = given(text, "visit")
        if code is None:
            raise NotedError(Note("field_missing", "visit", details={"needed_by": "a row without a specimen"}))
        if code not in self._reference.visits:
            known = {"known": ", ".join(self._reference.visits)}
            raise NotedError(Note("visit_unknown", "visit", code, self._visits.nearest(code), known))
        return code

    def _new_id(self, participant: str, visit: str, kind: str | None) -> str:
        """`<participant>-<visit>-1`, or the next number that is free: another kind of specimen may have the first."""
        key = (participant, visit, kind)
        number = 1
        while key not in self._made:
            specimen_id = f"{participant}-{visit}-{number}"
            if specimen_id not in self._taken and specimen_id not in self._reference.specimens:
                self._made[key] = specimen_id
                self._taken.add(specimen_id)
            number += 1
        return self._made[key]


def _require_same(row: RowAsSent, specimen_id: str, specimen: SpecimenRef) -> None:
    """A row may name the participant and the visit beside the specimen, if they are the specimen's."""
    participant, visit = given(row.participant, "participant"), given(row.visit, "visit")
    if participant not in (None, specimen.participant):
        _mismatch(specimen_id, f'participant "{participant}"')
    if visit not in (None, specimen.visit):
        _mismatch(specimen_id, f'visit "{visit}"')


def _mismatch(specimen_id: str, named: str) -> NoReturn:
    raise NotedError(Note("specimen_mismatch", "specimen", specimen_id, details={"named": named}))
