"""The primary outcomes that a trial has planned, as what its analysis plan can name: a biomarker at a visit."""

from measurements.models import Biomarker
from trials.models import PlannedOutcome, Trial, Visit


def primary_pairs(trial: Trial) -> list[list[str]]:
    """Return biomarker and follow-up visit of each planned primary outcome, in their order and each pair once.

    An outcome that names no measured biomarker or no visit after the baseline is left out; see `unnamed_primaries`.
    """
    measured = measured_codes(trial)
    pairs = dict.fromkeys(pair for outcome in _planned(trial) if (pair := _pair(outcome, measured)))
    return [list(pair) for pair in pairs]


def unnamed_primaries(trial: Trial) -> list[PlannedOutcome]:
    """Return the planned primary outcomes that no estimate answers."""
    measured = measured_codes(trial)
    return [outcome for outcome in _planned(trial) if _pair(outcome, measured) is None]


def measured_codes(trial: Trial) -> list[str]:
    """Return the codes of the biomarkers that the trial measures, in their order."""
    return list(Biomarker.objects.filter(trial=trial).values_list("code", flat=True))


def _planned(trial: Trial) -> list[PlannedOutcome]:
    return list(trial.planned_outcomes.filter(rank=PlannedOutcome.Rank.PRIMARY).select_related("visit"))


def _pair(outcome: PlannedOutcome, measured: list[str]) -> tuple[str, str] | None:
    visit = outcome.visit
    if visit is None or visit.kind == Visit.Kind.BASELINE or outcome.biomarker not in measured:
        return None
    return outcome.biomarker, visit.code
