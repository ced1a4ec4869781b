"""What a draft still lacks before it is registered: what is necessary, and what is only wise."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from analytics.selectors.primary_outcomes import unnamed_primaries
from trials.access import Actor, require
from trials.models import Trial, Visit
from trials.permissions import Permission


@dataclass(frozen=True)
class Point:
    """One line of the checklist; without what is necessary a trial is not registered."""

    label: Any
    is_met: bool
    is_necessary: bool
    page: str


def before_registering(trial: Trial, by: Actor) -> list[Point]:
    """Return the checklist in the order of the protocol."""
    require(by, Permission.TRIAL_VIEW, trial)
    arms, visits = list(trial.arms.all()), list(trial.visits.all())
    baselines = sum(visit.kind == Visit.Kind.BASELINE for visit in visits)
    has_number = bool(trial.planned_participants) or trial.randomized_elsewhere
    return [
        Point(_("Two arms or more"), len(arms) >= 2, True, "protocol"),
        Point(_("One arm that the others are compared with"), any(arm.is_reference for arm in arms), True, "protocol"),
        Point(_("A site"), trial.sites.exists(), True, "protocol"),
        Point(_("A baseline and a later visit"), baselines == 1 and len(visits) >= 2, True, "protocol"),
        Point(_("The planned number of participants"), has_number, True, "protocol"),
        Point(_("Biomarkers to be measured"), trial.biomarkers.exists(), False, "biomarkers"),
        *_primary_points(trial),
        Point(_("Eligibility criteria"), trial.criteria.exists(), False, "protocol"),
        Point(_("The day on which recruitment starts"), trial.recruitment_starts is not None, False, "protocol"),
    ]


def _primary_points(trial: Trial) -> list[Point]:
    """Return a line for every planned primary outcome that the analysis plan cannot name."""
    label = _("A measured biomarker and a later visit for the primary outcome “%(outcome)s”, so that it is analysed")
    unnamed = unnamed_primaries(trial)
    return [Point(label % {"outcome": outcome.title}, False, False, "registration") for outcome in unnamed]


def lacking(points: list[Point]) -> list[Point]:
    """Return what is necessary and not there."""
    return [point for point in points if point.is_necessary and not point.is_met]
