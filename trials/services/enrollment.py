"""Taking people into a trial: screening, consent, exclusion, withdrawal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from django.db.models import Max
from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.allocation.study_codes import format_code
from trials.course import ENDS, state_after
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import (
    ARM_TELLING,
    Allocation,
    Arm,
    Criterion,
    Participant,
    ParticipantEvent,
    Site,
    Stratum,
    TherapyGroup,
    Trial,
)
from trials.permissions import Permission
from trials.selectors.consent import THE_TRIAL, check_consent
from trials.selectors.events import events_of_participant
from trials.services.design import mark_data_changed
from trials.services.sealing import stratum_key
from trials.services.writing import require_writable

Kind, State = ParticipantEvent.Kind, Participant.State


@dataclass(frozen=True)
class Consent:
    """That a person agreed: when, to which version of the information sheet, and to which of its scopes."""

    on: date
    version: str
    scope: Sequence[str] = (THE_TRIAL,)


def enroll_participant(
    *,
    trial: Trial,
    site: Site,
    by: Actor,
    screened_on: date,
    eligibility: Sequence[bool] | Mapping[str, bool],
    consent: Consent | None = None,
    key: str = "",
) -> Participant:
    """Screen a person against every criterion: exclude them with those not met, else record consent if given.

    `eligibility` answers the criteria by code, or in their order. Asked again with the same `key`, return the same
    person. Raises RuleBroken, with a row for each, when a criterion has no answer or an answer no criterion.
    """
    criteria = list(trial.criteria.all())
    answers = answers_by_code(criteria, eligibility)
    unmet = [each.code for each in criteria if not each.is_met_by(answers[each.code])]
    with audit.transaction(by=by) as event:
        participant = screen_participant(
            trial=trial, site=site, by=by, screened_on=screened_on, eligibility=answers, key=key
        )
        if participant.state == State.SCREENED and unmet:
            participant = exclude_participant(
                participant=participant, reason="ineligible", by=by, on=screened_on, unmet=unmet
            )
        elif participant.state == State.SCREENED and consent is not None:
            participant = record_consent(
                participant=participant, by=by, on=consent.on, version=consent.version, scope=consent.scope
            )
        event.record("participant.enrolled", trial=trial, target=participant)
    return participant


def answers_by_code(criteria: Sequence[Criterion], eligibility: Sequence[bool] | Mapping[str, bool]) -> dict[str, bool]:
    """Return the answer to every criterion by its code, in the order of the criteria.

    Raises RuleBroken that names each criterion without an answer and each answer without a criterion.
    """
    codes = [each.code for each in criteria]
    if isinstance(eligibility, Mapping):
        given = dict(eligibility)
    else:
        given = dict(zip([*codes, *map(str, range(len(codes) + 1, len(eligibility) + 1))], eligibility, strict=False))
    problems = [_criterion_problem(code, "criterion_unknown") for code in given if code not in codes]
    problems += [_criterion_problem(code, "criterion_unanswered") for code in codes if code not in given]
    if problems:
        raise RuleBroken(
            "eligibility_unanswered",
            f"Answer each of the trial's {len(codes)} criteria, by its code or in their order. Nothing was saved.",
            field="eligibility",
            rows=problems,
        )
    return {code: given[code] for code in codes}


def _criterion_problem(code: str, problem: str) -> dict[str, str]:
    said = "has no answer." if problem == "criterion_unanswered" else "is not a criterion of this trial."
    return {
        "pointer": f"/eligibility/{code}",
        "field": "eligibility",
        "code": problem,
        "message": f"“{code}” {said}",
    }


def screen_participant(
    *,
    trial: Trial,
    site: Site,
    by: Actor,
    screened_on: date,
    eligibility: Mapping[str, bool] | None = None,
    key: str = "",
) -> Participant:
    """Record that a person was assessed; return them under a screening code.

    `eligibility` answers the trial's criteria one by one. A form or request that is sent twice carries the same `key`,
    and is answered with the same person. Raises InConflict when the trial does not recruit, RuleBroken for a date in
    the future.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.PARTICIPANT_ENROLL, trial, site=site)
        require_writable(trial, Writing.ENROLMENT)
        require_past(screened_on, "screened_on")
        number = _next(trial, "screening_number")
        known = _screened_with(trial, site, key)
        if known is not None:
            event.record("participant.screening_repeated", trial=trial, target=known)
            return known
        participant = Participant.objects.create(
            trial=trial,
            site=site,
            code=f"{trial.code_prefix}-S{number:03d}",
            screening_number=number,
            screened_on=screened_on,
        )
        _happened(participant, Kind.SCREENED, screened_on, detail={"eligibility": dict(eligibility or {}), "key": key})
        event.record("participant.screened", trial=trial, target=participant)
    return participant


