"""Values typed into a visit form: the same rows, the same check and the same record as a laboratory's delivery."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from measurements.models import Query, Result, Submission
from measurements.selectors.sheets import Line, Sheet
from measurements.services.queries import answer_query
from measurements.services.results import Answer, laboratory_of, record_results
from measurements.units import UnitUnknown, parse_unit
from measurements.validation import Options, Payload, RowAsSent, RunAsSent
from measurements.validation.typed import ENTERED_IN_ERROR, TypedCell, read_typed
from trials.access import Actor


@dataclass(frozen=True)
class Typed:
    """What stands in a field: the value, and beside it why it changes or why it is right."""

    value: str
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a field: saved, or the sentence that says why not."""

    is_saved: bool
    sentence: str = ""
    needs_reason: bool = False


def record_entries(*, sheet: Sheet, typed: Mapping[int, Typed], by: Actor) -> dict[int, Outcome]:
    """Record what was typed, by biomarker; fields that are right are saved also where others are not.

    A changed value is a correction and needs a reason. A reason beside an unchanged value answers the open question
    about it.
    """
    lines = {line.biomarker.pk: line for line in sheet.lines if line.is_own and line.biomarker.pk in typed}
    refused = {key: _unfit(lines[key].result, typed[key].value) for key in lines}
    outcomes = {key: Outcome(is_saved=False, sentence=sentence) for key, sentence in refused.items() if sentence}
    changed = [key for key in lines if key not in outcomes and _is_changed(lines[key], typed[key])]
    for key in lines.keys() - outcomes.keys() - set(changed):
        _confirm(lines[key], typed[key], by)
    rows = [_row(sheet, lines[key], typed[key]) for key in changed]
    return outcomes | (dict(zip(changed, _recorded(sheet, rows, by), strict=True)) if rows else {})


def _unfit(result: Result | None, text: str) -> str:
    """Why a field cannot be sent at all, beside what is recorded; empty where it can."""
    if result is not None and not text.strip():
        return _("A recorded value cannot be emptied. Type the right value, or “not done” with a reason.")
    if result is None and read_typed(text).is_error:
        return _("Nothing is recorded here that could have been entered in error.")
    return ""


def is_entered_in_error(result: Result) -> bool:
    """Whether a value was struck because it should never have been recorded."""
    return result.status == Result.Status.NOT_DONE and result.reason.startswith(ENTERED_IN_ERROR)


def shown_value(result: Result | None) -> str:
    """Return what a field holds for a result; with its unit where that is another one than the field shows."""
    if result is None:
        return ""
    if is_entered_in_error(result):
        return _("entered in error")
    if result.status == Result.Status.NOT_DONE:
        return _("not done")
    is_other = is_in_another_unit(result)
    return f"{result.value_as_sent} {result.unit_as_sent}" if is_other else result.value_as_sent


def is_in_another_unit(result: Result) -> bool:
    """Whether a value was sent in another unit than its biomarker's, so that the number alone would be misread."""
    if result.unit_as_sent in {"", result.unit}:
        return False
    try:
        return parse_unit(result.unit_as_sent) != parse_unit(result.unit)
    except UnitUnknown:
        return True


def _is_changed(line: Line, typed: Typed) -> bool:
    return typed.value.strip() != shown_value(line.result)


def _confirm(line: Line, typed: Typed, by: Actor) -> None:
    if line.query is not None and line.query.state == Query.State.OPEN and typed.reason.strip():
        answer_query(query=line.query, answer=typed.reason, by=by)


def _row(sheet: Sheet, line: Line, typed: Typed) -> RowAsSent:
    cell = read_typed(typed.value, typed.reason)
    return RowAsSent(
        specimen=line.specimen or None,
        participant=sheet.participant.code,
        visit=sheet.visit.code,
        biomarker=line.biomarker.code,
        value=cell.value,
        unit=line.biomarker.unit,
        status=status_of(cell, line.result),
        reason=cell.reason,
        corrects=str(line.result.pk) if line.result else None,
    )


def status_of(cell: TypedCell, result: Result | None) -> str:
    """Return the status to send: what replaces a value says that it corrects it."""
    return "corrected" if result is not None and cell.status == "final" else cell.status


def _recorded(sheet: Sheet, rows: Sequence[RowAsSent], by: Actor) -> list[Outcome]:
    """One delivery of the rows; an outcome for each."""
    trial = sheet.participant.trial
    told = json.dumps([[row.specimen, row.biomarker, row.value, row.status, row.reason] for row in rows])
    answer = record_results(
        trial=trial,
        laboratory=laboratory_of(by, trial),
        payload=Payload(RunAsSent(), tuple(rows)),
        by=by,
        channel=Submission.Channel.FORM,
        options=Options(on_error="reject_rows"),
        body_sha256=hashlib.sha256(told.encode()).hexdigest(),
    )
    return [_outcome(answer, number) for number in range(1, len(rows) + 1)]


def _outcome(answer: Answer, number: int) -> Outcome:
    errors = [finding for finding in answer.body["errors"] if finding["row"] == number]
    if not errors:
        return Outcome(is_saved=True)
    if all(finding["code"] == "field_missing" and finding["field"] == "reason" for finding in errors):
        return Outcome(is_saved=False, sentence=_("Say why, then it is saved."), needs_reason=True)
    return Outcome(is_saved=False, sentence=" ".join(_told_in_a_form(finding["message"], number) for finding in errors))


def _told_in_a_form(message: str, number: int) -> str:
    """The checker's words, without the number of the row: a form has fields."""
    return message.replace(f" Row {number} was not saved.", " " + _("It was not saved."))
