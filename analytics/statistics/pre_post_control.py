"""Effect sizes of the pretest-posttest-control design, each under its own name.

They answer different questions and differ on real data, so none is called just "g".
Sources: Morris (2008), Org. Res. Methods 11:364-386 (d_ppc2, eq. 8, 22, 25); Becker (1988), Br. J. Math. Stat.
Psychol. 41:257-278 (SMCR); Gibbons, Hedeker & Davis (1993) (SMCC); Bonett (2008), Psychol. Methods 13:173-181 (SMCRH);
Lajeunesse (2011), Ecology 92:2049-2055 (ROMC); Hedges (1981), J. Educ. Stat. 6:107-128 (exact correction).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import gammaln

from analytics.statistics.estimate import (
    ARM_EMPTY,
    NO_CORRELATION,
    NO_VARIATION_IN_CHANGE,
    NONPOSITIVE_MEAN,
    OUT_OF_RANGE,
    TOO_FEW_PAIRS,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.outcome import Floats, Pairs

Correction = Literal["approximate", "exact"]

METHOD: Final = "ppc"
SMALLEST_TOTAL: Final = 5
"""Morris eq. 25 divides by df - 2, with df = nT + nC - 2."""
SMALLEST_VARIANCE: Final = 1e-14
"""A variance of a standardized size below this is rounding."""


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """What an article reports of an arm; `correlation` of baseline and follow-up is NaN where it is not defined."""

    n: int
    mean_pre: float
    mean_post: float
    sd_pre: float
    sd_post: float
    correlation: float

    @property
    def variance_of_change(self) -> float:
        """Variance of follow-up minus baseline."""
        return self.sd_pre**2 + self.sd_post**2 - 2 * self.correlation * self.sd_pre * self.sd_post

    @property
    def mean_change(self) -> float:
        """Mean at follow-up minus mean at baseline."""
        return self.mean_post - self.mean_pre


@dataclass(frozen=True, slots=True)
class EffectSize:
    """An effect size and its sampling variance, in the unit (squared) of the size."""

    estimate: float
    variance: float

    def minus(self, other: EffectSize) -> EffectSize:
        """Difference of two independent sizes."""
        return EffectSize(self.estimate - other.estimate, self.variance + other.variance)


def summarize(pre: Floats, post: Floats) -> ArmSummary:
    """Summary of the participants with both values; needs at least two."""
    sd_pre, sd_post = _standard_deviation(pre), _standard_deviation(post)
    correlation = math.nan
    if sd_pre > 0 and sd_post > 0:
        covariance = float((pre - np.mean(pre)) @ (post - np.mean(post))) / (len(pre) - 1)
        correlation = min(1.0, max(-1.0, covariance / sd_pre / sd_post))
    return ArmSummary(len(pre), float(np.mean(pre)), float(np.mean(post)), sd_pre, sd_post, correlation)


def exact_correction(df: float) -> float:
    """Hedges' exact small-sample factor Gamma(df/2) / (sqrt(df/2) Gamma((df-1)/2)); needs df > 1."""
    return float(np.exp(gammaln(df / 2) - np.log(np.sqrt(df / 2)) - gammaln((df - 1) / 2)))


def approximate_correction(df: float) -> float:
    """Hedges' approximation 1 - 3 / (4 df - 1), used by Morris eq. 22."""
    return 1 - 3 / (4 * df - 1)


def common_correlation(arm: ArmSummary, reference: ArmSummary) -> float:
    """Correlation of baseline and follow-up, the arms weighted by n."""
    return (arm.correlation * arm.n + reference.correlation * reference.n) / (arm.n + reference.n)


def pooled_baseline_sd(arm: ArmSummary, reference: ArmSummary) -> float:
    """Standard deviation at baseline, pooled over both arms."""
    return _pooled(arm.sd_pre, arm.n, reference.sd_pre, reference.n)


