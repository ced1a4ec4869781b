"""Files with results, step by step: chosen, tried, their columns named, saved. All of it through `record_results`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from measurements.models import ColumnMapping, Submission, SubmissionFile, Upload
from measurements.models.upload import KEPT_FOR
from measurements.selectors.uploads import biomarker_names, laboratories_open_to, remembered_columns
from measurements.services.idempotency import key_of
from measurements.services.results import Answer, SentFile, record_results
from measurements.validation import Options, PayloadRefused
from measurements.validation.columns import (
    CONSTANT_FIELDS,
    UNKNOWN,
    FileRows,
    Plan,
    header_at,
    kept_columns,
    proposed_plan,
    recalled_plan,
    rows_of,
    signature,
)
from measurements.validation.files import harmless_name, read_file
from measurements.validation.returned import remarks_by_line, returned_text, returned_workbook
from measurements.validation.tables import Table
from measurements.validation.texts import shown
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import Laboratory, Trial
from trials.permissions import Permission

CHANNELS = {"csv": Submission.Channel.FILE_CSV, "xlsx": Submission.Channel.FILE_XLSX}
MOST_WAITING = 20
"""Files of one person that wait; older ones go."""
SHOWN_LINES = 5


@dataclass(frozen=True)
class Reading:
    """A file as it is read: its table, the place of the header in it, and what the columns mean."""

    table: Table
    at: int
    plan: Plan
    is_remembered: bool = False

    @property
    def header(self) -> tuple[str | None, ...]:
        """The cells of the header."""
        return self.table.lines[self.at].cells

    @property
    def columns(self) -> dict[str, Any]:
        """What is stored of the reading, so that the same file is read the same way again."""
        return {
            "header": self.table.lines[self.at].number,
            "separator": self.table.separator,
            "columns": list(self.plan.columns),
            "constants": dict(self.plan.constants),
        }

    def rows(self) -> FileRows:
        """The rows; raises `PayloadRefused` where the columns do not make any."""
        return rows_of(self.table, self.at, self.plan)


def stage_upload(
    *,
    trial: Trial,
    laboratory: Laboratory,
    name: str,
    content: bytes,
    by: Actor,
    options: Options | None = None,
    sheet: str = "",
) -> Upload:
    """Keep a file for 24 hours and try it: nothing of it is recorded. Columns are read by name, or as the last time.

    Raises RuleBroken at `file` or `sheet` where it cannot be read at all.
    """
    require(by, Permission.RESULT_RECORD, trial)
    _require_open(laboratory, trial, by)
    _sweep(by)
    options = options or Options()
    try:
        reading = _first_reading(trial, laboratory, name, content, sheet)
    except PayloadRefused as refused:
        field = "sheet" if refused.code == "sheet_unknown" else "file"
        raise RuleBroken(refused.code, refused.sentence, field=field) from refused
    upload = Upload(
        trial=trial,
        laboratory=laboratory,
        uploader=by.user,
        name=harmless_name(name),
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        format=reading.table.format,
        sheet=reading.table.sheet[:40],
        on_error=options.on_error,
        unknown_specimen=options.unknown_specimen,
    )
    _try(upload, reading, by)
    upload.save()
    return upload


def map_columns(*, upload: Upload, columns: Mapping[int, str], constants: Mapping[str, str], by: Actor) -> None:
    """Say what the columns of a waiting file mean, by place; try it again, and remember it for the next such file."""
    require(by, Permission.RESULT_RECORD, upload.trial)
    before = _reading(upload)
    means = tuple(columns.get(at, known) for at, known in enumerate(before.plan.columns))
    plan = Plan(means, {name: constants[name] for name in CONSTANT_FIELDS if constants.get(name)})
    reading = Reading(before.table, before.at, plan, is_remembered=True)
    try:
        reading.rows()
    except PayloadRefused as refused:
        raise RuleBroken(refused.code, refused.sentence) from refused
    kept = {"columns": kept_columns(reading.header, plan), "constants": dict(plan.constants)}
    with audit.transaction(by=by) as event:
        mapping, _ = ColumnMapping.objects.update_or_create(
            trial=upload.trial,
            laboratory=upload.laboratory,
            signature=signature(reading.header),
            defaults={"columns": kept},
        )
        event.record("columns.mapped", trial=upload.trial, target=mapping)
    _try(upload, reading, by)
    upload.save(update_fields=["columns", "answer"])


def commit_upload(*, upload: Upload, by: Actor, on_error: str) -> Answer:
    """Record the rows of a waiting file. Asked twice, it is recorded once and answered the same.

    Raises RuleBroken where the columns do not make rows.
    """
    require(by, Permission.RESULT_RECORD, upload.trial)
    _require_open(upload.laboratory, upload.trial, by)
    reading = _reading(upload)
    options = Options("reject_rows" if on_error == "reject_rows" else "reject_all", _hold(upload))
    try:
        answer = _deliver(upload, reading, options, by)
    except PayloadRefused as refused:
        raise RuleBroken(refused.code, refused.sentence) from refused
    if answer.status == 422:
        _try(upload, reading, by)
        upload.save(update_fields=["columns", "answer"])
    return answer


def _require_open(laboratory: Laboratory, trial: Trial, by: Actor) -> None:
    if by.user is None or laboratory not in laboratories_open_to(by, trial):
        sentence = f"You may not send results of “{laboratory}” to this trial. Choose another. Nothing was saved."
        raise RuleBroken("laboratory_closed", sentence, field="laboratory")


def _hold(upload: Upload) -> Any:
    return "hold" if upload.unknown_specimen == "hold" else "reject"


def _sweep(by: Actor) -> None:
    """Let go what waited too long, and of this person's files all but the newest."""
    Upload.objects.filter(uploaded_at__lt=timezone.now() - KEPT_FOR).delete()
    newest = Upload.objects.filter(uploader=by.user).order_by("-id").values_list("pk", flat=True)
    older = list(newest[MOST_WAITING - 1 :])
    Upload.objects.filter(pk__in=older).delete()


