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

    Benjamini-Hochberg runs over all estimates at the same visit by the same method and measure, Holm over the
    primary estimates of the same measure (statistics.md, 7).
    """
    estimates = list(_unadjusted(outcomes, specification))
    adjusted = adjust_families(
        [each.effect.result.p_value for each in estimates],
        [(each.visit, each.effect.result.method, each.effect.result.measure) for each in estimates],
        [each.effect.result.measure if each.role == PRIMARY else None for each in estimates],
    )
    return [replace(each, p_bh=bh, p_holm=holm) for each, (bh, holm) in zip(estimates, adjusted, strict=True)]


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
