"""The row codes of sessions: those of results that say the same, and their own. docs/sessions-api.md lists them."""

from collections.abc import Mapping

from measurements.validation.codes import ROW_CODES, RowCode

_SHARED = (
    "participant_unknown",
    "participant_withdrawn",
    "date_no_zone",
    "date_unreadable",
    "date_future",
    "field_missing",
    "field_too_long",
    "field_not_text",
    "encoding",
    "character_refused",
)
_OWN = (
    RowCode(
        "participant_not_randomized",
        "error",
        '"{value}" is not randomized, and sessions follow randomization.',
        "Send the session once the participant is randomized.",
    ),
    RowCode(
        "date_before_randomization",
        "error",
        '"{value}" is before {randomized}, when the participant was randomized.',
        "Check the date of the session.",
    ),
    RowCode(
        "value_not_number",
        "error",
        '"{value}" is not a number that "{field}" can hold.',
        "Send {expected}.",
    ),
    RowCode("value_negative", "error", '"{value}" is below zero.', "Send {expected}."),
    RowCode("value_out_of_reach", "error", '"{value}" is more than "{field}" can be.', "Send {expected}."),
    RowCode("attended_unknown", "error", '"{value}" is neither true nor false.', "Send true or false."),
    RowCode(
        "minutes_without_attendance",
        "error",
        '"{value}" minutes are sent of a session that was not attended.',
        "Leave the minutes out, or send attended true.",
    ),
    RowCode(
        "kind_unknown",
        "error",
        '"{value}" is not a kind of session.',
        "Send one of: {known}.",
        'Send "{did_you_mean}" if that is the kind.',
    ),
    RowCode(
        "therapist_unknown",
        "error",
        '"{value}" is not a therapist at the site of this participant.',
        "Send the code of a therapist of that site, or leave it out.",
    ),
    RowCode(
        "field_unknown",
        "error",
        '"{value}" is not a field of a session.',
        "Leave it out.",
        'Name it "{did_you_mean}" if that is meant.',
    ),
    RowCode(
        "duplicate_in_file",
        "error",
        '"{value}" repeats row {first}.',
        "Send each session once, and give two sessions at one moment an external_id each.",
    ),
    RowCode(
        "differs_from_recorded",
        "error",
        '"{value}" is recorded already with another {differing}.',
        "Ask the site to retract the recorded session, and send the right one under a new external_id.",
    ),
    RowCode("already_recorded", "info", '"{value}" is recorded already.', "Nothing to do."),
)

SESSION_CODES: Mapping[str, RowCode] = {code: ROW_CODES[code] for code in _SHARED} | {own.code: own for own in _OWN}


def render_markdown() -> str:
    """The table of codes in docs/sessions-api.md."""
    lines = ["| code | severity | sentence | fix |", "|---|---|---|---|"]
    lines += [f"| `{each.code}` | {each.severity} | {each.says} | {each.fix} |" for each in SESSION_CODES.values()]
    return "\n".join(lines) + "\n"
