"""The check of sessions: rows as sent and what is known of the trial in, rows to be stored and findings out.

Nothing here knows an arm, so that no answer can depend on one: a session of somebody on the waitlist is right, and is
shown as contamination to those who may see arms.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from measurements.validation.fields import given
from measurements.validation.findings import Fate, Finding, Note, NotedError, put_into_words
from measurements.validation.nearness import LOOKUPS, Nearness
from measurements.validation.session_codes import SESSION_CODES
from measurements.validation.session_rows import SessionAsSent, nearest_field
from measurements.validation.timestamps import parse_collected_at

KINDS = ("individual", "group", "digital", "coach_bot", "other")
DEFAULT_KIND = "digital"
_DECIMAL = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,3}", re.ASCII)
_MINUTES = "minutes from 0 to 1440 with at most two decimals, such as 32.5"
_SHARE = "a share from 0 to 1 with at most four decimals, such as 0.75"
_NUMBER = "a whole number from 1 to 999"

T = TypeVar("T")


class SessionParticipant(Struct, frozen=True):
    """A participant at a site where sessions may be recorded."""

    pk: int
    site: int
    is_randomized: bool
    randomized_on: date | None
    is_withdrawn: bool
    """Whether the use of further data was withdrawn."""


class SessionValues(Struct, frozen=True):
    """What a session says, as stored; two of the same key are the same session if these are equal."""

    participant: int
    occurred_at: datetime
    attended: bool
    reason: str
    minutes: Decimal | None
    completion: Decimal | None
    number: int | None
    kind: str
    therapist: int | None
    software: str
    software_version: str


class SessionReference(Struct, frozen=True):
    """What the check needs to know of the trial, for the ids that a batch names."""

    now: datetime
    participants: Mapping[str, SessionParticipant]
    therapists: Mapping[tuple[int, str], int]
    """Active therapists by site and code."""
    recorded: Mapping[str, SessionValues]
    """What the sender recorded, by key."""


class SessionOptions(Struct, frozen=True):
    """How the sender wants wrong rows treated."""

    on_error: Literal["reject_all", "reject_rows"] = "reject_all"
    dry_run: bool = False


class AcceptedSession(Struct, frozen=True):
    """A row that is right."""

    row: int
    key: str
    external_id: str
    is_new: bool
    values: SessionValues


class CheckedSessions(Struct, frozen=True):
    """The outcome for a batch; `accepted` is empty where one wrong row refuses all."""

    received: int
    accepted: tuple[AcceptedSession, ...]
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def new(self) -> list[AcceptedSession]:
        """The rows to be stored."""
        return [row for row in self.accepted if row.is_new]

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them; `received` is the sum of the others."""
        created = len(self.new)
        unchanged = len(self.accepted) - created
        return {
            "received": self.received,
            "created": created,
            "unchanged": unchanged,
            "rejected": self.received - created - unchanged,
        }


def key_of_id(external_id: str) -> str:
    """The key of a session that its sender gave an id."""
    return f"={external_id}"


def key_of_session(external_id: str, participant: str, occurred_at: datetime) -> str:
    """The key by which a repeated session is known: the sender's id, else participant and moment."""
    return key_of_id(external_id) if external_id else f"@{participant} {occurred_at.astimezone(UTC).isoformat()}"


def check_sessions(
    rows: Sequence[SessionAsSent], reference: SessionReference, options: SessionOptions
) -> CheckedSessions:
    """Check a batch; never raises for what the rows hold."""
    batch = _Batch(reference)
    for number, row in enumerate(rows, 1):
        batch.check(number, row)
    return batch.outcome(len(rows), options)


