"""Recording adverse events, and changing what is known of them for a reason."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

from django.db.models import Max
from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import AdverseEvent, Participant, ParticipantEvent
from trials.permissions import Permission
from trials.services.writing import require_writable

Criterion, Outcome = AdverseEvent.Criterion, AdverseEvent.Outcome
STILL_GOING_ON = frozenset({Outcome.RECOVERING, Outcome.NOT_RECOVERED})


@dataclass(frozen=True)
class Particulars:
    """What is known of an adverse event; dates are days at the site."""

    term: str
    started_on: date
    severity: str
    relatedness: str
    outcome: str
    aware_on: date
    ended_on: date | None = None
    reported_on: date | None = None
    criteria: Sequence[str] = ()
    is_serious: bool = False
    is_expected: bool = False
    blinded_term: str = ""
    dictionary: str = ""
    dictionary_code: str = ""
    action_taken: str = ""
    narrative: str = ""


def record_adverse_event(*, participant: Participant, particulars: Particulars, by: Actor, key: str) -> AdverseEvent:
    """Record an adverse event under the participant's next number; with the same `key`, return the one recorded.

    It is recorded after every end, and after the use of data was withdrawn too: safety is reported all the same.
    Raises RuleBroken for somebody who has not consented, dates that cannot be, a serious event without a criterion or
    the reverse, and a fatal outcome that does not name death; InConflict where the trial's data are locked.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.SAFETY_RECORD, trial, site=participant.site)
        require_writable(trial, Writing.SAFETY)
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
        known = AdverseEvent.objects.filter(participant=participant, key=key).first()
        if known is not None:
            event.record("adverse_event.repeated", trial=trial, target=participant)
            return known
        _check(participant, particulars)
        last = AdverseEvent.objects.filter(participant=participant).aggregate(last=Max("number"))["last"] or 0
        adverse_event = AdverseEvent.objects.create(
            trial=trial, participant=participant, number=last + 1, key=key, **_columns(particulars)
        )
        event.record("adverse_event.recorded", trial=trial, target=participant, detail={"number": adverse_event.number})
    return adverse_event


def change_adverse_event(
    *, adverse_event: AdverseEvent, particulars: Particulars, by: Actor, reason: str
) -> AdverseEvent:
    """Change what is known of an adverse event; the old values stay in the audit trail.

    Raises as recording does, and RuleBroken without a reason.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        participant = adverse_event.participant
        require(by, Permission.SAFETY_RECORD, adverse_event.trial, site=participant.site)
        require_writable(adverse_event.trial, Writing.SAFETY)
        held = AdverseEvent.objects.select_for_update(of=("self",)).get(pk=adverse_event.pk)
        _check(participant, particulars)
        columns = _columns(particulars)
        is_changed = any(getattr(held, name) != value for name, value in columns.items())
        if is_changed and not reason.strip():
            raise RuleBroken(
                "reason_missing", "Say why what is recorded of this event changes. Nothing was saved.", field="reason"
            )
        for name, value in columns.items():
            setattr(held, name, value)
        held.save()
        event.record("adverse_event.changed", trial=held.trial, target=participant, detail={"number": held.number})
    return held


def _columns(particulars: Particulars) -> dict[str, object]:
    columns = asdict(particulars)
    columns["criteria"] = [code for code in Criterion.values if code in particulars.criteria]
    return columns


def _check(participant: Participant, particulars: Particulars) -> None:
    if not particulars.term.strip():
        raise _refused("term_missing", "Name the event. Nothing was saved.", "term")
    _check_words(particulars)
    _check_dates(participant, particulars)
    _check_seriousness(particulars)
    _check_outcome(particulars)


WORDS = {
    "severity": AdverseEvent.Severity,
    "relatedness": AdverseEvent.Relatedness,
    "outcome": AdverseEvent.Outcome,
}


def _check_words(particulars: Particulars) -> None:
    for field, known in WORDS.items():
        word = getattr(particulars, field)
        if word not in known.values:
            raise _refused("word_unknown", f"“{word}” is no {field}. Choose {', '.join(known.values)}.", field)


def _check_dates(participant: Participant, particulars: Particulars) -> None:
    started, ended = particulars.started_on, particulars.ended_on
    aware, reported = particulars.aware_on, particulars.reported_on
    _check_past(particulars)
    first = _consented_on(participant)
    if first is not None and started < first:
        raise _refused(
            "date_before_consent",
            f"{started} is before {first}, when {participant.code} consented. What happened earlier is medical "
            "history. Nothing was saved.",
            "started_on",
        )
    if ended is not None and ended < started:
        raise _refused("date_order", f"{ended} is before {started}, when it began. Nothing was saved.", "ended_on")
    if aware < started:
        raise _refused("date_order", f"{aware} is before {started}, when it began. Nothing was saved.", "aware_on")
    if reported is not None and reported < aware:
        raise _refused(
            "date_order", f"{reported} is before {aware}, when the site learnt of it. Nothing was saved.", "reported_on"
        )


def _check_past(particulars: Particulars) -> None:
    today = timezone.localdate()
    for field in ("started_on", "ended_on", "aware_on", "reported_on"):
        day = getattr(particulars, field)
        if day is not None and day > today:
            raise _refused("date_future", f"{day} is in the future. Nothing was saved.", field)


def _consented_on(participant: Participant) -> date | None:
    """Return the day of consent; None in trials randomized elsewhere, which do not know it."""
    if participant.trial.randomized_elsewhere:
        return None
    consent = participant.events.filter(kind=ParticipantEvent.Kind.CONSENTED).first()
    if consent is None:
        raise InConflict(
            "not_consented", f"{participant.code} has not consented: adverse events are recorded from consent on."
        )
    return consent.occurred_on


def _check_seriousness(particulars: Particulars) -> None:
    unknown = sorted(set(particulars.criteria) - set(Criterion.values))
    if unknown:
        raise _refused("criterion_unknown", f"“{unknown[0]}” is no criterion of seriousness.", "criteria")
    if particulars.is_serious and not particulars.criteria:
        raise _refused(
            "criteria_missing",
            "Say by which criterion the event is serious. Nothing was saved.",
            "criteria",
        )
    if particulars.criteria and not particulars.is_serious:
        raise _refused(
            "seriousness_unclear",
            "An event that meets a criterion is serious: mark it so, or take the criterion away. Nothing was saved.",
            "is_serious",
        )


def _check_outcome(particulars: Particulars) -> None:
    outcome, names_death = particulars.outcome, Criterion.DEATH in particulars.criteria
    if (outcome == Outcome.FATAL) != names_death:
        raise _refused(
            "death_unclear",
            "A fatal outcome and the criterion “Death” go together. Choose both or neither. Nothing was saved.",
            "outcome",
        )
    if particulars.ended_on is not None and outcome in STILL_GOING_ON:
        raise _refused(
            "outcome_unclear",
            f"The event ended on {particulars.ended_on}, and its outcome says that it goes on. Nothing was saved.",
            "outcome",
        )


def _refused(code: str, sentence: str, field: str) -> RuleBroken:
    return RuleBroken(code, sentence, field=field)
