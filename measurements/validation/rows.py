"""The one row checker: rows as sent and what is known of the trial in, rows to be stored and findings out.

Pure, and the same for every door (JSON, CSV, FHIR, paste grid, form field), so that all say the same of the same row.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import ParamSpec, TypeVar

from measurements.validation.fields import cleaned, given
from measurements.validation.findings import Fate, Finding, Note, NotedError, once, put_into_words
from measurements.validation.measurands import Measurand, Measurands, Resolved
from measurements.validation.nearness import LOOKUPS, Nearness
from measurements.validation.outcomes import DEFAULTS, AcceptedRow, Checked, Counts, NewSpecimen, Options
from measurements.validation.places import Place, Places
from measurements.validation.quantities import Quantity, not_done, quantity_of
from measurements.validation.reference import NaturalKey, Reference, Status
from measurements.validation.sent import FIELDS, RowAsSent
from measurements.validation.standing import Candidate, Records
from measurements.validation.texts import shown
from measurements.validation.timestamps import parse_collected_at, parse_performed_on
from measurements.validation.values import parse_value

_STATUSES: dict[str, Status] = {
    "final": "final",
    "preliminary": "preliminary",
    "corrected": "corrected",
    "not_done": "not_done",
}
_A_DAY = timedelta(days=1)

P = ParamSpec("P")
T = TypeVar("T")


def check_rows(
    rows: Sequence[RowAsSent], reference: Reference, options: Options = DEFAULTS, numbers: Sequence[int] = ()
) -> Checked:
    """Check a batch; never raises for what the rows hold. `reference` must be of the trial and the laboratory.

    `numbers` are what the rows are called in messages, where that is not 1, 2, 3 and so on; no number twice.
    """
    batch = _Batch(reference, options)
    for number, row in zip(numbers or range(1, len(rows) + 1), rows, strict=True):
        batch.check(number, row)
    return batch.outcome(len(rows))


class _Batch:
    """The state of one check: what was resolved, which keys were seen, and what was noted so far."""

    def __init__(self, reference: Reference, options: Options) -> None:
        self._options = options
        self._now = reference.now
        self._trial_state = reference.trial_state
        self._withheld_of = reference.withheld_of
        self._measurands = Measurands(reference.biomarkers.values())
        self._places = Places(reference, hold_unknown=options.unknown_specimen == "hold")
        self._records = Records(reference)
        self._fields = Nearness(FIELDS)
        self._unknown: set[str] = set()
        self._kinds = {code: biomarker.specimen_kind for code, biomarker in reference.biomarkers.items()}
        self._runs: dict[tuple[str | None, str | None], tuple[str | None, date | None]] = {}
        self._moments: dict[str, datetime] = {}
        self._seen: dict[NaturalKey, int] = {}
        self._accepted: list[AcceptedRow] = []
        self._errors: list[tuple[int, Note]] = []
        self._remarks: list[tuple[int, Note]] = []

    def check(self, number: int, row: RowAsSent) -> None:
        """Accept the row or note every reason why not."""
        problems = _Problems(row)
        resolved = self._measurands.find(row.biomarker, row.assay, row.unit)
        if resolved.biomarker is not None and resolved.biomarker.has_dated_assays:
            resolved = self._measurands.find(row.biomarker, row.assay, row.unit, self._day(row))
        problems.extend(resolved.problems)
        kind = resolved.biomarker.specimen_kind if resolved.biomarker else None
        place = problems.attempt(self._places.find, row, kind)
        terms = problems.attempt(_terms, row)
        quantity = problems.attempt(_quantity, row, resolved, problems)
        collected_at = problems.attempt(self._collected_at, row)
        run = problems.attempt(self._run, row)
        if place is not None:
            problems.attempt(_require_after_draw, row, place, collected_at, run[1] if run else None)
        measurand = resolved.measurand
        if row.unknown:
            self._remark_unknown(number, row)
        if self._is_withheld(resolved, place):
            self._errors.append((number, Note("arm_hidden", "biomarker", row.biomarker)))
            return
        if problems.notes or not (place and terms and quantity and run and measurand):
            self._errors.extend((number, note) for note in problems.notes)
            return
        status, reason, replicate = terms
        held = place.participant_pk is None or self._trial_state != "open"
        candidate = Candidate(row, place, quantity, status, reason, held)
        key = (
            place.specimen,
            measurand.biomarker.code,
            measurand.assay.code if measurand.assay else None,
            run[0],
            replicate,
        )
        self._settle(number, key, candidate, measurand, collected_at, run[1])

    def _is_withheld(self, resolved: Resolved, place: Place | None) -> bool:
        """Whether the sender may not know of such a value: nothing else is said of the row, recorded or not."""
        if self._withheld_of is None or resolved.biomarker is None or not resolved.biomarker.tells_arm:
            return False
        return place is None or place.participant_pk is None or place.participant_pk in self._withheld_of

    def _remark_unknown(self, number: int, row: RowAsSent) -> None:
        """Name the unknown columns, the first of them in the batch: an answer need not list a million."""
        for name in row.unknown[:LOOKUPS]:
            if name in self._unknown or len(self._unknown) < LOOKUPS:
                self._unknown.add(name)
                self._remarks.append((number, Note("column_unknown", name, name, self._fields.nearest(name))))

    def _settle(
        self,
        number: int,
        key: NaturalKey,
        candidate: Candidate,
        measurand: Measurand,
        collected_at: datetime | None,
        performed_on: date | None,
    ) -> None:
        """Compare a good row with the rows before it and with what is stored, and accept it if it agrees."""
        row, place, quantity = candidate.row, candidate.place, candidate.quantity
        try:
            self._require_first(number, key, candidate)
            standing = self._records.standing(key, candidate)
        except NotedError as noted:
            self._errors.append((number, noted.note))
            return
        self._remark(number, candidate, measurand, collected_at, standing.remark)
        assay, parsed = measurand.assay, quantity.parsed
        self._accepted.append(
            AcceptedRow(
                row=number,
                disposition=standing.disposition,
                supersedes=standing.supersedes,
                specimen=place.specimen,
                specimen_pk=place.specimen_pk,
                participant_pk=place.participant_pk,
                visit_pk=place.visit_pk,
                biomarker=measurand.biomarker.code,
                biomarker_pk=measurand.biomarker.pk,
                assay=assay.code if assay else None,
                assay_pk=assay.pk if assay else None,
                run=key[3],
                performed_on=performed_on,
                replicate=key[4],
                value=(row.value or "").strip(),
                unit=(row.unit or "").strip(),
                comparator=parsed.comparator,
                flag=parsed.flag,
                canonical_value=quantity.number,
                canonical_unit=measurand.biomarker.unit,
                factor=measurand.factor,
                limit=quantity.number if parsed.comparator else None,
                collected_at=collected_at,
                status=candidate.status,
                reason=standing.reason,
                implausible=quantity.implausible,
                corrects=(row.corrects or "").strip() or None,
            )
        )

    def _require_first(self, number: int, key: NaturalKey, candidate: Candidate) -> None:
        first = self._seen.setdefault(key, number)
        if first != number:
            details = {"first": first, "specimen": key[0], "biomarker": key[1], "replicate": key[4]}
            value = candidate.row.value or candidate.status
            raise NotedError(Note("duplicate_in_file", "value", value, details=details))

    def _remark(
        self, number: int, candidate: Candidate, measurand: Measurand, collected_at: datetime | None, last: Note | None
    ) -> None:
        """Keep the warnings and infos of an accepted row; one that changes nothing has only that to say."""
        if last is not None:
            self._remarks.append((number, last))
            return
        place = candidate.place
        for note in (*measurand.remarks, *candidate.quantity.remarks, *place.remarks):
            self._remarks.append((number, note))
        if self._trial_state != "open":
            note = Note("trial_locked", place.named[0], place.named[1], details={"state": self._trial_state})
            self._remarks.append((number, note))
        if place.window and (moment := collected_at or place.drawn_at):
            self._remarks.extend((number, note) for note in _outside(place.window, moment))

    def _collected_at(self, row: RowAsSent) -> datetime | None:
        """The moment of collection; the same for all rows of a specimen, so read once."""
        text = row.collected_at
        if not text:
            return None
        moment = self._moments.get(text)
        if moment is None:
            moment = self._moments[text] = parse_collected_at(text, self._now)
        return moment

    def _day(self, row: RowAsSent) -> date:
        """The day that decides which version of an assay a row means: of the run, else of collection, else today.

        A day that cannot be read is told of where it is read for itself.
        """
        try:
            if row.performed_on:
                return parse_performed_on(row.performed_on, self._now)
            if row.collected_at:
                return parse_collected_at(row.collected_at, self._now).date()
        except NotedError:
            pass
        return self._now.date()

    def _run(self, row: RowAsSent) -> tuple[str | None, date | None]:
        """The run's id and day; the same for most rows of a batch, so looked at once."""
        key = (row.run, row.performed_on)
        if key not in self._runs:
            day = parse_performed_on(row.performed_on, self._now) if row.performed_on else None
            self._runs[key] = (given(row.run, "run"), day)
        return self._runs[key]

    def outcome(self, received: int) -> Checked:
        """The batch as a whole, now that every row is known."""
        refused = bool(self._errors) and self._options.on_error == "reject_all"
        fates = self._fates(refused)
        accepted = () if refused else tuple(self._accepted)
        return Checked(
            accepted,
            self._new_specimens(accepted),
            self._findings(self._errors, fates),
            self._findings(self._remarks, fates),
            _counted(received, accepted),
        )

    def _fates(self, refused: bool) -> dict[int, Fate]:
        if refused:
            return {row.row: "refused_with_others" for row in self._accepted}
        return {row.row: row.disposition for row in self._accepted}

    def _findings(self, notes: list[tuple[int, Note]], fates: dict[int, Fate]) -> tuple[Finding, ...]:
        dry_run = self._options.dry_run
        return tuple(
            put_into_words(row, note, fates.get(row, "rejected"), dry_run=dry_run, others=others)
            for row, note, others in once(notes)
        )

    def _new_specimens(self, accepted: tuple[AcceptedRow, ...]) -> tuple[NewSpecimen, ...]:
        new: dict[str, NewSpecimen] = {}
        for row in accepted:
            if row.specimen_pk is None and row.participant_pk is not None and row.visit_pk is not None:
                kind = self._kinds[row.biomarker]
                new.setdefault(row.specimen, NewSpecimen(row.specimen, row.participant_pk, row.visit_pk, kind))
        return tuple(new.values())


