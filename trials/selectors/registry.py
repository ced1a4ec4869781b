"""The structured protocol of a trial, its versions, and what a registry is told."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min, Model
from django.utils import timezone

from trials.access import Actor, has_permission, may_name_arms, require
from trials.errors import NotAllowed
from trials.models import Participant, Registration, Trial
from trials.permissions import Permission
from trials.registry.ctgov import GroupFlow, ctgov_record
from trials.registry.document import Document, without_arm_names
from trials.registry.who import Item, Progress, who_items
from trials.selectors.consort import ArmCounts, counts_of, course_of_trial

OF_THE_TRIAL = (
    "slug",
    "title",
    "summary",
    "registry_id",
    "code_prefix",
    "planned_participants",
    "is_open_label",
    "recruitment_starts",
    "recruitment_ends",
    "allocation_provenance",
)
OF_RANDOMIZATION = ("randomization_method", "randomization_unit", "minimization_probability")
OF_AN_ARM = ("code", "name", "kind", "ratio", "is_reference")
OF_A_SITE = ("code", "name", "city", "country")
OF_A_VISIT = ("code", "name", "kind", "anchor", "target_day", "window_from", "window_to")
OF_A_FACTOR = ("code", "name", "levels")
OF_A_CRITERION = ("code", "kind", "text")
OF_AN_OUTCOME = ("code", "rank", "title", "measure", "aggregation", "time_frame", "biomarker")
OF_AN_INTERVENTION = (
    "type",
    "delivery",
    "name",
    "rationale",
    "materials",
    "description",
    "provider",
    "setting",
    "sessions_planned",
    "session_minutes",
    "weeks",
    "tailoring",
    "fidelity_plan",
    "software",
    "software_version",
    "cost_per_participant",
    "currency",
)
OF_THE_REGISTRATION = tuple(
    field.name for field in Registration._meta.concrete_fields if field.name not in {"id", "trial"}
)


def protocol_document(trial: Trial) -> Document:
    """Return the whole structured protocol as it now stands, arms named: for services, not yet for readers."""
    registration = Registration.objects.filter(trial=trial).first() or Registration(trial=trial)
    outcomes = trial.planned_outcomes.select_related("visit")
    return {
        "trial": _plain(trial, OF_THE_TRIAL),
        "randomization": _plain(trial, OF_RANDOMIZATION),
        "registration": _plain(registration, OF_THE_REGISTRATION),
        "arms": [_arm(arm) for arm in trial.arms.select_related("intervention", "crosses_over_to")],
        "sites": [_plain(site, OF_A_SITE) for site in trial.sites.all()],
        "visits": [_plain(visit, OF_A_VISIT) for visit in trial.visits.all()],
        "factors": [_plain(factor, OF_A_FACTOR) for factor in trial.factors.all()],
        "criteria": [_plain(criterion, OF_A_CRITERION) for criterion in trial.criteria.all()],
        "outcomes": [
            _plain(each, OF_AN_OUTCOME) | {"visit": each.visit.code if each.visit else ""} for each in outcomes
        ],
    }


def _arm(arm: Any) -> Document:
    intervention = getattr(arm, "intervention", None)
    return _plain(arm, OF_AN_ARM) | {
        "crosses_over_to": arm.crosses_over_to.code if arm.crosses_over_to else "",
        "intervention": _plain(intervention, OF_AN_INTERVENTION) if intervention else None,
    }


def _plain(row: Model, names: tuple[str, ...]) -> Document:
    """Return fields as JSON has them: days and exact decimals as text."""
    values = {name: getattr(row, name) for name in names}
    return {name: str(value) if isinstance(value, (date, Decimal)) else value for name, value in values.items()}


def may_export_record(by: Actor, trial: Trial) -> bool:
    """Return whether `by` may take the registries' records away: who designs the trial, and who may name arms."""
    return has_permission(by, Permission.TRIAL_DESIGN, trial) or may_name_arms(by, trial)


def readable_document(trial: Trial, by: Actor) -> Document:
    """Return the structured protocol as `by` may read it: arms and interventions named only to those who may."""
    require(by, Permission.TRIAL_VIEW, trial)
    return as_readable(protocol_document(trial), trial, by)


def as_readable(document: Document, trial: Trial, by: Actor) -> Document:
    """Return a version's document as `by` may read it."""
    return document if may_name_arms(by, trial) else without_arm_names(document)


def who_record(trial: Trial, by: Actor) -> tuple[Item, ...]:
    """Return the 24 items of the WHO data set as `by` may read them."""
    return who_items(readable_document(trial, by), _progress(trial))


def ctgov_record_of(trial: Trial, by: Actor) -> Document:
    """Return the record for ClinicalTrials.gov; with the participant flow for those who see all allocations."""
    flow = participant_flows(trial) if has_permission(by, Permission.ALLOCATION_VIEW, trial) else None
    return ctgov_record(readable_document(trial, by), _progress(trial), flow)


def require_export(trial: Trial, by: Actor) -> None:
    """Raise unless `by` may take the records away."""
    require(by, Permission.TRIAL_VIEW, trial)
    if not may_export_record(by, trial):
        raise NotAllowed("not_allowed", "The registries’ records are for those who design the trial or see its arms.")


def participant_flows(trial: Trial) -> list[GroupFlow]:
    """Return what became of every arm's participants, each counted once, as in the flow of the trial. Tells arms."""
    return [_flow(arm) for arm in counts_of(trial, course_of_trial(trial), by_arm=True).arms]


def _flow(arm: ArmCounts) -> GroupFlow:
    left = (
        ("Withdrawal by Subject", arm.withdrawn + arm.data_use_withdrawn),
        ("Lost to Follow-up", arm.lost_to_follow_up),
        ("Death", arm.died),
    )
    return GroupFlow(arm.code, arm.allocated, arm.completed, left)


def _progress(trial: Trial) -> Progress:
    randomized = Participant.objects.filter(trial=trial, allocation__isnull=False)
    enrolled = randomized.aggregate(count=Count("id"), first=Min("randomized_on"))
    return Progress(trial.status, enrolled["count"], enrolled["first"], timezone.localdate())