def d_ppc2(
    arm: ArmSummary, reference: ArmSummary, *, correction: Correction = "approximate", correlation: float | None = None
) -> EffectSize:
    """Difference of mean changes over the pooled baseline SD (Morris 2008), with the variance of his eq. 25."""
    df = arm.n + reference.n - 2
    factor = approximate_correction(df) if correction == "approximate" else exact_correction(df)
    size = factor * (arm.mean_change - reference.mean_change) / pooled_baseline_sd(arm, reference)
    r = common_correlation(arm, reference) if correlation is None else correlation
    per_pair = 2 * (1 - r) * (arm.n + reference.n) / (arm.n * reference.n)
    # eq. 25 multiplied out, so that r = 1 does not divide by zero
    return EffectSize(size, factor**2 * df / (df - 2) * (per_pair + size**2) - size**2)


def d_ppc2_large_sample_variance(size: float, arm: ArmSummary, reference: ArmSummary, correlation: float) -> float:
    """The simpler variance 2(1-r)(1/nT + 1/nC) + d^2 / (2(nT + nC)), for comparison with published tables."""
    return 2 * (1 - correlation) * (1 / arm.n + 1 / reference.n) + size**2 / (2 * (arm.n + reference.n))


def smcr(arm: ArmSummary) -> EffectSize:
    """Standardized mean change of one arm, in baseline SDs (Becker 1988)."""
    size = exact_correction(arm.n - 1) * arm.mean_change / arm.sd_pre
    return EffectSize(size, 2 * (1 - arm.correlation) / arm.n + size**2 / (2 * arm.n))


def smcc(arm: ArmSummary) -> EffectSize:
    """Standardized mean change of one arm, in SDs of the change."""
    size = exact_correction(arm.n - 1) * arm.mean_change / math.sqrt(arm.variance_of_change)
    return EffectSize(size, 1 / arm.n + size**2 / (2 * arm.n))


def smcrh(arm: ArmSummary) -> EffectSize:
    """SMCR with the variance that allows different SDs at the two visits (Bonett 2008)."""
    df = arm.n - 1
    factor = exact_correction(df)
    size = factor * arm.mean_change / arm.sd_pre
    change = arm.variance_of_change / (arm.sd_pre**2 * df)
    return EffectSize(size, factor**2 * (change + size**2 / (2 * df)))


def mean_change(arm: ArmSummary) -> EffectSize:
    """Mean change of one arm in the raw unit."""
    return EffectSize(arm.mean_change, arm.variance_of_change / arm.n)


def romc(arm: ArmSummary) -> EffectSize:
    """Log ratio of the means at follow-up and baseline of one arm; needs positive means."""
    cv_pre, cv_post = arm.sd_pre / arm.mean_pre, arm.sd_post / arm.mean_post
    variance = (cv_post**2 + cv_pre**2 - 2 * arm.correlation * cv_pre * cv_post) / arm.n
    return EffectSize(math.log(arm.mean_post / arm.mean_pre), variance)


def percent_change(arm: ArmSummary) -> EffectSize:
    """100 (mean at follow-up / mean at baseline - 1), delta method from `romc`."""
    ratio = arm.mean_post / arm.mean_pre
    return EffectSize(100 * (ratio - 1), (100 * ratio) ** 2 * romc(arm).variance)


def smd(arm: ArmSummary, reference: ArmSummary, visit: Literal["pre", "post"] = "post") -> EffectSize:
    """Hedges' g of one visit: difference of means over the pooled SD, exact correction."""
    means = (arm.mean_post, reference.mean_post) if visit == "post" else (arm.mean_pre, reference.mean_pre)
    sds = (arm.sd_post, reference.sd_post) if visit == "post" else (arm.sd_pre, reference.sd_pre)
    pooled = _pooled(sds[0], arm.n, sds[1], reference.n)
    size = exact_correction(arm.n + reference.n - 2) * (means[0] - means[1]) / pooled
    return EffectSize(size, 1 / arm.n + 1 / reference.n + size**2 / (2 * (arm.n + reference.n)))


def rom_post(arm: ArmSummary, reference: ArmSummary) -> EffectSize:
    """Log ratio of the arms' means at follow-up; needs positive means."""
    variance = sum((a.sd_post / a.mean_post) ** 2 / a.n for a in (arm, reference))
    return EffectSize(math.log(arm.mean_post / reference.mean_post), variance)