def exclude_participant(
    *, participant: Participant, reason: str, by: Actor, on: date, note: str = "", unmet: Sequence[str] = ()
) -> Participant:
    """Record that somebody is not randomized: `ineligible` (with the criteria not met), `declined`, `other`.

    Raises InConflict once they are randomized or excluded, and in a trial that takes nothing more; RuleBroken for a
    criterion that the trial does not have, and for a day in the future or before the screening.
    """
    with audit.transaction(by=by, reason=note) as event:
        participant = _locked(participant)
        require(by, Permission.PARTICIPANT_ENROLL, participant.trial, site=participant.site)
        require_writable(participant.trial, writing_of(Kind.EXCLUDED))
        _require_state(participant, State.SCREENED, State.CONSENTED)
        require_past(on, "on")
        _require_not_before_screening(participant, on, "on")
        if reason not in ParticipantEvent.ExclusionReason.values:
            raise RuleBroken("reason_unknown", "Choose ineligible, declined or other.", field="reason")
        _require_criteria(participant.trial, unmet)
        told = {"note": note, "unmet": list(unmet)}
        _happened(
            participant, Kind.EXCLUDED, on, reason=reason, detail={name: what for name, what in told.items() if what}
        )
        _enter(participant, State.EXCLUDED)
        event.record("participant.excluded", trial=participant.trial, target=participant)
    return participant


def record_consent(
    *, participant: Participant, by: Actor, on: date, version: str, scope: Sequence[str] = (THE_TRIAL,)
) -> Participant:
    """Record consent to a version and its scopes, and give the person their study code.

    Raises InConflict for somebody not eligible or already past this step, and when the trial does not recruit;
    RuleBroken for a date in the future or before screening, for a version that was not valid on that day, and for
    scopes that it does not have or that leave out a required one.
    """
    with audit.transaction(by=by) as event:
        participant = _locked(participant)
        trial = participant.trial
        require(by, Permission.PARTICIPANT_ENROLL, trial, site=participant.site)
        require_writable(trial, Writing.ENROLMENT)
        _require_state(participant, State.SCREENED)
        require_eligible(participant)
        require_past(on, "consented_on")
        _require_not_before_screening(participant, on, "consented_on")
        check_consent(trial, version, on, scope)
        participant.number = _next(trial, "number")
        participant.code = format_code(trial.code_prefix, participant.number)
        _happened(participant, Kind.CONSENTED, on, detail={"version": version, "scope": list(scope)})
        _enter(participant, State.CONSENTED)
        event.record("participant.consented", trial=trial, target=participant)
    return participant


AFTER_RANDOMIZATION = (
    Kind.INTERVENTION_STARTED,
    Kind.INTERVENTION_NOT_STARTED,
    Kind.INTERVENTION_DISCONTINUED,
    Kind.INTERVENTION_ENDED,
    Kind.FOLLOW_UP_WITHDRAWN,
    Kind.DATA_USE_WITHDRAWN,
    Kind.LOST_TO_FOLLOW_UP,
    Kind.DIED,
    Kind.COMPLETED,
)
"""What `record_event` records; cross-over, unblinding and randomization in error have services of their own."""

# What tells whether somebody takes part, and in what.
ABOUT_PARTICIPATION = frozenset(
    {
        Kind.EXCLUDED,
        Kind.FOLLOW_UP_WITHDRAWN,
        Kind.DATA_USE_WITHDRAWN,
        Kind.LOST_TO_FOLLOW_UP,
        Kind.DIED,
        Kind.RECONSENTED,
        Kind.RECONSENT_DECLINED,
        Kind.CONSENT_SCOPE_WITHDRAWN,
    }
)

