"""Values typed or pasted into a grid: judged cell by cell by the row checker, and recorded together or not at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from measurements.models import IdempotentAnswer, Submission
from measurements.selectors.grid import Grid, GridCell, GridRow
from measurements.services.entries import is_in_another_unit, shown_value, status_of
from measurements.services.idempotency import key_of
from measurements.services.results import Answer, laboratory_of, record_results
from measurements.validation import Options, Payload, RowAsSent, RunAsSent
from measurements.validation.typed import read_typed
from trials.access import Actor
from trials.errors import InConflict, RuleBroken

DRY_RUN = Options(on_error="reject_rows", dry_run=True)
SEVERITIES = ("error", "warning", "info")
# Of a row of people rather than of one value: beside every cell of the row it would be noise.
NOT_OF_A_CELL = frozenset({"specimen_not_received"})


@dataclass(frozen=True)
class CellFinding:
    """What is said of one cell: `error`, `warning` or `info`, and the sentence."""

    state: str
    sentence: str


@dataclass(frozen=True)
class GridOutcome:
    """What became of a grid: recorded with one submission, or what is said of which cell."""

    findings: Mapping[str, CellFinding] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    is_resent: bool = False

    @property
    def is_saved(self) -> bool:
        """Return whether everything is recorded, now or when the same form came before."""
        return self.is_resent or bool(self.body)


@dataclass(frozen=True)
class _Sent:
    cell: GridCell
    row: RowAsSent


def check_cells(*, grid: Grid, typed: Mapping[str, str], reason: str, by: Actor) -> dict[str, CellFinding]:
    """Say of each typed cell what recording it would say; nothing is recorded.

    Raises NotAllowed where `by` may not record (or not correct) here, InConflict where the data are not open.
    """
    sent, unfit = rows_of(grid, typed, reason)
    answer = _deliver(grid, sent, by, DRY_RUN)
    return unfit | findings_of(answer, [each.cell for each in sent])


def record_grid(*, grid: Grid, typed: Mapping[str, str], reason: str, key: str, by: Actor) -> GridOutcome:
    """Record all typed cells as one submission; where one is wrong, nothing is recorded and each is told why.

    A form that is sent twice with the same `key` and the same values is recorded once.

    Raises:
        NotAllowed: `by` may not record (or not correct) results at a site.
        InConflict: the data of the trial are not open.
        RuleBroken: nothing was typed.
    """
    sent, unfit = rows_of(grid, typed, reason)
    if not (sent or unfit):
        if _was_sent(key, by):
            return GridOutcome(is_resent=True)
        raise RuleBroken("grid_empty", _("Nothing was typed. Type a value, or paste a block, and save then."))
    if unfit:
        return GridOutcome(unfit | findings_of(_deliver(grid, sent, by, DRY_RUN), [each.cell for each in sent]))
    answer = _deliver(grid, sent, by, Options(), key=key)
    if answer.status == 422:
        return GridOutcome(findings_of(answer, [each.cell for each in sent], others=False))
    return GridOutcome(body=answer.body)


def _was_sent(key: str, by: Actor) -> bool:
    """Whether a form with this key was recorded before: its values then stand in the table as they were typed."""
    if not key or by.user is None:
        return False
    return IdempotentAnswer.objects.filter(user_id=by.user.pk, key__startswith=f"{key}-").exists()


def rows_of(grid: Grid, typed: Mapping[str, str], reason: str) -> tuple[list[_Sent], dict[str, CellFinding]]:
    """Return the rows to send, and what is said of cells that cannot be sent at all. Unchanged cells are left out."""
    sent, unfit = [], {}
    for name, (row, cell) in grid.cells.items():
        text = typed.get(name, "").strip()
        if name not in typed or text == shown_value(cell.result) or (not text and not cell.is_open):
            continue
        problem = _unfit(cell, text)
        if problem:
            unfit[name] = CellFinding("error", problem)
        else:
            sent.append(_Sent(cell, _row(grid, row, cell, text, reason)))
    return sent, unfit


def _unfit(cell: GridCell, text: str) -> str:
    if cell.result is None:
        return _("Nothing is recorded here that could be an error.") if read_typed(text).is_error else ""
    if not text:
        return _("A recorded value cannot be emptied. Type “not done: why”.")
    if not cell.is_open:
        unit = "" if is_in_another_unit(cell.result) else cell.result.unit_as_sent
        recorded = f"{shown_value(cell.result)} {unit}".strip()
        return _("%(recorded)s by %(laboratory)s is recorded here already, and is kept.") % {
            "recorded": recorded,
            "laboratory": cell.result.laboratory.name,
        }
    return ""


def _row(grid: Grid, row: GridRow, cell: GridCell, text: str, reason: str) -> RowAsSent:
    typed = read_typed(text, reason if cell.result else "")
    return row_of(
        grid,
        row,
        cell,
        value=typed.value,
        status=status_of(typed, cell.result),
        reason=typed.reason,
        corrects=str(cell.result.pk) if cell.result else None,
    )


def row_of(
    grid: Grid,
    row: GridRow,
    cell: GridCell,
    *,
    value: str | None,
    status: str,
    reason: str | None,
    corrects: str | None = None,
) -> RowAsSent:
    """Return a cell as the row checker reads it; a specimen that is known is named alone."""
    wish = grid.wish
    return RowAsSent(
        specimen=cell.specimen or None,
        participant=None if cell.specimen else row.participant.code,
        visit=None if cell.specimen else wish.visit.code,
        biomarker=cell.biomarker.code,
        value=value,
        unit=cell.biomarker.unit,
        status=status,
        reason=reason,
        corrects=corrects,
        run=wish.run or None,
        performed_on=wish.performed_on.isoformat() if wish.performed_on else None,
    )


def _deliver(grid: Grid, sent: Sequence[_Sent], by: Actor, options: Options, *, key: str = "") -> Answer:
    return deliver(grid, [each.row for each in sent], by, options, channel=Submission.Channel.GRID, key=key)


def deliver(
    grid: Grid, rows: Sequence[RowAsSent], by: Actor, options: Options, *, channel: str, key: str = ""
) -> Answer:
    """Hand the rows of a grid to the row checker as one delivery. Raises InConflict where the data are not open."""
    if not grid.is_open:
        state = grid.trial.data_state
        raise InConflict("trial_locked", f"The data of {grid.trial.title} are {state}. Nothing was saved.")
    told = json.dumps([msgspec.to_builtins(row) for row in rows])
    sha256 = hashlib.sha256(told.encode()).hexdigest()
    wish = grid.wish
    return record_results(
        trial=grid.trial,
        laboratory=laboratory_of(by, grid.trial),
        payload=Payload(RunAsSent(wish.run or None), tuple(rows)),
        by=by,
        channel=channel,
        options=options,
        body_sha256=sha256,
        # Of the form and what stands in it: a double click is the same, another value is not.
        key=key_of(by, f"{key}-{sha256[:32]}", sha256) if key else None,
    )


def findings_of(answer: Answer, cells: Sequence[GridCell], *, others: bool = True) -> dict[str, CellFinding]:
    """Return what an answer says of each cell, errors before warnings; without `others`, errors only."""
    told: dict[str, dict[str, list[str]]] = {}
    reported = [*answer.body["errors"], *(answer.body["warnings"] if others else [])]
    for finding in reported:
        if finding["code"] in NOT_OF_A_CELL:
            continue
        cell = cells[finding["row"] - 1]
        told.setdefault(cell.name, {}).setdefault(finding["severity"], []).append(_words(finding, cell))
    return {
        name: next(
            CellFinding(severity, " ".join(by_severity[severity])) for severity in SEVERITIES if severity in by_severity
        )
        for name, by_severity in told.items()
    }


def _words(finding: Mapping[str, Any], cell: GridCell) -> str:
    """The checker's words, without the row's number and without what only senders of files can do."""
    code, field_name = finding["code"], finding["field"]
    if (code, field_name) == ("field_missing", "reason"):
        return (
            _("Say why the value changes, in the field above the table.")
            if cell.result
            else _("Say why in the cell: “not done: tube broken”.")
        )
    message: str = finding["message"].partition(f" Row {finding['row']} ")[0]
    if code == "differs_from_recorded":
        message = message.removesuffix(finding["fix"]).strip()
        return _("%(message)s Somebody recorded it meanwhile.") % {"message": message}
    return message
