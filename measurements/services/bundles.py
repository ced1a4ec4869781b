"""Recording a Bundle of FHIR: specimens received, results recorded, and one answer for each of its entries."""

from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from django.db import transaction as database_transaction
from django.utils import timezone

from measurements.fhir import BundleAsSent, Entry, SpecimenAsSent
from measurements.fhir.writing import Resource, batch_response, issue, operation_outcome
from measurements.models import Specimen, Submission
from measurements.selectors.fhir import recorded_observations, specimen_to_receive
from measurements.services.idempotency import Key, earlier_answer, keep_answer
from measurements.services.results import record_results
from measurements.services.specimens import receive_specimen
from measurements.validation import Options, Payload, RunAsSent
from measurements.validation.fields import cleaned
from measurements.validation.findings import Note, NotedError, put_into_words
from measurements.validation.timestamps import parse_collected_at
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import Laboratory, Trial
from trials.permissions import Permission

OK, CREATED, ACCEPTED, WRONG = "200 OK", "201 Created", "202 Accepted", "422 Unprocessable Entity"
_ELEMENTS = {
    "specimen": "specimen",
    "participant": "subject",
    "visit": "encounter",
    "biomarker": "code",
    "value": "value",
    "unit": "value.unit",
    "assay": "method",
    "collected_at": "effective",
    "status": "status",
    "reason": "note",
    "replicate": "extension",
    "corrects": "extension",
    "run": "extension",
    "performed_on": "extension",
}
"""Fields of a row, to the elements of an Observation that they are read from."""
_ISSUES = {
    "specimen_unknown": "not-found",
    "participant_unknown": "not-found",
    "visit_unknown": "not-found",
    "biomarker_unknown": "code-invalid",
    "assay_unknown": "code-invalid",
    "field_missing": "required",
    "value_empty": "required",
    "unit_missing": "required",
    "duplicate_in_file": "duplicate",
    "already_recorded": "informational",
    "differs_from_recorded": "conflict",
    "visit_locked": "lock-error",
    "trial_locked": "lock-error",
    "not_allowed": "forbidden",
}
"""Our codes, to FHIR's issue types; the others are `value` where they are errors, and informational."""


@dataclass(frozen=True)
class BundleAnswer:
    """HTTP status and body: a Bundle of responses, or the OperationOutcome of a refused transaction."""

    status: int
    body: Resource
    is_replay: bool = False


