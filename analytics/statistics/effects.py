"""The one entry of the platform: every estimate of one outcome at one follow-up visit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.arm_difference import refused_differences
from analytics.statistics.estimate import LIMIT_MODEL_NEEDED, MOSTLY_BELOW_LIMIT, Analysis, Estimate, NotEstimable
from analytics.statistics.limits import LimitDecision, Share, decide, estimate_detection
from analytics.statistics.outcome import Direction, OutcomeData, Pairs, paired_values
from analytics.statistics.pre_post_control import METHOD as PPC
from analytics.statistics.pre_post_control import estimate_pre_post_control
from analytics.statistics.tobit import estimate_tobit

__all__ = ["ArmEstimate", "OutcomeData", "estimate_outcome", "oriented"]


@dataclass(frozen=True, slots=True)
class ArmEstimate:
    """One estimate of `arm` against `reference_arm`.

    `oriented_estimate` is positive (a ratio: above 1) where the arm does better; None for a neutral biomarker or
    without an estimate.
    """

    arm: str
    reference_arm: str
    result: Estimate
    n_randomized: dict[str, int]
    oriented_estimate: float | None


def estimate_outcome(data: OutcomeData) -> tuple[ArmEstimate, ...]:
    """All estimates, by arm, then method, then measure; the same data give the same bytes."""
    pairs, decision = paired_values(data), decide(data)
    randomized = data.randomized()
    # Extreme values may overflow on the way; the result is then refused as out of range, not warned about.
    with np.errstate(all="ignore"):
        results = {arm: tuple(_of_arm(data, pairs, decision, arm)) for arm in data.arms[1:]}
    return tuple(
        ArmEstimate(
            arm,
            data.arms[0],
            result,
            {code: randomized[code] for code in (data.arms[0], arm)},
            oriented(result, data.direction),
        )
        for arm in data.arms[1:]
        for result in results[arm]
    )


def oriented(result: Estimate, direction: Direction) -> float | None:
    """The estimate with the sign in which positive is better; a ratio of a harmful biomarker is inverted."""
    if result.estimate is None or direction == "neutral":
        return None
    if direction == "beneficial":
        return result.estimate
    if result.measure == "ratio_of_geometric_means":
        return 1 / result.estimate if result.estimate else None
    return -result.estimate


def _of_arm(data: OutcomeData, pairs: Pairs, decision: LimitDecision, arm: str) -> Iterable[Estimate]:
    notes = _limit_notes(decision)
    match decision.rule:
        case "mostly_below_limit":
            yield from _refused(pairs, arm, ("ancova_model", "ancova_hc3"), MOSTLY_BELOW_LIMIT, notes)
            yield _refused_ppc(pairs, arm, MOSTLY_BELOW_LIMIT, notes)
            yield estimate_detection(data, arm)
        case "tobit":
            yield from estimate_tobit(pairs, arm, notes)
            yield _refused_ppc(pairs, arm, LIMIT_MODEL_NEEDED, notes)
        case _:
            fit = fit_ancova(pairs)
            yield from estimate_ancova(fit, arm, "model", notes)
            yield from estimate_ancova(fit, arm, "HC3", notes)
            yield estimate_pre_post_control(pairs, arm, notes=notes)


def _refused(
    pairs: Pairs, arm: str, methods: tuple[str, ...], reason: NotEstimable, notes: tuple[str, ...]
) -> Iterable[Estimate]:
    for method in methods:
        yield from refused_differences(_refused_analysis(pairs, arm, method, notes), pairs.scale, reason)


def _refused_ppc(pairs: Pairs, arm: str, reason: NotEstimable, notes: tuple[str, ...]) -> Estimate:
    return _refused_analysis(pairs, arm, PPC, notes).refuse("d_ppc2", reason)


def _refused_analysis(pairs: Pairs, arm: str, method: str, notes: tuple[str, ...]) -> Analysis:
    counts = pairs.n()
    return Analysis(method, "", {code: counts[code] for code in (pairs.arms[0], arm)}, pairs.notes() + notes)


def _limit_notes(decision: LimitDecision) -> tuple[str, ...]:
    if decision.rule == "none":
        return ()
    shares = f"Below the limit: {_words(decision.baseline)} at baseline, {_words(decision.follow_up)} at follow-up."
    return (shares, "They count as the limit.") if decision.rule == "substitution" else (shares,)


def _words(share: Share) -> str:
    return f"{share.censored} of {share.available}"
