"""Recording a delivery of results: checked as a whole, stored as a whole, answered exactly once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, connection
from django.db import transaction as database_transaction
from django.utils import timezone

from measurements.models import Submission, SubmissionFile
from measurements.selectors.places import closed_sites, sites_open_to
from measurements.selectors.reference import Known, reference_for
from measurements.services.idempotency import Key, earlier_answer, keep_answer
from measurements.services.queries import ask_about_several_values
from measurements.services.replicates import ask_about_replicates
from measurements.services.storing import settle_held_rows, store_rows
from measurements.validation import AcceptedRow, Checked, Options, Payload, check_rows
from measurements.validation.columns import Cell
from measurements.validation.nearness import squeezed
from measurements.validation.returned import located
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, NotAllowed
from trials.models import Laboratory, Participant, Trial, Webhook
from trials.permissions import Permission
from trials.services.design import BUILT_IN_LABORATORY, mark_data_changed
from trials.services.webhooks import announce

ATTEMPTS = 6
# Two deliveries at once: the later one looks again and finds what the earlier one recorded.
OUTRUN_BY_ANOTHER = frozenset({"23505", "40001", "40P01"})  # unique violation, serialization failure, deadlock


@dataclass(frozen=True)
class Answer:
    """What the sender is told: HTTP status and body; the submission where something was stored now."""

    status: int
    body: dict[str, Any]
    submission: Submission | None = None
    is_replay: bool = False


@dataclass(frozen=True)
class SentFile:
    """The file that a delivery came as, how its columns were read, and where each row stands in it."""

    name: str
    content: bytes
    format: str
    sheet: str
    columns: dict[str, Any]
    cells: Sequence[Cell]


@dataclass(frozen=True)
class _Delivery:
    trial: Trial
    laboratory: Laboratory
    payload: Payload
    by: Actor
    channel: str
    options: Options
    body_sha256: str
    key: Key | None
    now: datetime = field(default_factory=timezone.now)
    released: Mapping[int, int] = field(default_factory=dict)
    """Held rows by the number of the row that each is here."""
    file: SentFile | None = None


class _Outrun(Exception):  # noqa: N818 - it is no error: another transaction was first
    """The trial's data state, or the lock of a visit, changed while the batch was checked."""


def record_results(
    *,
    trial: Trial,
    laboratory: Laboratory,
    payload: Payload,
    by: Actor,
    channel: str,
    options: Options | None = None,
    body_sha256: str = "",
    key: Key | None = None,
    now: datetime | None = None,
    file: SentFile | None = None,
    released: Mapping[int, int] | None = None,
) -> Answer:
    """Check a delivery and store what is right; return the answer: 201, 200 or 422.

    One transaction: nothing is ever half-written, and a repeated key gets the first answer. A delivery that meets
    another one with the same rows is checked again after it. `released` says of rows, by their number, which held
    row they are: a laboratory that may sent them, and whoever may manage specimens settles them.

    Raises:
        NotFound, NotAllowed: the caller may not record (or not correct) results of this trial.
        InConflict: the key is still in work, or other deliveries were faster for too long.
        RuleBroken: the key was used for another request.
    """
    now = now or timezone.now()
    delivery = _Delivery(
        trial, laboratory, payload, by, channel, options or Options(), body_sha256, key, now, released or {}, file
    )
    for _ in range(ATTEMPTS):
        try:
            with database_transaction.atomic():
                return _record(delivery)
        except _Outrun:
            continue
        except (IntegrityError, OperationalError) as error:
            if getattr(error.__cause__, "sqlstate", "") not in OUTRUN_BY_ANOTHER:
                raise
    raise InConflict(
        "too_busy", "Other deliveries of the same rows were faster. Send it again. Nothing was saved.", retry_after=1
    )