SIZES: Final[dict[str, Callable[[ArmSummary, ArmSummary], EffectSize]]] = {
    "d_ppc2": d_ppc2,
    "g_post": smd,
    "smcr_difference": lambda arm, reference: smcr(arm).minus(smcr(reference)),
    "smcc_difference": lambda arm, reference: smcc(arm).minus(smcc(reference)),
    "mean_change_difference": lambda arm, reference: mean_change(arm).minus(mean_change(reference)),
    "romc": lambda arm, reference: romc(arm).minus(romc(reference)),
    "percentage_points": lambda arm, reference: percent_change(arm).minus(percent_change(reference)),
}
"""Arm minus reference, by measure."""

OF_RAW_VALUES: Final = frozenset({"romc", "percentage_points"})
"""Measures that compare means with each other, so they need positive means on the raw scale."""


def estimate_pre_post_control(pairs: Pairs, arm: str, measure: str = "d_ppc2", notes: tuple[str, ...] = ()) -> Estimate:
    """One named effect size of `arm` against the reference, with a normal interval, on the scale of `pairs`.

    Raises ValueError for a ratio or percentage of logarithms.
    """
    if measure in OF_RAW_VALUES and pairs.scale != "identity":
        raise ValueError(f"{measure} is defined on the raw scale")
    reference = pairs.arms[0]
    counts = pairs.n()
    formula = f"{measure}({'log ' if pairs.scale == 'log' else ''}baseline, follow_up by arm)"
    analysis = Analysis(METHOD, formula, {code: counts[code] for code in (reference, arm)}, pairs.notes() + notes)
    reason = _too_few(counts[arm], counts[reference])
    if reason is not None:
        return analysis.refuse(measure, reason)
    with np.errstate(over="ignore", invalid="ignore"):
        treated, control = (_summary_of(pairs, code) for code in (arm, reference))
    return _estimate_from_summaries(analysis, measure, treated, control)


def _estimate_from_summaries(analysis: Analysis, measure: str, arm: ArmSummary, reference: ArmSummary) -> Estimate:
    reason = _without_meaning(measure, arm, reference)
    if reason is not None:
        return analysis.refuse(measure, reason)
    try:
        size = SIZES[measure](arm, reference)
    except (OverflowError, ZeroDivisionError):
        return analysis.refuse(measure, OUT_OF_RANGE)
    if size.variance < SMALLEST_VARIANCE:
        return analysis.refuse(measure, NO_VARIATION_IN_CHANGE)
    return analysis.wald(measure, size.estimate, math.sqrt(size.variance))


def _summary_of(pairs: Pairs, arm: str) -> ArmSummary:
    rows = pairs.arm == pairs.arms.index(arm)
    return summarize(pairs.baseline[rows], pairs.follow_up[rows])


def _too_few(n_arm: int, n_reference: int) -> NotEstimable | None:
    if not n_arm or not n_reference:
        return ARM_EMPTY
    enough = min(n_arm, n_reference) >= 2 and n_arm + n_reference >= SMALLEST_TOTAL
    return None if enough else TOO_FEW_PAIRS


def _without_meaning(measure: str, arm: ArmSummary, reference: ArmSummary) -> NotEstimable | None:
    summaries = (arm, reference)
    if not all(math.isfinite(a.sd_pre) and math.isfinite(a.sd_post) for a in summaries):
        return OUT_OF_RANGE
    if any(math.isnan(a.correlation) for a in summaries):
        return NO_CORRELATION
    if measure in OF_RAW_VALUES and min(m for a in summaries for m in (a.mean_pre, a.mean_post)) <= 0:
        return NONPOSITIVE_MEAN
    return None


def _standard_deviation(values: Floats) -> float:
    # Equal values can leave a rounding error in the mean; their SD is zero all the same.
    return float(np.std(values, ddof=1)) if np.any(values != values[0]) else 0.0


def _pooled(sd: float, n: int, reference_sd: float, reference_n: int) -> float:
    return math.sqrt(((n - 1) * sd**2 + (reference_n - 1) * reference_sd**2) / (n + reference_n - 2))
