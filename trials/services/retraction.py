"""Striking an event that was recorded by mistake: it stays, with who struck it and why, and counts nowhere."""

from trials import audit
from trials.access import Actor, require
from trials.course import NEVER_RETRACTED
from trials.errors import InConflict, NotFound, RuleBroken
from trials.models import ARM_TELLING, Participant, ParticipantEvent
from trials.permissions import Permission
from trials.selectors.events import course_of
from trials.services.design import mark_data_changed
from trials.services.enrollment import recompute_state, writing_of
from trials.services.writing import require_writable

Kind = ParticipantEvent.Kind
# No estimate uses these; only of the others a data version rises.
UNANALYSED = ARM_TELLING | {
    Kind.EXCLUDED,
    Kind.RECONSENTED,
    Kind.RECONSENT_DECLINED,
    Kind.CONSENT_SCOPE_WITHDRAWN,
}


def retract_event(*, participant: Participant, number: int, by: Actor, reason: str) -> Participant:
    """Strike the event of this number (its id) with a reason, and give the participant the state that is then left.

    Struck twice, it is struck once. Raises NotFound for an event that `by` may not see, in the words of one that is
    not there; InConflict for what is never struck (screening, consent, randomization and what followed from the arm)
    and where the data are locked; RuleBroken without a reason.
    """
    with audit.transaction(by=by, reason=reason) as event:
        struck = course_of(participant, by).filter(pk=number).first()
        if struck is None:
            raise NotFound("event_unknown", f"{participant.code} has no such event that you may see.")
        excluded = struck.kind == Kind.EXCLUDED
        needed = Permission.PARTICIPANT_ENROLL if excluded else Permission.PARTICIPANT_WITHDRAW
        require(by, needed, participant.trial, site=participant.site)
        require_writable(participant.trial, writing_of(struck.kind))
        participant = Participant.objects.select_for_update(of=("self",)).select_related("trial").get(pk=participant.pk)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say what was wrong. Nothing was saved.", field="reason")
        if struck.kind in NEVER_RETRACTED:
            raise InConflict("never_retracted", f"“{struck.get_kind_display()}” is never struck. Nothing was saved.")
        if not ParticipantEvent.objects.filter(retracts=struck).exists():
            _strike(struck, reason.strip())
            recompute_state(participant)
            if struck.kind not in UNANALYSED:
                mark_data_changed(participant.trial)
        event.record(f"participant.{struck.kind}_retracted", trial=participant.trial, target=participant)
    return participant


def _strike(struck: ParticipantEvent, reason: str) -> None:
    """Write the row that strikes; it carries the kind of what it strikes, so that it is as visible and no more."""
    ParticipantEvent.objects.create(
        trial_id=struck.trial_id,
        participant_id=struck.participant_id,
        kind=struck.kind,
        occurred_on=struck.occurred_on,
        reason=reason,
        retracts=struck,
    )