def _record(delivery: _Delivery) -> Answer:
    """One attempt, in one transaction."""
    require(delivery.by, _right(delivery), delivery.trial)
    if delivery.key is not None and not delivery.options.dry_run:
        earlier = earlier_answer(delivery.key)
        if earlier is not None:
            return Answer(*earlier, is_replay=True)
    known = _known(delivery)
    checked = check_rows(delivery.payload.rows, known.reference, delivery.options, delivery.payload.numbers)
    if not delivery.released:
        _require_correction(delivery, known, checked)
    status = _status(checked)
    if status == 422 or delivery.options.dry_run:
        said = _report(delivery, checked)
        return Answer(422 if status == 422 else 200, _body(delivery, checked, known.data_version, said))
    return _store(delivery, known, checked, status)


def _right(delivery: _Delivery) -> Permission:
    return Permission.SPECIMEN_MANAGE if delivery.released else Permission.RESULT_RECORD


def _known(delivery: _Delivery) -> Known:
    return reference_for(
        delivery.payload.rows,
        trial=delivery.trial,
        laboratory=delivery.laboratory,
        sites=sites_open_to(delivery.by, _right(delivery), delivery.trial),
        now=delivery.now,
        closed=closed_sites(delivery.by, delivery.trial),
    )


def _require_correction(delivery: _Delivery, known: Known, checked: Checked) -> None:
    """A final value after a preliminary one is no correction; everything else that replaces a value is."""
    replaced = [(row, known.recorded[row.supersedes]) for row in checked.accepted if row.supersedes in known.recorded]
    corrected = {
        row.participant_pk
        for row, old in replaced
        if row.disposition == "corrected"
        and row.participant_pk is not None
        and (old.status, row.status) != ("preliminary", "final")
    }
    if not corrected:
        return
    require(delivery.by, Permission.RESULT_CORRECT, delivery.trial)
    sites = sites_open_to(delivery.by, Permission.RESULT_CORRECT, delivery.trial)
    if sites is not None and Participant.objects.filter(pk__in=corrected).exclude(site__in=sites).exists():
        raise NotAllowed("not_allowed", "Your roles do not include correcting results of this site. Nothing was saved.")


def _status(checked: Checked) -> int:
    counts = checked.counts
    if counts.created or counts.corrected or counts.held:
        return 201
    return 422 if counts.rejected and not counts.unchanged else 200


def _store(delivery: _Delivery, known: Known, checked: Checked, status: int) -> Answer:
    with audit.transaction(by=delivery.by) as event:
        said, written = _report(delivery, checked), _written(checked)
        submission = _submission(delivery, known, checked, said)
        _keep_file(submission, delivery)
        stored = store_rows(submission, checked, known.recorded)
        settle_held_rows(submission, checked, known.reference, delivery.released)
        _require_still_open(written)
        version = _data_version(delivery.trial, known)
        if stored.changes_analysis:
            ask_about_several_values(submission, written)
            if any(row.replicate > 1 or row.disposition == "corrected" for row in written):
                ask_about_replicates(submission)
        if stored.is_told:
            version = mark_data_changed(delivery.trial)
        body = _body(delivery, checked, version, said, submission)
        if delivery.key is not None:
            keep_answer(delivery.key, status, body)
        _announce(submission)
        event.record(
            "results.of_therapy_recorded" if submission.tells_arm else "results.recorded",
            trial=delivery.trial,
            target=submission,
            row_count=checked.counts.received,
            sha256=delivery.body_sha256,
        )
    return Answer(status, body, submission)


def _announce(submission: Submission) -> None:
    """Tell webhooks that a delivery was recorded: its counts, which its sender was answered too.

    Of one that tells an arm nobody is told: who looks after webhooks reads what they were sent.
    """
    if submission.tells_arm:
        return
    counts = ("received", "created", "unchanged", "corrected", "held", "rejected")
    told = {
        "submission": str(submission.reference),
        **{name: getattr(submission, name) for name in counts},
        "url": f"/api/v1/trials/{submission.trial.slug}/submissions/{submission.reference}/",
    }
    announce(Webhook.Event.SUBMISSION_COMPLETED, trial=submission.trial, laboratory=submission.laboratory, data=told)


