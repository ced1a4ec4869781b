"""Rehearsals of a trial, for those who take part in it."""

from django.db.models import QuerySet

from analytics.models import Rehearsal
from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import Trial
from trials.permissions import Permission

UNDER_WAY = frozenset({Rehearsal.State.QUEUED, Rehearsal.State.RUNNING})


def rehearsals_of(trial: Trial, by: Actor) -> QuerySet[Rehearsal]:
    """Return the trial's rehearsals, the newest first, with their copies."""
    require(by, Permission.TRIAL_VIEW, trial)
    return Rehearsal.objects.filter(trial=trial).select_related("copy", "requested_by")


def rehearsal_of(trial: Trial, number: int, by: Actor) -> Rehearsal:
    """Return one rehearsal by its number."""
    found = rehearsals_of(trial, by).filter(number=number).first()
    if found is None:
        raise NotFound("rehearsal_unknown", "There is no rehearsal of this number.")
    return found
