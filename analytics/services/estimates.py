"""Every estimate of a trial by its plan, adjusted within the plan's families. No database; workers only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from analytics.services.outcomes import Design, Outcomes
from analytics.statistics.effects import ArmEstimate, estimate_outcome
from analytics.statistics.estimate import (
    ABOVE_RANGE,
    AFTER_CONTROLLED_COMPARISON,
    RANDOMIZED_IN_GROUPS,
    TOO_FEW_PAIRS,
    Analysis,
    NotEstimable,
)
from analytics.statistics.limits import DETECTION_METHOD, Share
from analytics.statistics.multiplicity import adjust_families
from analytics.statistics.pre_post_control import METHOD as PPC

PRIMARY, SECONDARY, EXPLORATORY = "primary", "secondary", "exploratory"
ADDED_LATER = "Added after registration, so exploratory: its p value is adjusted apart from the registered family."
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

    Benjamini-Hochberg runs over all biomarkers at the same visit by the same method, Tobit standing in for the
    primary method, those added after registration apart from the registered ones; Holm over all primary estimates
    (docs/statistics/multiplicity.md). What one method says of one
    biomarker in several measures (a log difference, its ratio, its percent) is one test with one p value and counts
    once.
    """
    estimates = list(_unadjusted(outcomes, specification))
    tests = {_test(each): each for each in estimates if each.effect.result.p_value is not None}
    adjusted = adjust_families(
        [each.effect.result.p_value for each in tests.values()],
        [(each.visit, _family(each, specification), each.role == EXPLORATORY) for each in tests.values()],
        [PRIMARY if each.role == PRIMARY else None for each in tests.values()],
    )
    found = dict(zip(tests, adjusted, strict=True))
    return [_with(each, *found.get(_test(each), (None, None))) for each in estimates]


def _test(estimate: PlannedEstimate) -> tuple[str, str, str, str]:
    return estimate.biomarker, estimate.visit, estimate.effect.arm, estimate.effect.result.method


def _family(estimate: PlannedEstimate, specification: dict[str, Any]) -> str:
    """Return the method by which the family is named; each biomarker is in it once, whatever its values ask for."""
    method = estimate.effect.result.method
    return str(specification["primary_method"]) if method == LIMIT_METHOD else method


def _with(estimate: PlannedEstimate, p_bh: float | None, p_holm: float | None) -> PlannedEstimate:
    """Return the estimate with its adjusted p values; without a p value it has none."""
    return replace(estimate, p_bh=p_bh, p_holm=p_holm) if estimate.effect.result.p_value is not None else estimate


def _unadjusted(outcomes: Outcomes, specification: dict[str, Any]) -> Iterator[PlannedEstimate]:
    minimum = specification.get("minimum_pairs_per_arm", 0)
    for measure in outcomes.design.measures:
        for visit in outcomes.design.follow_ups:
            above, by_design = outcomes.above_range(measure, visit), _refused_by_design(outcomes.design, visit)
            for computed in estimate_outcome(outcomes.outcome(measure, visit)):
                effect = _stated(computed, by_design or _refusal(computed, above, minimum))
                role = _role(specification, measure.code, visit, effect.result.method)
                added = (ADDED_LATER,) if role == EXPLORATORY else ()
                notes = (*effect.result.notes, *_above_note(above, effect), *added)
                yield PlannedEstimate(measure.code, visit, role, effect, notes)


def _refused_by_design(design: Design, visit: str) -> NotEstimable | None:
    """Return why no effect at all is stated at this visit, whatever the values are."""
    if design.randomized_in_groups:
        return RANDOMIZED_IN_GROUPS
    return AFTER_CONTROLLED_COMPARISON if visit in design.after_comparison else None


def _refusal(effect: ArmEstimate, above: tuple[Share, Share], minimum: int) -> NotEstimable | None:
    """Return why what was computed is not stated; None where it is, or where the engine said why there is nothing."""
    result, known = effect.result, effect.result.not_estimable
    if known is not None and known.code != TOO_FEW_PAIRS.code:
        return None
    if result.method != DETECTION_METHOD and not all(share.may_count_as_limit for share in above):
        return ABOVE_RANGE
    pairs = [result.n.get(arm, 0) for arm in (effect.arm, effect.reference_arm)]
    if result.method == PPC and min(pairs) < minimum:
        return NotEstimable(TOO_FEW_PAIRS.code, f"There are too few pairs ({pairs[0]} and {pairs[1]}).")
    return None


def _stated(effect: ArmEstimate, reason: NotEstimable | None) -> ArmEstimate:
    if reason is None:
        return effect
    result = effect.result
    refused = Analysis(result.method, result.formula, result.n, result.notes).refuse(result.measure, reason)
    return replace(effect, result=refused, oriented_estimate=None)


def _role(specification: dict[str, Any], biomarker: str, visit: str, method: str) -> str:
    """Return the role in the plan; a plan sealed before it named its biomarkers knows no exploratory ones."""
    sealed = specification.get("biomarkers")
    if sealed is not None and biomarker not in sealed:
        return EXPLORATORY
    planned = {tuple(pair) for pair in specification["primary"]}
    is_primary = (biomarker, visit) in planned and method in {specification["primary_method"], LIMIT_METHOD}
    return PRIMARY if is_primary else SECONDARY


def _above_note(above: tuple[Share, Share], effect: ArmEstimate) -> tuple[str, ...]:
    if not any(share.censored for share in above):
        return ()
    before, after = (f"{share.censored} of {share.available}" for share in above)
    counts = f"Above the assay's range: {before} at baseline, {after} at follow-up."
    return (counts,) if effect.result.estimate is None else (counts, "They count as its upper limit.")
