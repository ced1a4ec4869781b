"""Versions of the consent form, and what participants agree to after their first consent."""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import ConsentForm, Participant, ParticipantEvent, Trial
from trials.permissions import Permission
from trials.selectors.consent import THE_TRIAL, ConsentInForce, Scope, check_consent, consent_of
from trials.services.enrollment import require_past
from trials.services.writing import require_writable

Kind, State = ParticipantEvent.Kind, Participant.State
CODE = re.compile(r"[a-z][a-z0-9_]{0,19}")


def add_consent_form(
    *,
    trial: Trial,
    version: str,
    scopes: Sequence[Scope] = (),
    by: Actor,
    valid_from: date | None = None,
    asks_again: bool = False,
) -> ConsentForm:
    """Add the next version, valid from a day on; `scopes` are what is agreed to beside taking part, which comes first.

    With `asks_again`, participants in follow-up with an older consent are due for another one. Raises RuleBroken for a
    version that there is, scopes without a code of their own, and a day before that of the version it follows.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        earlier = list(trial.consent_forms.all())
        _check_version(version, valid_from, earlier)
        form = ConsentForm.objects.create(
            trial=trial,
            version=version,
            valid_from=valid_from,
            asks_again=asks_again,
            position=len(earlier),
            scopes=[{"code": each.code, "name": each.name, "required": each.required} for each in _all_scopes(scopes)],
        )
        event.record("consent_form.added", trial=trial, target=form)
    return form


def _check_version(version: str, valid_from: date | None, earlier: Sequence[ConsentForm]) -> None:
    if any(form.version == version for form in earlier):
        raise RuleBroken(
            "version_taken", f"There is a version {version} already. Give the new one another name.", field="version"
        )
    if not earlier:
        return
    last = earlier[-1]
    if valid_from is None:
        raise RuleBroken("valid_from_missing", f"Say from which day on it follows {last.version}.", field="valid_from")
    if last.valid_from is not None and valid_from <= last.valid_from:
        raise RuleBroken(
            "valid_from_too_early",
            f"Version {last.version} is valid from {last.valid_from.isoformat()}; the next one begins later.",
            field="valid_from",
        )


def _all_scopes(others: Sequence[Scope]) -> list[Scope]:
    codes = [THE_TRIAL, *(each.code for each in others)]
    for code in codes:
        if not CODE.fullmatch(code):
            raise RuleBroken(
                "scope_code_wrong",
                f"“{code}” cannot be a scope's code: small letters, digits and _, a letter first, at most 20.",
                field="scopes",
            )
        if codes.count(code) > 1:
            raise RuleBroken(
                "scope_twice", f"“{code}” is there twice. Each scope has a code of its own.", field="scopes"
            )
    return [Scope(THE_TRIAL, "Taking part in the trial", required=True), *others]


def record_reconsent(
    *, participant: Participant, by: Actor, on: date, version: str, scope: Sequence[str] = (THE_TRIAL,)
) -> Participant:
    """Record that somebody in follow-up agreed to a newer version; its scopes replace the earlier ones.

    Raises InConflict for somebody who is not in follow-up; RuleBroken for a version not valid on that day or consented
    to already, for its scopes as at the first consent, and for a day before the consent that it follows.
    """
    with audit.transaction(by=by) as event:
        participant, consent = _in_follow_up(participant, by, on)
        check_consent(participant.trial, version, on, scope)
        if consent.version == version:
            raise InConflict("already_recorded", f"{participant.code} consented to version {version} already.")
        _happened(participant, Kind.RECONSENTED, on, {"version": version, "scope": list(scope)})
        event.record("participant.reconsented", trial=participant.trial, target=participant)
    return participant


def decline_reconsent(*, participant: Participant, by: Actor, on: date, version: str, reason: str = "") -> Participant:
    """Record that somebody does not agree to a newer version: the earlier consent stands, and they are not asked again.

    It withdraws them from nothing. Raises as `record_reconsent` does.
    """
    with audit.transaction(by=by, reason=reason) as event:
        participant, _ = _in_follow_up(participant, by, on)
        if not participant.trial.consent_forms.filter(version=version).exists():
            raise RuleBroken("version_unknown", f"There is no version {version} of the consent form.", field="version")
        _happened(participant, Kind.RECONSENT_DECLINED, on, {"version": version}, reason)
        event.record("participant.reconsent_declined", trial=participant.trial, target=participant)
    return participant


def withdraw_scope(*, participant: Participant, by: Actor, on: date, scope: str, reason: str = "") -> Participant:
    """Record that somebody takes back one optional part of their consent, and stays in the trial.

    Raises InConflict for a scope that is not in force or is required (that is a withdrawal from the trial).
    """
    with audit.transaction(by=by, reason=reason) as event:
        participant, consent = _with_consent(participant, by, on)
        optional = {each.code: each for each in consent.optional_in_force}
        if scope not in optional:
            raise InConflict(
                "scope_not_in_force",
                f"“{scope}” is no optional scope that {participant.code} now agrees to. Nothing was saved.",
                field="scope",
            )
        _happened(participant, Kind.CONSENT_SCOPE_WITHDRAWN, on, {"scope": scope}, reason)
        event.record("participant.consent_scope_withdrawn", trial=participant.trial, target=participant)
    return participant


def _in_follow_up(participant: Participant, by: Actor, on: date) -> tuple[Participant, ConsentInForce]:
    participant, consent = _with_consent(participant, by, on)
    if participant.state != State.RANDOMIZED:
        raise InConflict("not_in_follow_up", f"{participant.code} is not in follow-up, and is not asked again.")
    return participant, consent


def _with_consent(participant: Participant, by: Actor, on: date) -> tuple[Participant, ConsentInForce]:
    """Return the participant, locked, and the consent in force, for those who may record about it now."""
    require(by, Permission.PARTICIPANT_ENROLL, participant.trial, site=participant.site)
    require_writable(participant.trial, Writing.PARTICIPATION)
    locked = Participant.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=participant.pk)
    consent = consent_of(locked)
    if consent is None:
        raise InConflict("no_consent", f"{locked.code} has not consented yet.")
    require_past(on, "on")
    if consent.on is not None and on < consent.on:
        raise RuleBroken(
            "date_before_consent",
            f"{on.isoformat()} is before the consent of {consent.on.isoformat()}. Nothing was saved.",
            field="on",
        )
    return locked, consent


def _happened(participant: Participant, kind: str, on: date, detail: Mapping[str, object], reason: str = "") -> None:
    ParticipantEvent.objects.create(
        trial_id=participant.trial_id,
        participant=participant,
        kind=kind,
        occurred_on=on,
        reason=reason,
        detail=dict(detail),
    )