class _Problems:
    """The errors of one row, at most one for each field."""

    __slots__ = ("notes",)

    def __init__(self, row: RowAsSent) -> None:
        self.notes: list[Note] = []
        if row.not_text:
            self.extend(tuple(Note("field_not_text", field, kind) for field, kind in row.not_text))

    def attempt(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The step's answer, or None with the reason noted."""
        try:
            return step(*args, **kwargs)
        except NotedError as noted:
            self.extend((noted.note,))
            return None

    def extend(self, notes: tuple[Note, ...]) -> None:
        """Add the notes of fields that have none yet."""
        for note in notes:
            if all(note.field != known.field for known in self.notes):
                self.notes.append(note)


def _terms(row: RowAsSent) -> tuple[Status, str | None, int]:
    """Status, reason and replicate of a row."""
    status = _STATUSES.get(row.status or "final")
    if status is None:
        status = _STATUSES.get(cleaned(row.status or "", "status") or "final")
    if status is None:
        raise NotedError(Note("status_unknown", "status", row.status))
    reason = given(row.reason, "reason")
    if status == "not_done" and reason is None:
        raise NotedError(Note("field_missing", "reason", details={"needed_by": "status not_done"}))
    if row.corrects:
        cleaned(row.corrects, "corrects")
    return status, reason, 1 if row.replicate is None else _replicate(row.replicate)


def _replicate(text: str) -> int:
    digits = cleaned(text, "replicate") or "1"
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits) <= 999):
        raise NotedError(Note("replicate_unreadable", "replicate", text))
    return int(digits)