class _Batch:
    """The state of one check."""

    def __init__(self, reference: SessionReference) -> None:
        self._reference = reference
        self._near = Nearness(reference.participants)
        self._seen: dict[str, int] = {}
        self._accepted: list[AcceptedSession] = []
        self._errors: list[tuple[int, Note]] = []
        self._remarks: list[tuple[int, Note]] = []

    def check(self, number: int, row: SessionAsSent) -> None:
        """Accept the row or note every reason why not."""
        problems = _Problems(row)
        participant = problems.attempt(self._participant, row)
        occurred_at = problems.attempt(self._occurred_at, row, participant)
        external_id = problems.attempt(_text, row.external_id, "external_id")
        values = self._values(row, participant, occurred_at, problems)
        if values is None or occurred_at is None or external_id is None:
            self._errors.extend((number, note) for note in problems.notes)
            return
        self._settle(number, key_of_session(external_id, str(values.participant), occurred_at), external_id, values)

    def _values(
        self,
        row: SessionAsSent,
        participant: SessionParticipant | None,
        occurred_at: datetime | None,
        problems: "_Problems",
    ) -> SessionValues | None:
        attended = problems.attempt(_attended, row)
        minutes = problems.attempt_optional(_decimal, row.minutes, "minutes", Decimal(1440), 2, _MINUTES)
        completion = problems.attempt_optional(_decimal, row.completion, "completion", Decimal(1), 4, _SHARE)
        number = problems.attempt_optional(_number, row)
        reason = problems.attempt(_text, row.reason, "reason")
        kind = problems.attempt(_kind, row)
        therapist = problems.attempt_optional(self._therapist, row, participant)
        software = problems.attempt(_text, row.software, "software")
        version = problems.attempt(_text, row.software_version, "software_version")
        if attended is False:
            problems.attempt(_require_missed, row, reason)
        if problems.notes or participant is None or occurred_at is None or attended is None:
            return None
        return SessionValues(
            participant=participant.pk,
            occurred_at=occurred_at,
            attended=attended,
            reason=reason or "",
            minutes=minutes,
            completion=completion,
            number=number,
            kind=kind or DEFAULT_KIND,
            therapist=therapist,
            software=software or "",
            software_version=version or "",
        )

    def _participant(self, row: SessionAsSent) -> SessionParticipant:
        code = _text(row.participant, "participant")
        if not code:
            raise _missing("participant", "every session")
        known = self._reference.participants.get(code)
        if known is None:
            raise NotedError(Note("participant_unknown", "participant", code, self._near.nearest(code)))
        if known.is_withdrawn:
            raise NotedError(Note("participant_withdrawn", "participant", code))
        if not known.is_randomized:
            raise NotedError(Note("participant_not_randomized", "participant", code))
        return known

    def _occurred_at(self, row: SessionAsSent, participant: SessionParticipant | None) -> datetime:
        text = _text(row.occurred_at, "occurred_at")
        if not text:
            raise _missing("occurred_at", "every session")
        try:
            moment = parse_collected_at(text, self._reference.now)
        except NotedError as noted:
            raise NotedError(replace(noted.note, field="occurred_at")) from None
        first = participant.randomized_on if participant else None
        if first is not None and moment.date() < first:
            details = {"randomized": first.isoformat()}
            raise NotedError(Note("date_before_randomization", "occurred_at", text, details=details))
        return moment

    def _therapist(self, row: SessionAsSent, participant: SessionParticipant | None) -> int | None:
        code = _text(row.therapist, "therapist")
        if not code or participant is None:
            return None
        known = self._reference.therapists.get((participant.site, code))
        if known is None:
            raise NotedError(Note("therapist_unknown", "therapist", code))
        return known

    def _settle(self, number: int, key: str, external_id: str, values: SessionValues) -> None:
        """Compare a good row with the rows before it and with what is recorded."""
        field = "external_id" if external_id else "occurred_at"
        value = external_id or values.occurred_at.isoformat()
        first = self._seen.setdefault(key, number)
        if first != number:
            self._errors.append((number, Note("duplicate_in_file", field, value, details={"first": first})))
            return
        recorded = self._reference.recorded.get(key)
        differing = _differing(recorded, values)
        if differing:
            note = Note("differs_from_recorded", field, value, details={"differing": differing})
            self._errors.append((number, note))
            return
        if recorded is not None:
            self._remarks.append((number, Note("already_recorded", field, value)))
        self._accepted.append(AcceptedSession(number, key, external_id, recorded is None, values))

    def outcome(self, received: int, options: SessionOptions) -> CheckedSessions:
        """The batch as a whole, now that every row is known."""
        refused = bool(self._errors) and options.on_error == "reject_all"
        fates: dict[int, Fate] = {
            row.row: "refused_with_others" if refused else "created" if row.is_new else "unchanged"
            for row in self._accepted
        }

        def told(notes: list[tuple[int, Note]]) -> tuple[Finding, ...]:
            return tuple(
                put_into_words(
                    row,
                    note,
                    fates.get(row, "rejected"),
                    dry_run=options.dry_run,
                    codes=SESSION_CODES,
                    within="sessions",
                )
                for row, note in notes
            )

        return CheckedSessions(
            received, () if refused else tuple(self._accepted), told(self._errors), told(self._remarks)
        )


