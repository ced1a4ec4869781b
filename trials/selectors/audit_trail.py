"""The audit trail of a trial, as far as reading it tells neither an arm nor of participants at other sites."""

from django.db.models import Q, QuerySet

from trials.access import Actor, allocation_sites, require, sites_where
from trials.models import AuditEvent, Participant, Trial
from trials.permissions import Permission

# That somebody's intervention began, or a session took place, tells their arm as surely as its name.
ARM_TELLING = (
    "participant.intervention_",
    "participant.crossed_over",
    "arm_deviation.",
    "session.",
    "therapy_group.",
    "questionnaire.of_therapy_",
    "results.of_therapy_",
)

# What is of the whole trial and names no participant; everything else is left out for those bound to a site.
OF_THE_TRIAL = (
    "",
    "trial",
    "user",
    "consentform",
    "laboratory",
    "laboratorycredential",
    "assay",
    "controlmaterial",
    "plate",
    "platelayout",
    "biomarker",
    "analysisplan",
    "estimaterun",
    "webhook",
    "export",
)


def events_of(trial: Trial, by: Actor) -> QuerySet[AuditEvent]:
    """Return the trial's events, the newest first.

    Left out are those that tell an arm, for the blinded, and those of participants at sites that are not the caller's.
    """
    require(by, Permission.AUDIT_VIEW, trial)
    events = AuditEvent.objects.filter(trial_id=trial.pk).order_by("-id")
    if not _sees_arms(trial, by):
        events = events.exclude(_telling())
    return events if _sees_sites(trial, by) else events.filter(_of_sites(sites_where(by, Permission.AUDIT_VIEW, trial)))


def sees_all_events(trial: Trial, by: Actor) -> bool:
    """Return whether nothing is left out of the trail for `by`."""
    return _sees_arms(trial, by) and _sees_sites(trial, by)


def _sees_arms(trial: Trial, by: Actor) -> bool:
    return allocation_sites(by, trial) >= set(trial.sites.values_list("pk", flat=True))


def _sees_sites(trial: Trial, by: Actor) -> bool:
    return sites_where(by, Permission.AUDIT_VIEW, trial) >= set(trial.sites.values_list("pk", flat=True))


def _of_sites(sites: set[int]) -> Q:
    own = Participant.objects.filter(site__in=sites).values("pk")
    return Q(target_kind__in=OF_THE_TRIAL) | Q(target_kind="participant", target_id__in=own)


def verbs_of(trial: Trial, by: Actor) -> list[str]:
    """Return the verbs that occur in what `by` sees, in alphabetical order."""
    return sorted(events_of(trial, by).order_by().values_list("verb", flat=True).distinct())


def _telling() -> Q:
    telling = Q()
    for verb in ARM_TELLING:
        telling |= Q(verb__startswith=verb)
    return telling