# What cannot be true of one person together.
CONTRADICTIONS = {
    Kind.INTERVENTION_STARTED: (Kind.INTERVENTION_NOT_STARTED,),
    Kind.INTERVENTION_NOT_STARTED: (
        Kind.INTERVENTION_STARTED,
        Kind.INTERVENTION_DISCONTINUED,
        Kind.INTERVENTION_ENDED,
    ),
    Kind.INTERVENTION_DISCONTINUED: (Kind.INTERVENTION_NOT_STARTED, Kind.INTERVENTION_ENDED),
    Kind.INTERVENTION_ENDED: (Kind.INTERVENTION_NOT_STARTED, Kind.INTERVENTION_DISCONTINUED),
}


def record_event(
    *, participant: Participant, kind: str, by: Actor, on: date, reason: str = "", scope: str = ""
) -> Participant:
    """Record what happened to a randomized participant; only withdrawn use of data takes values out of analysis.

    `scope` says, for withdrawn use of data, what else the person asks for. What tells the arm is recorded by those who
    may see it: everybody else is refused before anything is looked at.

    Raises InConflict for a thing recorded before or contradicting it, for an end after another, and in a trial whose
    data are locked; RuleBroken for a date in the future or before randomization.
    """
    with audit.transaction(by=by, reason=reason) as event:
        require(by, Permission.PARTICIPANT_WITHDRAW, participant.trial, site=participant.site)
        if kind not in AFTER_RANDOMIZATION:
            raise RuleBroken(
                "event_unknown", f"“{kind}” is not something that can be recorded after randomization.", field="kind"
            )
        if kind in ARM_TELLING:
            require(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site)
        require_writable(participant.trial, writing_of(kind))
        participant = _locked(participant)
        if participant.randomized_on is None and not participant.trial.randomized_elsewhere:
            raise InConflict("not_randomized", f"{participant.code} is not randomized.")
        _require_new(participant, kind)
        require_past(on, "on")
        if participant.randomized_on is not None and on < participant.randomized_on:
            raise RuleBroken(
                "date_before_randomization",
                f"{on.isoformat()} is before the randomization. Nothing was saved.",
                field="on",
            )
        _happened(participant, kind, on, reason=reason, detail={"scope": scope} if scope else {})
        recompute_state(participant)
        if kind not in ARM_TELLING:
            # A version that rose with what tells the arm would tell the blinded how many began an intervention.
            mark_data_changed(participant.trial)
        event.record(f"participant.{kind}", trial=participant.trial, target=participant)
    return participant


def writing_of(kind: str) -> Writing:
    """Return which gate an event of this kind passes when it is recorded, and when it is struck."""
    return Writing.PARTICIPATION if kind in ABOUT_PARTICIPATION else Writing.CONDUCT


def recompute_state(participant: Participant) -> None:
    """Make the state what the events that count leave the participant in. Inside an audited transaction."""
    kinds = set(events_of_participant(participant).values_list("kind", flat=True))
    participant.data_use_withdrawn = Kind.DATA_USE_WITHDRAWN in kinds
    _enter(participant, state_after(kinds))


@dataclass(frozen=True)
class ExternalParticipant:
    """One line of the list of a trial that was randomized elsewhere."""

    code: str
    site: str
    arm: str
    levels: Mapping[str, str]


def record_external_participants(*, trial: Trial, participants: Sequence[ExternalParticipant], by: Actor) -> int:
    """Take over participants with the arms that were given to them elsewhere; return their count.

    Each allocation says so and carries the trial's provenance. Dates are not known here.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        if not trial.randomized_elsewhere:
            raise InConflict(
                "randomized_here", f"{trial.title} randomizes here; arms are not taken over from elsewhere."
            )
        require_writable(trial, Writing.ENROLMENT)
        sites, arms, strata = _by_code(trial)
        stored = Participant.objects.bulk_create(
            Participant(
                trial=trial,
                site=sites[each.site],
                code=each.code,
                number=number,
                state=State.RANDOMIZED,
                strata=dict(each.levels),
            )
            for number, each in enumerate(participants, start=1)
        )
        pairs = list(zip(stored, participants, strict=True))
        ParticipantEvent.objects.bulk_create(
            ParticipantEvent(trial=trial, participant=participant, kind=Kind.RANDOMIZED) for participant, _ in pairs
        )
        Allocation.objects.bulk_create(
            Allocation(
                trial=trial,
                participant=participant,
                arm=arms[each.arm],
                stratum=strata[stratum_key(participant.strata)],
                source=Allocation.Source.EXTERNAL,
                provenance=trial.allocation_provenance,
            )
            for participant, each in pairs
        )
        mark_data_changed(trial)
        event.record("participants.taken_over", trial=trial, target=trial, row_count=len(pairs))
    return len(pairs)


def _by_code(trial: Trial) -> tuple[dict[str, Site], dict[str, Arm], dict[str, Stratum]]:
    return (
        {site.code: site for site in trial.sites.all()},
        {arm.code: arm for arm in trial.arms.all()},
        {stratum.key: stratum for stratum in trial.strata.all()},
    )


def levels_of(unit: Participant | TherapyGroup, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return a participant's, or group's, level of every factor: the site's from the site, the others as chosen.

    Raises RuleBroken for a factor without a known level.
    """
    levels: dict[str, str] = {}
    for factor in unit.trial.factors.all():
        level = unit.site.code if factor.is_site else chosen.get(factor.code, "")
        if level not in {known["code"] for known in factor.levels}:
            raise RuleBroken("level_unknown", f"Choose a level of {factor.name}.", field=factor.code)
        levels[factor.code] = level
    return levels