class _Problems:
    """The errors of one row."""

    def __init__(self, row: SessionAsSent) -> None:
        self.notes = [Note("field_not_text", field, kind) for field, kind in row.not_text]
        self._not_text = {field for field, _ in row.not_text}
        self.notes += [
            Note("field_unknown", name, name, nearest_field(name) if place < LOOKUPS else None)
            for place, name in enumerate(row.unknown[:LOOKUPS])
        ]

    def attempt(self, step: Callable[..., T], *args: object) -> T | None:
        """The step's answer, or None with the reason noted; a field that held no text is named once."""
        try:
            return step(*args)
        except NotedError as noted:
            if noted.note.field not in self._not_text:
                self.notes.append(noted.note)
            return None

    def attempt_optional(self, step: Callable[..., T | None], *args: object) -> T | None:
        """The same of a step that may answer None."""
        return self.attempt(step, *args)


def _text(text: str | None, field: str) -> str:
    """`text` cleaned; empty where it was not sent or is blank."""
    return given(text, field) or ""


def _missing(field: str, needed_by: str) -> NotedError:
    return NotedError(Note("field_missing", field, details={"needed_by": needed_by}))


def _attended(row: SessionAsSent) -> bool:
    """True where nothing is said: what an app reports took place."""
    text = _text(row.attended, "attended")
    if text in {"true", "false", ""}:
        return text != "false"
    raise NotedError(Note("attended_unknown", "attended", text))


def _require_missed(row: SessionAsSent, reason: str | None) -> None:
    """A session that was not attended has a reason and no minutes."""
    if row.minutes:
        raise NotedError(Note("minutes_without_attendance", "minutes", row.minutes))
    if reason == "":
        raise _missing("reason", "a session that was not attended")


def _decimal(sent: str | None, field: str, most: Decimal, places: int, expected: str) -> Decimal | None:
    text = _text(sent, field)
    if not text:
        return None
    details = {"expected": expected}
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotedError(Note("value_not_number", field, text, details=details))
    number = Decimal(text)
    if number < 0:
        raise NotedError(Note("value_negative", field, text, details=details))
    if number > most:
        raise NotedError(Note("value_out_of_reach", field, text, details=details))
    kept = round(number, places)
    if kept != number:
        raise NotedError(Note("value_not_number", field, text, details=details))
    return abs(kept)


def _number(row: SessionAsSent) -> int | None:
    text = _text(row.number, "number")
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or int(text) == 0:
        raise NotedError(Note("value_not_number", "number", text, details={"expected": _NUMBER}))
    return int(text)


def _kind(row: SessionAsSent) -> str:
    text = _text(row.kind, "kind")
    if text and text not in KINDS:
        details = {"known": ", ".join(KINDS)}
        raise NotedError(Note("kind_unknown", "kind", text, Nearness(KINDS).nearest(text), details))
    return text or DEFAULT_KIND


def _differing(recorded: SessionValues | None, values: SessionValues) -> str:
    """The first field in which a recorded session differs; empty for the same, and for none."""
    if recorded is None:
        return ""
    fields = SessionValues.__struct_fields__
    return next((name for name in fields if getattr(recorded, name) != getattr(values, name)), "")
