"""The audit trail of a trial, as far as reading it does not tell an arm."""

from django.db.models import Q, QuerySet

from trials.access import Actor, allocation_sites, require
from trials.models import AuditEvent, Trial
from trials.permissions import Permission

# That somebody's intervention began, or a session took place, tells their arm as surely as its name.
ARM_TELLING = ("participant.intervention_", "session.")


def events_of(trial: Trial, by: Actor) -> QuerySet[AuditEvent]:
    """Return the trial's events, the newest first; without those that tell an arm for the blinded."""
    require(by, Permission.AUDIT_VIEW, trial)
    events = AuditEvent.objects.filter(trial_id=trial.pk).order_by("-id")
    return events if sees_all_events(trial, by) else events.exclude(_telling())


def sees_all_events(trial: Trial, by: Actor) -> bool:
    """Return whether nothing is left out of the trail for `by`."""
    return allocation_sites(by, trial) >= set(trial.sites.values_list("pk", flat=True))


def verbs_of(trial: Trial, by: Actor) -> list[str]:
    """Return the verbs that occur in what `by` sees, in alphabetical order."""
    return sorted(events_of(trial, by).order_by().values_list("verb", flat=True).distinct())


def _telling() -> Q:
    telling = Q()
    for verb in ARM_TELLING:
        telling |= Q(verb__startswith=verb)
    return telling
