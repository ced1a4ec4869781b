"""Writing a checked batch: specimens that are missing, results by COPY, held rows, queries.

Everything is written in the order of the natural key, so that overlapping batches wait for one another and never in a
circle. `event_id` and `recorded_at` come from the database's defaults.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import connection
from django.utils import timezone

from measurements.models import Biomarker, HeldRow, HeldRowOutcome, Query, QueryNote, Specimen, Submission
from measurements.selectors.reference import Recorded
from measurements.services.queries import BY_HAND, SEVERAL_VALUES, announce_queries
from measurements.validation import AcceptedRow, Checked, Reference

COLUMNS = (
    "trial_id",
    "submission_id",
    "laboratory_id",
    "specimen_id",
    "biomarker_id",
    "assay_id",
    "run",
    "performed_on",
    "replicate",
    "revision",
    "supersedes_id",
    "row_number",
    "value_as_sent",
    "unit_as_sent",
    "comparator",
    "flag",
    "status",
    "reason",
    "value",
    "unit",
    "limit_of_quantification",
    "collected_at",
)
CORRECTED = "The value was corrected."
COPY = f"COPY measurements_result ({', '.join(COLUMNS)}) FROM STDIN"


@dataclass(frozen=True)
class Stored:
    """What was written, as far as the caller decides by it."""

    results: int
    changes_analysis: bool
    is_told: bool
    """Whether the new version of the data may be told to all: what tells an arm alone makes none."""


def store_rows(submission: Submission, checked: Checked, recorded: Mapping[int, Recorded]) -> Stored:
    """Write the accepted rows of a batch; `recorded` are the results that corrections replace."""
    rows = sorted(checked.accepted, key=_natural_order)
    telling = _telling(submission)
    specimens = _make_specimens(submission, checked, rows, telling)
    results = [row for row in rows if row.disposition in {"created", "corrected"}]
    _copy_results(submission, results, specimens, recorded)
    _hold(submission, [row for row in rows if row.disposition == "held"])
    _settle_queries(submission, [row for row in results if row.disposition == "corrected"])
    _open_queries(submission, checked, results)
    analysed = [row for row in results if _is_analysable(row)]
    return Stored(len(results), bool(analysed), any(row.biomarker_pk not in telling for row in analysed))


def _telling(submission: Submission) -> set[int]:
    """The biomarkers whose values tell the arm."""
    return set(Biomarker.objects.filter(trial=submission.trial_id, tells_arm=True).values_list("pk", flat=True))


def _natural_order(row: AcceptedRow) -> tuple[str, str, str, str, int]:
    return row.specimen, row.biomarker, row.assay or "", row.run or "", row.replicate


def _is_analysable(row: AcceptedRow) -> bool:
    """Whether estimates can change: preliminary values stay out of them, and so does what was not done."""
    return row.status in {"final", "corrected"} or row.disposition == "corrected"


def _make_specimens(
    submission: Submission, checked: Checked, rows: Sequence[AcceptedRow], telling: set[int]
) -> dict[str, int]:
    """Make the specimens that rows of participant and visit need; drawn when their first value was collected.

    What tells an arm says nothing of its specimen, which others see as soon as something else is measured in it.
    """
    waiting = {row.specimen for row in rows if row.disposition in {"created", "corrected"}}
    missing = sorted((new for new in checked.new_specimens if new.id in waiting), key=lambda new: new.id)
    if not missing:
        return {}
    drawn = _first_collected(row for row in rows if row.biomarker_pk not in telling)
    made = Specimen.objects.bulk_create(
        Specimen(
            trial_id=submission.trial_id,
            participant_id=new.participant_pk,
            visit_id=new.visit_pk,
            identifier=new.id,
            specimen_type=new.kind or "",
            drawn_at=drawn.get(new.id),
        )
        for new in missing
    )
    return {specimen.identifier: specimen.pk for specimen in made}


def _first_collected(rows: Iterable[AcceptedRow]) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for row in rows:
        if row.collected_at is not None:
            first[row.specimen] = min(row.collected_at, first.get(row.specimen, row.collected_at))
    return first


def _copy_results(
    submission: Submission,
    rows: Sequence[AcceptedRow],
    specimens: Mapping[str, int],
    recorded: Mapping[int, Recorded],
) -> None:
    if not rows:
        return
    fixed = (submission.trial_id, submission.pk, submission.laboratory_id)
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for row in rows:
            old = recorded[row.supersedes] if row.disposition == "corrected" else None  # type: ignore[index]  # ours are int
            copy.write_row((*fixed, row.specimen_pk or specimens[row.specimen], row.biomarker_pk, *_line(row, old)))


def _line(row: AcceptedRow, old: Recorded | None) -> tuple[object, ...]:
    """The columns after the biomarker; a correction keeps the natural key of what it replaces."""
    return (
        old.assay if old else row.assay_pk,
        old.run if old else row.run or "",
        row.performed_on or (old.performed_on if old else None),
        old.replicate if old else row.replicate,
        old.revision + 1 if old else 0,
        row.supersedes if old else None,
        row.row,
        row.value,
        row.unit,
        row.comparator or "",
        row.flag or "",
        row.status,
        row.reason or "",
        row.canonical_value,
        row.canonical_unit,
        row.limit,
        row.collected_at or (old.collected_at if old else None),
    )


def _hold(submission: Submission, rows: Sequence[AcceptedRow]) -> None:
    if not rows:
        return
    keys = _free_keys(submission, rows)
    held = [
        HeldRow(
            trial_id=submission.trial_id,
            submission=submission,
            laboratory_id=submission.laboratory_id,
            row_number=row.row,
            code="specimen_held" if row.participant_pk is None else "trial_locked",
            natural_key=keys[row.row],
            row=msgspec.to_builtins(row),
        )
        for row in rows
    ]
    HeldRow.objects.bulk_create(sorted(held, key=lambda row: row.natural_key), batch_size=2000)


def _free_keys(submission: Submission, rows: Sequence[AcceptedRow]) -> dict[int, str]:
    """The natural keys by row number; where a row of that key was settled, the key of the next one to wait.

    So it is too where one of a known participant waits and the sender's is of nobody: it is another site's.
    """
    keys = {row.row: _held_key(row) for row in rows}
    of_nobody = {row.row for row in rows if row.participant_pk is None}
    own = HeldRow.objects.filter(trial_id=submission.trial_id, laboratory_id=submission.laboratory_id)
    unchecked = keys
    while unchecked:
        found = own.filter(natural_key__in=unchecked.values()).values_list("natural_key", "settled", "code")
        settled = {key for key, outcome, _ in found if outcome is not None}
        hidden = {key for key, _, code in found if code == "trial_locked"}
        unchecked = {
            number: hashlib.sha256(key.encode()).hexdigest()
            for number, key in unchecked.items()
            if key in settled or (key in hidden and number in of_nobody)
        }
        keys |= unchecked
    return keys


def settle_held_rows(
    submission: Submission, checked: Checked, reference: Reference, released: Mapping[int, int]
) -> None:
    """Say of each held row that these results come of which; once, or the database refuses it.

    `released` are the held rows by row number. A laboratory that sent such a row again has settled it as well.
    """
    waited = {row.row: released.get(row.row) or _waited(row) for row in checked.accepted}
    held = {number: key for number, key in waited.items() if key is not None}
    numbers = sorted(held)
    if not numbers:
        return
    made = dict(submission.results.filter(row_number__in=numbers).values_list("row_number", "id"))
    known = {row.row: _recorded_as(row, reference) for row in checked.accepted if row.disposition == "unchanged"}
    joined = {number: made.get(number) or known.get(number) for number in numbers}
    # Who finds the result that another one made of the row just now has nothing to say of it.
    done = set(HeldRowOutcome.objects.filter(held_row__in=held.values()).values_list("held_row_id", flat=True))
    HeldRowOutcome.objects.bulk_create(
        HeldRowOutcome(held_row_id=held[number], outcome="joined", submission=submission, result_id=result)
        for number, result in joined.items()
        if result is not None and (number in made or held[number] not in done)
    )


def _waited(row: AcceptedRow) -> int | None:
    """The held row whose value was sent again and is accepted now."""
    return row.supersedes if row.disposition == "created" else None


def _recorded_as(row: AcceptedRow, reference: Reference) -> int | None:
    recorded = reference.recorded.get((row.specimen, row.biomarker, row.assay, row.run, row.replicate))
    return recorded.pk if recorded else None


def _held_key(row: AcceptedRow) -> str:
    """One row waits for each natural key; a correction of a waiting one waits beside it."""
    key = [*_natural_order(row), row.supersedes]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _settle_queries(submission: Submission, rows: Sequence[AcceptedRow]) -> None:
    """A corrected value answers the question about the old one, but not why there are several.

    What a rule asked is closed. What a person asked goes over to the new value, answered: a person closes it.
    """
    superseded = [row.supersedes for row in rows if row.supersedes is not None]
    if not superseded:
        return
    about = Query.objects.filter(result_id__in=superseded).exclude(state=Query.State.CLOSED)
    asked = list(about.exclude(code=SEVERAL_VALUES).select_for_update().order_by("id"))
    later = dict(submission.results.filter(supersedes__in=superseded).values_list("supersedes_id", "id"))
    notes = [_settled(query, later[query.result_id]) for query in asked if query.result_id is not None]
    Query.objects.bulk_update(asked, ["result", "state", "answer", "closed_at"], batch_size=500)
    QueryNote.objects.bulk_create(note for note in notes if note is not None)


def _settled(query: Query, later: int) -> QueryNote | None:
    """Change a query about a value that was replaced by `later`; return what is to be noted, where something is."""
    if query.code == BY_HAND:
        query.result_id = later
        if query.state != Query.State.OPEN:
            return None
        query.state, kind = Query.State.ANSWERED, QueryNote.Kind.ANSWERED
    else:
        query.state, query.closed_at, kind = Query.State.CLOSED, timezone.now(), QueryNote.Kind.CLOSED
    query.answer = CORRECTED
    return QueryNote(trial_id=query.trial_id, query=query, kind=kind, text=CORRECTED)


def _open_queries(submission: Submission, checked: Checked, rows: Sequence[AcceptedRow]) -> None:
    asked = {row.row: row for row in rows if row.implausible}
    if not asked:
        return
    questions = {finding.row: finding.message for finding in checked.warnings if finding.code == "value_implausible"}
    keys = dict(submission.results.filter(row_number__in=list(asked)).values_list("row_number", "id"))
    opened = Query.objects.bulk_create(
        Query(
            trial=submission.trial,
            participant_id=row.participant_pk,
            visit_id=row.visit_pk,
            biomarker_id=row.biomarker_pk,
            result_id=keys[number],
            code="value_implausible",
            question=questions[number],
        )
        for number, row in asked.items()
        if row.participant_pk is not None and row.visit_pk is not None
    )
    announce_queries(opened, laboratory=submission.laboratory)
