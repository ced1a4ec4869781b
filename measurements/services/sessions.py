"""Recording sessions: by form one by one or a whole group, by API in batches, and retracting what was wrong.

No answer depends on an arm. Sessions raise no data version: no registered estimate uses them, and a version that rose
with them would tell the blinded who receives an intervention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, OperationalError
from django.db import transaction as database_transaction
from django.utils import timezone

from measurements.models import Session, SessionRetraction
from measurements.selectors.sessions import session_reference
from measurements.services.idempotency import Key, earlier_answer, keep_answer
from measurements.validation.session_rows import SessionAsSent
from measurements.validation.sessions import AcceptedSession, CheckedSessions, SessionOptions, check_sessions
from trials import audit
from trials.access import Actor, has_permission, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Participant, Therapist, TherapyGroup, Trial
from trials.permissions import Permission
from trials.selectors.therapy import present_members
from trials.services.writing import require_writable

ATTEMPTS = 6
# Two deliveries at once: the later one looks again and finds what the earlier one recorded.
OUTRUN_BY_ANOTHER = frozenset({"23505", "40001", "40P01"})  # unique violation, serialization failure, deadlock


@dataclass(frozen=True)
class SessionAnswer:
    """What the sender is told: HTTP status and body."""

    status: int
    body: dict[str, Any]
    is_replay: bool = False


@dataclass(frozen=True)
class _Delivery:
    trial: Trial
    rows: Sequence[SessionAsSent]
    by: Actor
    options: SessionOptions
    body_sha256: str
    key: Key | None
    now: datetime = field(default_factory=timezone.now)


def record_sessions(
    *,
    trial: Trial,
    rows: Sequence[SessionAsSent],
    by: Actor,
    options: SessionOptions | None = None,
    body_sha256: str = "",
    key: Key | None = None,
) -> SessionAnswer:
    """Check a delivery of sessions and store what is right; return the answer: 201, 200 or 422.

    One transaction; a repeated key gets the first answer, and a repeated session changes nothing.

    Raises:
        NotFound, NotAllowed: the caller may not record sessions in this trial.
        InConflict: the trial takes none now, the key is still in work, or other deliveries were faster for too long.
        RuleBroken: the key was used for another request.
    """
    delivery = _Delivery(trial, rows, by, options or SessionOptions(), body_sha256, key)
    for _ in range(ATTEMPTS):
        try:
            with database_transaction.atomic():
                return _record(delivery)
        except (IntegrityError, OperationalError) as error:
            if getattr(error.__cause__, "sqlstate", "") not in OUTRUN_BY_ANOTHER:
                raise
    raise InConflict(
        "too_busy", "Other deliveries of the same rows were faster. Send it again. Nothing was saved.", retry_after=1
    )


def _record(delivery: _Delivery) -> SessionAnswer:
    """One attempt, in one transaction."""
    by, trial, options = delivery.by, delivery.trial, delivery.options
    require(by, Permission.SESSION_RECORD, trial)
    if delivery.key is not None and not options.dry_run:
        earlier = earlier_answer(delivery.key)
        if earlier is not None:
            return SessionAnswer(*earlier, is_replay=True)
    require_writable(trial, Writing.CONDUCT)
    reference = session_reference(delivery.rows, trial=trial, by=by, now=delivery.now)
    checked = check_sessions(delivery.rows, reference, options)
    status, body = _status(checked), _body(checked, options)
    if status == 422 or options.dry_run:
        return SessionAnswer(422 if status == 422 else 200, body)
    with audit.transaction(by=by) as event:
        _store(delivery, checked)
        if delivery.key is not None:
            keep_answer(delivery.key, status, body)
        event.record(
            "session.recorded",
            trial=trial,
            target=trial,
            row_count=checked.received,
            sha256=delivery.body_sha256,
        )
    return SessionAnswer(status, body)


def _status(checked: CheckedSessions) -> int:
    counts = checked.counts
    if counts["created"]:
        return 201
    return 422 if counts["rejected"] and not counts["unchanged"] else 200


def _body(checked: CheckedSessions, options: SessionOptions) -> dict[str, Any]:
    return {
        **checked.counts,
        "dry_run": options.dry_run,
        "errors": [finding.as_json() for finding in checked.errors],
        "warnings": [finding.as_json() for finding in checked.warnings],
    }


def _store(delivery: _Delivery, checked: CheckedSessions) -> None:
    """Write the new rows in the order of their keys, so that overlapping batches never wait in a circle."""
    credential = delivery.by.credential
    Session.objects.bulk_create(
        _session(delivery, row, credential) for row in sorted(checked.new, key=lambda row: row.key)
    )


def _session(delivery: _Delivery, row: AcceptedSession, credential: Any) -> Session:
    values = row.values
    return Session(
        trial=delivery.trial,
        participant_id=values.participant,
        number=values.number,
        occurred_at=values.occurred_at,
        attended=values.attended,
        reason=values.reason,
        minutes=values.minutes,
        completion=values.completion,
        kind=values.kind,
        therapist_id=values.therapist,
        software=values.software,
        software_version=values.software_version,
        source=Session.Source.API,
        laboratory_id=credential.laboratory_id if credential else None,
        credential=credential,
        user_id=delivery.by.user.pk if delivery.by.user else None,
        external_id=row.external_id,
        key=row.key,
    )


@dataclass(frozen=True)
class Contact:
    """One session as somebody enters it; a missed one has a reason and no minutes."""

    occurred_at: datetime
    attended: bool = True
    reason: str = ""
    minutes: Decimal | None = None
    kind: str = Session.Kind.INDIVIDUAL
    number: int | None = None
    completion: Decimal | None = None
    therapist: Therapist | None = None
    software: str = ""
    software_version: str = ""
    note: str = ""


def record_session(*, participant: Participant, contact: Contact, by: Actor, key: str) -> Session:
    """Record one session of a randomized participant; with the same `key`, return the one that was recorded.

    Raises RuleBroken for a moment to come or before randomization, a missed session without reason or with minutes,
    a therapist of another site, and a session that is recorded for that moment already; InConflict for somebody who is
    not randomized or withdrew the use of their data, and where the trial takes none now.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.SESSION_RECORD, trial, site=participant.site)
        require_writable(trial, Writing.CONDUCT)
        session = _record_one(participant, contact, None, by, key)
        event.record("session.recorded", trial=trial, target=participant)
    return session


