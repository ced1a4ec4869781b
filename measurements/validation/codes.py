"""Every row code, with its severity and its words. The one table from which messages and docs/row-codes.md are made.

A message names the value, says one thing to do, and ends with what was saved. The braces are filled from the row.
"""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]


class RowCode(NamedTuple):
    """One code: what is said, what to do, and what to do when the nearest known value can be named."""

    code: str
    severity: Severity
    says: str
    fix: str
    fix_near: str | None = None


_TABLE = (
    # Which specimen, biomarker and assay
    RowCode(
        "specimen_unknown",
        "error",
        '"{value}" is not a specimen of this trial.',
        "Send a specimen id from the worklist of this trial.",
        'Send "{did_you_mean}" if that is the specimen.',
    ),
    RowCode(
        "specimen_ambiguous",
        "error",
        '"{value}" has {count} specimens at visit "{visit}".',
        "Send the specimen id in place of participant and visit.",
    ),
    RowCode(
        "specimen_mismatch",
        "error",
        'Specimen "{value}" is not of the {named} that the row names.',
        "Send the specimen id alone.",
    ),
    RowCode(
        "participant_unknown",
        "error",
        '"{value}" is not a participant of this trial.',
        "Send a participant code of this trial.",
        'Send "{did_you_mean}" if that is the participant.',
    ),
    RowCode(
        "participant_withdrawn",
        "error",
        'The use of further data was withdrawn for the participant of "{value}".',
        "Leave this participant's rows out.",
    ),
    RowCode(
        "visit_unknown",
        "error",
        '"{value}" is not a visit of this trial.',
        "Send one of: {known}.",
        'Send "{did_you_mean}" if that is the visit.',
    ),
    RowCode(
        "visit_locked",
        "error",
        'The visit of "{value}" is locked.',
        "Ask the trial's data manager to unlock the visit.",
    ),
    RowCode(
        "biomarker_unknown",
        "error",
        '"{value}" is not a biomarker of this trial.',
        "Send one of: {known}.",
        'Send "{did_you_mean}" if that is the biomarker.',
    ),
    RowCode(
        "arm_hidden",
        "error",
        '"{value}" tells who has a therapy, which the roles of the sender do not show.',
        "Ask somebody who may see the arm to record it.",
    ),
    RowCode(
        "assay_unknown",
        "error",
        '"{value}" is not an assay of {biomarker} at this laboratory.',
        "Send one of: {known}.",
        'Send "{did_you_mean}" if that is the assay.',
    ),
    # The value and its unit
    RowCode(
        "value_empty",
        "error",
        '"{value}" holds no measured value.',
        "Send status not_done with a reason if nothing was measured.",
    ),
    RowCode(
        "value_not_number",
        "error",
        '"{value}" is not a number.',
        "Send digits with a decimal point, such as 1.83, or a limit, such as <0.4.",
    ),
    RowCode(
        "value_ambiguous",
        "error",
        '"{value}" can mean {decimal} or {whole}.',
        "Send a decimal point and no thousands mark.",
    ),
    RowCode(
        "value_not_finite",
        "error",
        '"{value}" is not a finite number.',
        "Send the measured number, or status not_done with a reason.",
    ),
    RowCode(
        "value_out_of_reach",
        "error",
        '"{value}" lies outside 10^-18 to 10^21 {unit}, which is what can be kept exactly.',
        "Check the exponent and the unit.",
    ),
    RowCode(
        "value_excel_date",
        "error",
        '"{value}" looks like a date that a spreadsheet made from a number.',
        "Format the column as text in the spreadsheet and send the number.",
    ),
    RowCode(
        "value_negative",
        "error",
        '"{value}" is below zero, and {biomarker} cannot be.',
        "Send the measured number, or < with the limit if it was below the limit.",
    ),
    RowCode(
        "unit_missing",
        "error",
        'The value "{sent}" of {biomarker} has no unit.',
        "Send the unit beside the value, such as {did_you_mean}.",
    ),
    RowCode(
        "unit_not_convertible",
        "error",
        '"{value}" cannot be converted to {unit}, the unit of {biomarker}.',
        "Send the value in {did_you_mean}.",
    ),
    # What stands already
    RowCode(
        "duplicate_in_file",
        "error",
        '"{value}" repeats row {first}: specimen "{specimen}", {biomarker}, replicate {replicate}.',
        "Number the rows as replicates 1 and 2 if both were measured.",
    ),
    RowCode(
        "differs_from_recorded",
        "error",
        '"{value}" differs from "{recorded}", which is kept for {biomarker} of specimen "{specimen}".',
        "Send status corrected with a reason if the new value is right.",
        'Send corrects "{did_you_mean}" beside the reason if nothing was measured after all.',
    ),
    RowCode(
        "status_goes_back",
        "error",
        '"{value}" cannot follow the {recorded} value of {biomarker} of specimen "{specimen}".',
        "Send status corrected with a reason if the new value is right.",
    ),
    RowCode(
        "corrects_unknown",
        "error",
        '"{value}" is not the one current result of {biomarker} in specimen "{specimen}" to correct.',
        "Send the id of the current result, and its run.",
    ),
    # Dates
    RowCode(
        "date_no_zone",
        "error",
        '"{value}" has no time zone.',
        "Send date, time and offset, such as 2026-11-20T08:30:00+01:00.",
    ),
    RowCode(
        "date_unreadable",
        "error",
        '"{value}" cannot be read as a {expected} since 1950.',
        "Send it in the form {example}.",
    ),
    RowCode("date_future", "error", '"{value}" lies in the future.', "Check the clock and the date it came from."),
    RowCode(
        "date_before_draw",
        "error",
        '"{value}" is before {drawn}, when the specimen was drawn.',
        "Check it against the record of the draw.",
    ),
    # The fields themselves
    RowCode("field_missing", "error", 'Row {row} has no "{field}", which {needed_by} needs.', 'Add "{field}".'),
    RowCode(
        "field_too_long",
        "error",
        '"{value}" has {length} characters, and "{field}" holds at most {longest}.',
        'Shorten "{field}".',
    ),
    RowCode(
        "field_not_text",
        "error",
        '"{field}" holds {value}, where one text or number is read.',
        'Send "{field}" as one text.',
    ),
    RowCode(
        "encoding", "error", '"{value}" lost a character on its way here.', "Save the file as UTF-8 and send it again."
    ),
    RowCode(
        "character_refused",
        "error",
        '"{value}" contains {character}, which "{field}" cannot hold.',
        "Type the text again without that character.",
    ),
    RowCode(
        "status_unknown",
        "error",
        '"{value}" is not a status of a result.',
        "Send final, preliminary, corrected or not_done.",
    ),
    RowCode(
        "replicate_unreadable",
        "error",
        '"{value}" is not a replicate number.',
        "Send a whole number from 1 to 999.",
    ),
    # Saved, with a warning
    RowCode(
        "specimen_not_received",
        "warning",
        'Specimen "{value}" is not recorded as drawn yet.',
        "Ask the site to record the draw.",
    ),
    RowCode(
        "specimen_held",
        "warning",
        '"{value}" is not a specimen of this trial. Held values are not analysed.',
        "Ask the trial to register the specimen.",
        'Send "{did_you_mean}" if that is the specimen.',
    ),
    RowCode(
        "trial_locked",
        "warning",
        'The data of the trial of "{value}" are {state}. Held values are not analysed.',
        "Tell the trial's data manager that this value came late.",
    ),
    RowCode(
        "limit_mismatch",
        "warning",
        '"{value}" names another limit than {limit} {unit}, which assay {assay} has.',
        "Check the limit, and name the assay that was used.",
    ),
    RowCode(
        "value_implausible",
        "warning",
        '"{value}" {sent_unit} is outside {low} to {high} {unit}, the plausible range of {biomarker}.',
        "Answer the query about this value.",
    ),
    RowCode(
        "outside_window",
        "warning",
        '"{value}" is {days} {side} the window of the visit.',
        "Check the date of collection.",
    ),
    RowCode(
        "column_unknown",
        "warning",
        'The column "{value}" was not read.',
        "Leave it out.",
        'Name it "{did_you_mean}" if that is meant.',
    ),
    # For information
    RowCode("biomarker_alias", "info", '"{value}" was read as {biomarker}.', "Send {biomarker} to be exact."),
    RowCode(
        "unit_converted",
        "info",
        '"{value}" was converted to {unit}, times {factor}.',
        "Nothing to do.",
    ),
    RowCode("value_flag", "info", '"{value}" was read as {meaning}.', "Nothing to do if that is what was meant."),
    RowCode(
        "already_recorded",
        "info",
        '"{value}" is recorded already for {biomarker} of specimen "{specimen}".',
        "Nothing to do.",
    ),
)

