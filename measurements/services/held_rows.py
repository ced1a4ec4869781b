"""Settling rows that wait: they join the results, by themselves or by hand, or are set aside for a reason.

A row joins as if its laboratory had sent it now: the one checker reads it with today's knowledge of the trial, and it
is recorded as a delivery of its own (channel `released`). What does not pass goes on waiting. Each held row has at most
one outcome, which the database keeps: of two people who release the same row at once, the later finds it done.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from msgspec.structs import replace

from measurements.models import HeldRow, HeldRowOutcome, Specimen, Submission
from measurements.selectors.held_rows import require_settling, rows_as_sent, waiting_for
from measurements.services.results import record_results
from measurements.validation import Options, Payload, RowAsSent, RunAsSent
from trials import audit
from trials.access import Actor
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Trial
from trials.services.writing import require_writable

ONE_BY_ONE = Options(on_error="reject_rows")
NATURAL_KEY = ("specimen", "biomarker", "assay", "run", "replicate")


@dataclass(frozen=True)
class Released:
    """How many rows joined, how many go on waiting, and why, in the checker's words."""

    joined: int
    waiting: int
    reasons: Sequence[str] = ()


def release_held_rows(*, trial: Trial, by: Actor, numbers: Iterable[int] | None = None) -> Released:
    """Let the rows with these numbers, or all that can, join the results; return what became of them.

    Rows that were settled meanwhile count for nothing. Raises InConflict where the trial's data are not open.
    """
    with audit.transaction(by=by) as event:
        require_settling(by, trial)
        require_writable(trial, Writing.VALUES)
        found = waiting_for(by, trial)
        released = _release(found if numbers is None else found.filter(pk__in=list(numbers)), by)
        event.record("held_rows.released", trial=trial, target=trial, row_count=released.joined)
    return released


def join_waiting_rows(specimen: Specimen, by: Actor) -> Released:
    """Let rows that waited for this specimen join; part of the service that registers it, in its transaction."""
    waited = waiting_for(by, specimen.trial).filter(code="specimen_held", row__specimen=specimen.identifier)
    return _release(waited, by)


def assign_held_row(*, held_row: HeldRow, specimen: Specimen, by: Actor, reason: str) -> None:
    """Say that a row means this specimen, and let it join. What was sent stays as it was sent.

    Raises RuleBroken without a reason, for a specimen of another trial, and in the checker's words where the row is
    wrong for it; InConflict where the row was settled already or the trial's data are not open.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        trial = held_row.trial
        require_settling(by, trial)
        require_writable(trial, Writing.VALUES)
        _require_reason(reason, "Say why the row means this specimen. Nothing was saved.")
        if specimen.trial_id != trial.pk:
            raise RuleBroken("specimen_unknown", "Choose a specimen of this trial. Nothing is saved.", field="specimen")
        known = _waiting(held_row, by)
        row = replace(rows_as_sent([known])[known.pk], specimen=specimen.identifier, participant=None, visit=None)
        reasons = _record([known], [row], by)
        if reasons:
            raise RuleBroken("row_refused", _in_a_form(reasons[0]), field="specimen")
        event.record("held_row.assigned", trial=trial, target=specimen, detail={"held_row": known.pk})


def dismiss_held_row(*, held_row: HeldRow, by: Actor, reason: str) -> None:
    """Set a row aside for good: it is kept with the reason and never analysed; sent again, it is a new row.

    Raises RuleBroken without a reason, InConflict where the row was settled already.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        trial = held_row.trial
        require_settling(by, trial)
        _require_reason(reason, "Say why the row is dismissed. Nothing was saved.")
        known = _waiting(held_row, by)
        _, is_made = HeldRowOutcome.objects.get_or_create(
            held_row=known, defaults={"outcome": "dismissed", "reason": reason.strip()}
        )
        if not is_made:
            raise _settled_already()
        event.record("held_row.dismissed", trial=trial, target=trial, detail={"held_row": known.pk})


def _require_reason(reason: str, sentence: str) -> None:
    if not reason.strip():
        raise RuleBroken("reason_missing", sentence, field="reason")


def _waiting(held_row: HeldRow, by: Actor) -> HeldRow:
    known = waiting_for(by, held_row.trial).filter(pk=held_row.pk).first()
    if known is None:
        raise _settled_already()
    return known


def _settled_already() -> InConflict:
    return InConflict("held_row_settled", "This row was settled meanwhile. Nothing was saved.")


def _release(found: QuerySet[HeldRow], by: Actor) -> Released:
    """Record the rows, each laboratory's as a delivery; a correction of a row that waited comes in a later one."""
    waiting = list(found.select_related("trial", "laboratory").order_by("id"))
    sent = rows_as_sent(waiting)
    reasons: list[str] = []
    for rows in _deliveries(waiting):
        reasons += _record(rows, [sent[row.pk] for row in rows], by)
    settled = HeldRowOutcome.objects.filter(held_row__in=waiting, outcome="joined").count()
    return Released(settled, len(waiting) - settled, tuple(dict.fromkeys(reasons)))


def _deliveries(rows: Iterable[HeldRow]) -> list[list[HeldRow]]:
    """The rows by laboratory, no natural key twice in a delivery, and the older row of a key in the earlier one."""
    rounds: dict[tuple[int, int], list[HeldRow]] = {}
    times: dict[tuple[object, ...], int] = {}
    for row in rows:
        key = (row.laboratory_id, *(row.row[name] for name in NATURAL_KEY))
        times[key] = times.get(key, 0) + 1
        rounds.setdefault((times[key], row.laboratory_id), []).append(row)
    return [rounds[key] for key in sorted(rounds)]


def _record(held: Sequence[HeldRow], rows: Sequence[RowAsSent], by: Actor) -> list[str]:
    """One delivery of rows that waited, of one laboratory; return why rows go on waiting."""
    told = json.dumps([row.pk for row in held])
    answer = record_results(
        trial=held[0].trial,
        laboratory=held[0].laboratory,
        payload=Payload(RunAsSent(), tuple(rows)),
        by=by,
        channel=Submission.Channel.RELEASED,
        options=ONE_BY_ONE,
        body_sha256=hashlib.sha256(told.encode()).hexdigest(),
        released=dict(enumerate((row.pk for row in held), 1)),
    )
    return [_in_a_form(finding["message"], finding["row"]) for finding in answer.body["errors"]]


def _in_a_form(message: str, number: int = 1) -> str:
    """The checker's words, without the number of the row: a page shows which row it is."""
    return message.replace(f" Row {number} was not saved.", " It goes on waiting.")