def _quantity(row: RowAsSent, resolved: Resolved, problems: _Problems) -> Quantity | None:
    """The quantity of a row; what can be said of its value is said even where its biomarker is unknown."""
    if row.status is not None and row.status.strip() == "not_done":
        cleaned(row.unit or "", "unit")
        return not_done(cleaned(row.value or "", "value"))
    parsed = problems.attempt(parse_value, row.value)
    unit_problem = resolved.unit_problem
    if unit_problem is not None and not _needless(unit_problem, row, parsed is None or parsed.number is None):
        sent = {"sent": shown(row.value or "")}
        raise NotedError(
            Note(unit_problem.code, "unit", unit_problem.value, unit_problem.did_you_mean, unit_problem.details | sent)
        )
    if parsed is None or resolved.measurand is None:
        return None
    return quantity_of(row.value or "", parsed, resolved.measurand)


def _needless(unit_problem: Note, row: RowAsSent, no_number: bool) -> bool:
    """A missing unit matters only beside a number."""
    return unit_problem.code == "unit_missing" and (no_number or not row.value)


def _require_after_draw(row: RowAsSent, place: Place, collected_at: datetime | None, performed_on: date | None) -> None:
    drawn_at = place.drawn_at
    if drawn_at is None:
        return
    if collected_at is not None and collected_at < drawn_at:
        raise NotedError(
            Note("date_before_draw", "collected_at", row.collected_at, details={"drawn": drawn_at.isoformat()})
        )
    # The day of a run has no zone and the draw may be stored in another one, so a day's difference proves nothing.
    if performed_on is not None and performed_on < (drawn_at - _A_DAY).date():
        details = {"drawn": drawn_at.date().isoformat()}
        raise NotedError(Note("date_before_draw", "performed_on", row.performed_on, details=details))


def _outside(window: tuple[date, date], moment: datetime) -> tuple[Note, ...]:
    first, last = window
    day = moment.date()
    if first <= day <= last:
        return ()
    side, days = ("before", (first - day).days) if day < first else ("after", (day - last).days)
    return (
        Note(
            "outside_window",
            "collected_at",
            day.isoformat(),
            details={"days": "1 day" if days == 1 else f"{days} days", "side": side},
        ),
    )


def _counted(received: int, accepted: tuple[AcceptedRow, ...]) -> Counts:
    counts = dict.fromkeys(("created", "unchanged", "corrected", "held"), 0)
    for row in accepted:
        counts[row.disposition] += 1
    return Counts(received=received, rejected=received - len(accepted), **counts)
