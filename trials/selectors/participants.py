"""Participants, at the sites and with the arms that the caller may see."""

from django.db.models import QuerySet

from trials.access import Actor, has_permission, require, sites_where
from trials.allocation.study_codes import is_study_code, meant_code
from trials.errors import NotFound
from trials.models import Allocation, Arm, Participant, Trial
from trials.permissions import Permission
from trials.selectors.unblindings import was_unblinded_to


def participants_visible_to(
    by: Actor, trial: Trial, permission: Permission = Permission.PARTICIPANT_VIEW
) -> QuerySet[Participant]:
    """Return the trial's participants at the sites where `by` has the permission, with their sites.

    Raises NotAllowed for those who see no participants at all.
    """
    require(by, permission, trial)
    sites = sites_where(by, permission, trial)
    return Participant.objects.filter(trial=trial, site__in=sites).select_related("site", "trial")


def visible_participant(code: str, by: Actor, trial: Trial) -> Participant:
    """Return one participant; NotFound in the same words for a missing one and one of another site.

    It names the one code that was meant, where the check character tells a slip and only one that `by` may see fits.
    """
    visible = participants_visible_to(by, trial)
    participant = visible.filter(code=code).first()
    if participant is not None:
        return participant
    # A code that agrees with its check character is no slip: somebody else's stays as unknown as a missing one.
    slip = not is_study_code(code, trial.code_prefix)
    meant = meant_code(code, visible.values_list("code", flat=True)) if slip else None
    sentence = "There is no participant of this code that you may see."
    if meant is None:
        raise NotFound("participant_unknown", sentence)
    near = {"pointer": "", "field": "code", "code": "participant_unknown", "message": sentence, "did_you_mean": meant}
    raise NotFound("participant_unknown", f"{sentence} Did you mean {meant}?", rows=[near])


def person_in_enrolment(screening_number: int, by: Actor, trial: Trial) -> Participant:
    """Return somebody whom `by` may take into the trial, by the number that stays while the code changes."""
    enrolling = participants_visible_to(by, trial, Permission.PARTICIPANT_ENROLL)
    return _only(enrolling.filter(screening_number=screening_number))


def _only(found: QuerySet[Participant]) -> Participant:
    participant = found.first()
    if participant is None:
        raise NotFound("participant_unknown", "There is no participant of this code that you may see.")
    return participant


def allocated_arm(participant: Participant, by: Actor) -> Arm | None:
    """Return the arm; None before randomization and for those who may not see it.

    Who opened it in an emergency knows it and keeps seeing it, of this one participant and nowhere else.
    """
    may_see = has_permission(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site)
    if not may_see and not was_unblinded_to(participant, by):
        return None
    allocation = Allocation.objects.filter(participant=participant).select_related("arm__intervention").first()
    return allocation.arm if allocation else None