@dataclass
class _Told:
    """What is said of each entry, by its number."""

    issues: dict[int, list[Resource]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[int, str] = field(default_factory=dict)
    locations: dict[int, tuple[str, str]] = field(default_factory=dict)

    def refuse(self, number: int, found: Resource, status: str = WRONG) -> None:
        """Say why an entry was not taken."""
        self.issues[number].append(found)
        self.statuses[number] = status

    @property
    def has_refused(self) -> bool:
        """Whether any entry was not taken."""
        return any(status.startswith("4") for status in self.statuses.values())

    @property
    def has_taken(self) -> bool:
        """Whether any entry was taken."""
        return any(status.startswith("2") for status in self.statuses.values())


class _NothingSavedError(Exception):
    """One entry of a transaction is wrong, so that all of it is undone."""


def record_bundle(
    *,
    trial: Trial,
    laboratory: Laboratory,
    bundle: BundleAsSent,
    by: Actor,
    unknown_specimen: Literal["reject", "hold"] = "reject",
    body_sha256: str = "",
    key: Key | None = None,
) -> BundleAnswer:
    """Record what a Bundle holds; of a transaction all or nothing, of a batch every entry that is right.

    A batch is answered 200, a transaction 200 or 422. Results go the way of all results (`record_results`), and
    together they are one submission. A repeated key gets the first answer; one under which nothing was saved is free.

    Raises:
        NotFound, NotAllowed: the caller may not record results of this trial.
        InConflict: the key is still in work, or other deliveries were faster for too long.
        RuleBroken: the key was used for another request.
    """
    require(by, Permission.RESULT_RECORD, trial)
    told = _Told()
    try:
        with database_transaction.atomic():
            if key is not None and (earlier := earlier_answer(key)) is not None:
                return BundleAnswer(*earlier, is_replay=True)
            _say_problems(bundle, told)
            _receive_specimens(bundle, told, by, trial)
            _record_rows(bundle, told, _Delivery(trial, laboratory, by, unknown_specimen, body_sha256))
            if bundle.is_transaction and told.has_refused:
                raise _NothingSavedError
            answer = BundleAnswer(200, _responses(bundle, told))
            if key is not None and told.has_taken:
                _keep(key, answer, by, trial, body_sha256)
            return answer
    except _NothingSavedError:
        found = [each for number in sorted(told.issues) for each in told.issues[number]]
        return BundleAnswer(422, operation_outcome(found))


@dataclass(frozen=True)
class _Delivery:
    trial: Trial
    laboratory: Laboratory
    by: Actor
    unknown_specimen: Literal["reject", "hold"]
    body_sha256: str


def _keep(key: Key, answer: BundleAnswer, by: Actor, trial: Trial, body_sha256: str) -> None:
    with audit.transaction(by=by) as event:
        keep_answer(key, answer.status, answer.body)
        event.record("bundle.answered", trial=trial, sha256=body_sha256)


def _say_problems(bundle: BundleAsSent, told: _Told) -> None:
    for entry in bundle.entries:
        if entry.problem is not None:
            problem = entry.problem
            sentence = f"{problem.sentence} Entry {entry.number} was not saved."
            told.refuse(
                entry.number,
                issue("error", problem.issue, problem.code, sentence, _expression(entry.number, problem.at)),
            )
        elif entry.row is None:
            told.statuses[entry.number] = OK


def _expression(number: int, element: str) -> str:
    """Return the simple FHIRPath of an element of an entry (FHIR counts from 0)."""
    return f"Bundle.entry[{number - 1}]" + (f".resource.{element}" if element else "")


def _receive_specimens(bundle: BundleAsSent, told: _Told, by: Actor, trial: Trial) -> None:
    """Record arrivals, in the order of ids, so that two Bundles wait for one another and never in a circle."""
    spoken_of = [(entry.specimen, entry) for entry in bundle.entries if entry.specimen is not None]
    for sent, entry in sorted(spoken_of, key=lambda pair: (pair[0].identifier, pair[1].number)):
        if sent.received_at is None and sent.condition is None:
            continue  # it is there for its Observations to refer to
        try:
            specimen = _receive(sent, by, trial)
        except NotedError as noted:
            finding = put_into_words(entry.number, noted.note, "rejected", dry_run=False)
            told.refuse(entry.number, _issue(finding.as_json(), _SPECIMEN_ELEMENTS))
        except RuleBroken as broken:
            kind = _ISSUES.get(broken.code, "business-rule")
            said = issue("error", kind, broken.code, broken.sentence, _expression(entry.number, ""))
            told.refuse(entry.number, said, f"{broken.status} {HTTPStatus(broken.status).phrase}")
        else:
            told.locations[entry.number] = (f"Specimen/{specimen.pk}", "")


_SPECIMEN_ELEMENTS = {"specimen": "identifier", "collected_at": "receivedTime", "received_at": "receivedTime"}


def _receive(sent: SpecimenAsSent, by: Actor, trial: Trial) -> Specimen:
    """Raises NotedError in the words of the row checker, so that an unknown and a foreign specimen read the same."""
    identifier = cleaned(sent.identifier, "specimen")
    moment = parse_collected_at(sent.received_at, timezone.now()) if sent.received_at else None
    specimen = specimen_to_receive(by, trial, identifier)
    if specimen is None:
        raise NotedError(Note("specimen_unknown", "specimen", identifier))
    if moment is None and specimen.received_at is None:
        raise NotedError(Note("field_missing", "receivedTime", details={"needed_by": "a condition"}))
    return receive_specimen(specimen=specimen, by=by, received_at=moment, condition=sent.condition or "ok")


def _record_rows(bundle: BundleAsSent, told: _Told, delivery: _Delivery) -> None:
    rows = [(entry.number, entry.row) for entry in bundle.entries if entry.row is not None]
    if not rows:
        return
    answer = record_results(
        trial=delivery.trial,
        laboratory=delivery.laboratory,
        payload=Payload(RunAsSent(), tuple(row for _, row in rows), tuple(number for number, _ in rows)),
        by=delivery.by,
        channel=Submission.Channel.FHIR,
        options=Options(
            on_error="reject_all" if bundle.is_transaction else "reject_rows",
            unknown_specimen=delivery.unknown_specimen,
            dry_run=bundle.is_transaction and told.has_refused,  # so that the other wrong rows are told as well
        ),
        body_sha256=delivery.body_sha256,
    )
    _tell_rows([number for number, _ in rows], answer.body, told)


def _tell_rows(numbers: list[int], body: dict[str, Any], told: _Told) -> None:
    recorded = recorded_observations(body["submission"]) if body["submission"] else {}
    for number in numbers:
        first_id, version = recorded.get(number, (0, 0))
        told.statuses[number] = CREATED if version == 1 else OK
        if version:
            told.locations[number] = (f"Observation/{first_id}", f'W/"{version}"')
    for finding in (*body["errors"], *body["warnings"]):
        told.issues[finding["row"]].append(_issue(finding, _ELEMENTS))
        if finding["severity"] == "error":
            told.statuses[finding["row"]] = WRONG
        elif finding["code"] in {"specimen_held", "trial_locked"}:
            told.statuses[finding["row"]] = ACCEPTED


def _issue(finding: dict[str, Any], elements: dict[str, str]) -> Resource:
    severity = {"info": "information"}.get(finding["severity"], finding["severity"])
    kind = _ISSUES.get(finding["code"], "value" if severity == "error" else "informational")
    element = elements.get(finding["field"], "")
    return issue(severity, kind, finding["code"], finding["message"], _expression(finding["row"], element))


def _responses(bundle: BundleAsSent, told: _Told) -> Resource:
    return batch_response((_response(entry, told) for entry in bundle.entries), is_transaction=bundle.is_transaction)


def _response(entry: Entry, told: _Told) -> Resource:
    location, etag = told.locations.get(entry.number, ("", ""))
    issues = told.issues.get(entry.number)
    return {
        "status": told.statuses[entry.number],
        "location": location,
        "etag": etag,
        "outcome": operation_outcome(issues) if issues else None,
    }