def _submission(delivery: _Delivery, known: Known, checked: Checked, said: dict[str, Any]) -> Submission:
    runs = {row.run for row in checked.accepted}
    days = {row.performed_on for row in checked.accepted}
    counts = checked.counts
    return Submission.objects.create(
        trial=delivery.trial,
        laboratory=delivery.laboratory,
        channel=delivery.channel,
        body_sha256=delivery.body_sha256,
        run=(runs.pop() or "") if len(runs) == 1 else "",
        performed_on=days.pop() if len(days) == 1 else None,
        received=counts.received,
        created=counts.created,
        unchanged=counts.unchanged,
        corrected=counts.corrected,
        held=counts.held,
        rejected=counts.rejected,
        report=said,
        tells_arm=_tells_arm(delivery, known),
    )


def _tells_arm(delivery: _Delivery, known: Known) -> bool:
    """Whether a row could be of a biomarker that tells the arm: one whose name is not known could be meant so."""
    biomarkers = known.reference.biomarkers.values()
    if not any(each.tells_arm for each in biomarkers):
        return False
    harmless = {
        squeezed(name) for each in biomarkers if not each.tells_arm for name in (each.code, each.name, *each.aliases)
    }
    return any(squeezed(name or "") not in harmless for name in {row.biomarker for row in delivery.payload.rows})


def _keep_file(submission: Submission, delivery: _Delivery) -> None:
    file = delivery.file
    if file is not None:
        SubmissionFile.objects.create(
            submission=submission,
            name=file.name,
            content=file.content,
            sha256=delivery.body_sha256,
            format=file.format,
            sheet=file.sheet,
            columns=file.columns,
        )


def _report(delivery: _Delivery, checked: Checked) -> dict[str, Any]:
    """What is said of the rows; of those of a file with their lines."""
    report = {
        "errors": [finding.as_json() for finding in checked.errors],
        "warnings": [finding.as_json() for finding in checked.warnings],
    }
    if delivery.file is None:
        return report
    cells = delivery.file.cells
    return {name: [located(finding, cells) for finding in findings] for name, findings in report.items()}


def _written(checked: Checked) -> list[AcceptedRow]:
    return [row for row in checked.accepted if row.disposition in {"created", "corrected"}]


def _require_still_open(written: Sequence[AcceptedRow]) -> None:
    """Hold what is recorded of the visits written to till commit: their locks come before this batch or after it."""
    places = ((row.participant_pk, row.visit_pk) for row in written)
    visits = sorted({(participant, visit) for participant, visit in places if participant and visit})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT locked_at FROM trials_attendance WHERE (participant_id, visit_id)"
            " IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[])) ORDER BY id FOR SHARE",
            [[participant for participant, _ in visits], [visit for _, visit in visits]],
        )
        if any(locked_at is not None for (locked_at,) in cursor.fetchall()):
            raise _Outrun


def _data_version(trial: Trial, known: Known) -> int:
    """Hold the trial's row till commit and return its version: a lock comes before this batch or after it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT data_state, data_version FROM trials_trial WHERE id = %s FOR NO KEY UPDATE", [trial.pk])
        state, version = cursor.fetchone()
    if state != known.reference.trial_state:
        raise _Outrun
    return int(version)


def _body(
    delivery: _Delivery, checked: Checked, version: int, said: dict[str, Any], submission: Submission | None = None
) -> dict[str, Any]:
    counts = checked.counts
    return {
        "submission": str(submission.reference) if submission else None,
        "received": counts.received,
        "created": counts.created,
        "unchanged": counts.unchanged,
        "corrected": counts.corrected,
        "held": counts.held,
        "rejected": counts.rejected,
        "dry_run": delivery.options.dry_run,
        "data_version": version,
        **said,
    }


def laboratory_of(by: Actor, trial: Trial) -> Laboratory:
    """Return whose results `by` records: a credential's own laboratory, for people the trial's built-in one."""
    if by.credential is not None:
        return by.credential.laboratory
    laboratory = Laboratory.objects.filter(trial=trial, code=BUILT_IN_LABORATORY).first()
    if laboratory is None:
        raise NotAllowed("laboratory_missing", "This trial has no laboratory for values entered by people.")
    return laboratory