def record_group_session(
    *, group: TherapyGroup, contact: Contact, missed: Mapping[int, str], by: Actor, key: str
) -> list[Session]:
    """Record one session of everybody who is in a group: `missed` has the reasons of those who were not there, by id.

    All or nothing. With the same `key`, return what was recorded. Raises as for one session; InConflict for an empty
    group.
    """
    with audit.transaction(by=by) as event:
        trial = group.trial
        require(by, Permission.SESSION_RECORD, trial, site=group.site)
        require(by, Permission.ALLOCATION_VIEW, trial, site=group.site)
        require_writable(trial, Writing.CONDUCT)
        members = present_members(group)
        if not members:
            raise InConflict("group_empty", f"Nobody is in group {group.code}. Add its members first.")
        sessions = [
            _record_one(member, _of_member(contact, member, missed), group, by, f"{key}/{member.pk}")
            for member in members
        ]
        event.record("session.recorded", trial=trial, target=group, row_count=len(sessions))
    return sessions


def _of_member(contact: Contact, member: Participant, missed: Mapping[int, str]) -> Contact:
    if member.pk not in missed:
        return contact
    reason = missed[member.pk].strip()
    if not reason:
        raise RuleBroken(
            "reason_missing",
            f"Say why {member.code} missed the session. Nothing was saved.",
            field=f"reason_{member.pk}",
        )
    return Contact(
        contact.occurred_at,
        attended=False,
        reason=reason,
        kind=contact.kind,
        number=contact.number,
        therapist=contact.therapist,
    )


def _record_one(participant: Participant, contact: Contact, group: TherapyGroup | None, by: Actor, key: str) -> Session:
    participant = (
        Participant.objects.select_for_update(no_key=True, of=("self",)).select_related("site").get(pk=participant.pk)
    )
    user_id = by.user.pk if by.user else None
    known = Session.objects.filter(trial=participant.trial_id, laboratory=None, user_id=user_id, key=key).first()
    if known is not None:
        return known
    _check(participant, contact, by)
    return Session.objects.create(
        trial_id=participant.trial_id,
        participant=participant,
        group=group,
        source=Session.Source.FORM,
        user_id=user_id,
        key=key,
        **vars(contact),
    )


def _check(participant: Participant, contact: Contact, by: Actor) -> None:
    if participant.data_use_withdrawn:
        raise InConflict("participant_withdrawn", f"{participant.code} withdrew the use of further data.")
    if not hasattr(participant, "allocation"):
        raise InConflict("not_randomized", f"{participant.code} is not randomized: sessions follow randomization.")
    _check_moment(participant, contact, by)
    _check_attendance(contact)
    therapist = contact.therapist
    if therapist is not None and therapist.site_id != participant.site_id:
        raise RuleBroken(
            "therapist_unknown",
            f"{therapist.code} is not a therapist of {participant.site.name}. Nothing was saved.",
            field="therapist",
        )


def _check_moment(participant: Participant, contact: Contact, by: Actor) -> None:
    day = timezone.localdate(contact.occurred_at)
    if contact.occurred_at > timezone.now():
        raise RuleBroken("date_future", f"{day} is in the future. Nothing was saved.", field="on")
    if participant.randomized_on is not None and day < participant.randomized_on:
        raise RuleBroken(
            "date_before_randomization",
            f"{day} is before {participant.randomized_on}, when {participant.code} was randomized. Nothing was saved.",
            field="on",
        )
    same = Session.objects.filter(participant=participant, occurred_at=contact.occurred_at, retraction=None)
    if not has_permission(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site):
        # What others recorded tells the arm; who may not see it is told of their own alone.
        same = same.filter(user_id=by.user.pk if by.user else None)
    if same.exists():
        raise RuleBroken(
            "already_recorded",
            f"A session of {participant.code} at that moment is recorded already. Retract it if it was wrong. "
            "Nothing was saved.",
            field="on",
        )


def _check_attendance(contact: Contact) -> None:
    if not contact.attended and not contact.reason.strip():
        raise RuleBroken("reason_missing", "Say why the session was missed. Nothing was saved.", field="reason")
    if not contact.attended and contact.minutes:
        raise RuleBroken(
            "minutes_without_attendance", "A missed session has no minutes. Nothing was saved.", field="minutes"
        )


def retract_session(*, session: Session, reason: str, by: Actor) -> SessionRetraction:
    """Say that a session did not take place as recorded, and why; it stays readable and counts no more.

    Asked again, the first reason stays. Raises RuleBroken without a reason.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        participant = session.participant
        require(by, Permission.SESSION_RECORD, session.trial, site=participant.site)
        require(by, Permission.ALLOCATION_VIEW, session.trial, site=participant.site)
        require_writable(session.trial, Writing.CONDUCT)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why the session is retracted. Nothing was saved.", field="reason")
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
        retraction, _ = SessionRetraction.objects.get_or_create(session=session, defaults={"reason": reason.strip()})
        event.record("session.retracted", trial=session.trial, target=participant)
    return retraction