def _locked(participant: Participant) -> Participant:
    return Participant.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=participant.pk)


def _next(trial: Trial, field: str) -> int:
    """Return the next free number; the trial's row is locked, so that two people at once get two numbers."""
    Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
    return (Participant.objects.filter(trial=trial).aggregate(last=Max(field))["last"] or 0) + 1


def _enter(participant: Participant, state: str) -> None:
    participant.state = state
    participant.save()


def _happened(
    participant: Participant, kind: str, on: date, *, reason: str = "", detail: Mapping[str, object] | None = None
) -> None:
    ParticipantEvent.objects.create(
        trial_id=participant.trial_id,
        participant=participant,
        kind=kind,
        occurred_on=on,
        reason=reason,
        detail=dict(detail or {}),
    )


def _require_state(participant: Participant, *states: str) -> None:
    if participant.state not in states:
        now = participant.get_state_display().lower()
        raise InConflict("state_wrong", f"{participant.code} is already {now}.")


def _require_new(participant: Participant, kind: str) -> None:
    known = set(events_of_participant(participant).values_list("kind", flat=True))
    if kind in known:
        raise InConflict("already_recorded", f"“{Kind(kind).label}” is already recorded for {participant.code}.")
    for other in CONTRADICTIONS.get(Kind(kind), ()):
        if other in known:
            raise InConflict(
                "contradiction",
                f"“{other.label}” is recorded for {participant.code}. Strike it as a mistake first. Nothing was saved.",
            )
    if kind in ENDS:
        _require_state(participant, State.RANDOMIZED)


def _require_not_before_screening(participant: Participant, on: date, field: str) -> None:
    if participant.screened_on is not None and on < participant.screened_on:
        raise RuleBroken(
            "date_before_screening", f"{on.isoformat()} is before the screening. Nothing was saved.", field=field
        )


def _require_criteria(trial: Trial, unmet: Sequence[str]) -> None:
    for code in set(unmet) - set(trial.criteria.values_list("code", flat=True)):
        raise RuleBroken("criterion_unknown", f"“{code}” is not a criterion of this trial.", field="unmet")


def _screened_with(trial: Trial, site: Site, key: str) -> Participant | None:
    """Return who was screened with this key at this site; asked while the trial's row is locked."""
    if not key:
        return None
    return Participant.objects.filter(
        trial=trial, site=site, events__kind=Kind.SCREENED, events__detail__key=key
    ).first()


def require_eligible(participant: Participant) -> None:
    """Raise InConflict when an answer at screening leaves them not eligible."""
    screened = participant.events.filter(kind=Kind.SCREENED).first()
    answers = screened.detail.get("eligibility", {}) if screened else {}
    if not all(each.is_met_by(answers[each.code]) for each in participant.trial.criteria.all() if each.code in answers):
        raise InConflict("not_eligible", f"{participant.code} does not meet the trial's criteria.")


def consented_on(participant: Participant) -> date:
    """Return the day of consent of somebody who gave it."""
    consent = participant.events.get(kind=Kind.CONSENTED)
    return cast(date, consent.occurred_on)  # null only in trials randomized elsewhere


def require_past(on: date, field: str) -> None:
    """Raise RuleBroken for a day that has not come."""
    if on > timezone.localdate():
        raise RuleBroken("date_future", f"{on.isoformat()} is in the future. Nothing was saved.", field=field)
