"""Every estimate of a trial by its plan, adjusted within the plan's families. No database; workers only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from analytics.services.outcomes import Measure, Outcomes
from analytics.statistics.effects import ArmEstimate, estimate_outcome
from analytics.statistics.multiplicity import adjust_families

PRIMARY, SECONDARY = "primary", "secondary"
LIMIT_METHOD = "tobit"  # takes the place of the primary method where values lie below a limit


@dataclass(frozen=True)
class PlannedEstimate:
    """One estimate of one biomarker at one visit, with its role in the plan and its adjusted p values."""

    biomarker: str
    visit: str
    role: str
    effect: ArmEstimate
    notes: tuple[str, ...]
    p_bh: float | None = None
    p_holm: float | None = None


def estimate_trial(outcomes: Outcomes, specification: dict[str, Any]) -> list[PlannedEstimate]:
    """Return every estimate, by biomarker, then visit, then arm; the same data give the same numbers.

    Benjamini-Hochberg runs over all biomarkers at the same visit by the same method, Holm over all primary estimates
    (statistics.md, 7). What one method says of one biomarker in several measures (a log difference, its ratio, its
    percent) is one test with one p value and counts once.
    """
    estimates = list(_unadjusted(outcomes, specification))
    tests = {_test(each): each for each in estimates if each.effect.result.p_value is not None}
    adjusted = adjust_families(
        [each.effect.result.p_value for each in tests.values()],
        [(each.visit, each.effect.result.method) for each in tests.values()],
        [PRIMARY if each.role == PRIMARY else None for each in tests.values()],
    )
    found = dict(zip(tests, adjusted, strict=True))
    return [_with(each, *found.get(_test(each), (None, None))) for each in estimates]


def _test(estimate: PlannedEstimate) -> tuple[str, str, str, str]:
    return estimate.biomarker, estimate.visit, estimate.effect.arm, estimate.effect.result.method


def _with(estimate: PlannedEstimate, p_bh: float | None, p_holm: float | None) -> PlannedEstimate:
    """Return the estimate with its adjusted p values; without a p value it has none."""
    return replace(estimate, p_bh=p_bh, p_holm=p_holm) if estimate.effect.result.p_value is not None else estimate


def _unadjusted(outcomes: Outcomes, specification: dict[str, Any]) -> Iterator[PlannedEstimate]:
    for measure in outcomes.design.measures:
        for visit in outcomes.design.follow_ups:
            above = _above_note(outcomes, measure, visit)
            for effect in estimate_outcome(outcomes.outcome(measure, visit)):
                role = _role(specification, measure.code, visit, effect.result.method)
                yield PlannedEstimate(measure.code, visit, role, effect, (*effect.result.notes, *above))


def _role(specification: dict[str, Any], biomarker: str, visit: str, method: str) -> str:
    planned = {tuple(pair) for pair in specification["primary"]}
    is_primary = (biomarker, visit) in planned and method in {specification["primary_method"], LIMIT_METHOD}
    return PRIMARY if is_primary else SECONDARY


def _above_note(outcomes: Outcomes, measure: Measure, visit: str) -> tuple[str, ...]:
    above = outcomes.above_limit(measure, visit)
    return (f"{above} above the assay's range count as its upper limit.",) if above else ()