ROW_CODES = {row_code.code: row_code for row_code in _TABLE}

SAID_ONCE = frozenset({"column_unknown", "biomarker_alias", "unit_converted"})
"""Codes that speak of a column, a name or a unit: said at the first row they occur in, not at each of 20,000."""


def render_markdown() -> str:
    """The text of docs/row-codes.md."""
    lines = [
        "# Row codes",
        "",
        "What the answer to a delivery of results says about its rows. Made from `measurements/validation/codes.py`;",
        "a test compares the two.",
        "",
        "An *error* keeps its row from being saved (and, with `on_error=reject_all`, all others). A *warning* and an",
        "*info* do not. Each message is the sentence, the fix, and what became of the row.",
    ]
    for severity, title in (("error", "Errors"), ("warning", "Warnings"), ("info", "Information")):
        lines += [
            "",
            f"## {title}",
            "",
            "| code | sentence | fix | fix when a near match is known |",
            "|---|---|---|---|",
        ]
        lines += [_markdown_row(row_code) for row_code in _TABLE if row_code.severity == severity]
    return "\n".join(lines) + "\n"


def _markdown_row(row_code: RowCode) -> str:
    return f"| `{row_code.code}` | {row_code.says} | {row_code.fix} | {row_code.fix_near or ''} |"
