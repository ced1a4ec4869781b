"""The structured protocol of a trial, its versions, and what a registry is told."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Model

from trials.models import Registration, Trial
from trials.registry.document import Document

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