def _first_reading(trial: Trial, laboratory: Laboratory, name: str, content: bytes, sheet: str) -> Reading:
    names = biomarker_names(trial)
    table = read_file(name, content, sheet=sheet, biomarkers=names)
    at = header_at(table.lines, names)
    header = table.lines[at].cells
    mapping = remembered_columns(trial, laboratory, signature(header))
    if mapping is not None:
        kept = mapping.columns
        return Reading(table, at, recalled_plan(header, kept["columns"], kept["constants"]), is_remembered=True)
    return Reading(table, at, proposed_plan(header, names))


def read_again(file: Upload | SubmissionFile) -> Reading:
    """Return the reading of a file that was read before, as it was read then."""
    kept = file.columns
    content = bytes(file.content)
    table = read_file(file.name, content, sheet=file.sheet, separator=kept["separator"])
    at = next(place for place, line in enumerate(table.lines) if line.number == kept["header"])
    return Reading(table, at, Plan(tuple(kept["columns"]), kept["constants"]))


def _reading(upload: Upload) -> Reading:
    return read_again(upload)


def _try(upload: Upload, reading: Reading, by: Actor) -> None:
    """Check the file without saving, and keep what was said, with the first lines for the page."""
    table = reading.table
    upload.columns = reading.columns
    upload.answer = {
        "remarks": list(table.remarks),
        "sheets": list(table.sheets),
        "is_remembered": reading.is_remembered,
        "header": _shown(reading.header),
        "lines": [[line.number, _shown(line.cells)] for line in table.lines[reading.at + 1 :][:SHOWN_LINES]],
        "unclear": [at for at, means in enumerate(reading.plan.columns) if means == UNKNOWN],
    }
    try:
        answer = _deliver(upload, reading, Options("reject_rows", _hold(upload), dry_run=True), by)
    except PayloadRefused as refused:
        upload.answer["refused"] = refused.sentence
    else:
        upload.answer["said"] = answer.body


def _shown(cells: Sequence[str | None]) -> list[str | None]:
    """Cells as a page may show them and the database may keep them."""
    return [None if cell is None else shown(cell) for cell in cells]


def _deliver(upload: Upload, reading: Reading, options: Options, by: Actor) -> Answer:
    rows = reading.rows()
    file = SentFile(
        name=upload.name,
        content=bytes(upload.content),
        format=upload.format,
        sheet=upload.sheet,
        columns=reading.columns,
        cells=rows.cells,
    )
    return record_results(
        trial=upload.trial,
        laboratory=upload.laboratory,
        payload=rows.payload,
        by=by,
        channel=CHANNELS[upload.format],
        options=options,
        body_sha256=upload.sha256,
        key=None if options.dry_run else key_of(by, f"upload {upload.reference}", upload.sha256),
        file=file,
    )


def returned_file(file: Upload | SubmissionFile, said: Mapping[str, Any]) -> bytes:
    """Return the same file with the columns `status, code, message, fix`, from what was said of its rows."""
    reading = read_again(file)
    header_line = reading.columns["header"]
    remarks = remarks_by_line(said, reading.rows().cells)
    if file.format == "xlsx":
        return returned_workbook(bytes(file.content), reading.table, header_line, remarks)
    return returned_text(reading.table, header_line, remarks)
