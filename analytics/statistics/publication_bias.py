"""Small-study effects: funnel points, Egger, PET-PEESE, Begg's rank correlation, trim-and-fill, Rosenthal's number.

Sources: Egger et al. (1997), BMJ 315:629-634; Sterne & Egger (2005), in Publication Bias in Meta-Analysis, ch. 6;
Stanley & Doucouliagos (2014), Res. Synth. Methods 5:60-78; Begg & Mazumdar (1994), Biometrics 50:1088-1101;
Duval & Tweedie (2000), Biometrics 56:455-463 (estimator L0); Rosenthal (1979), Psychol. Bull. 86:638-641.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import ndtri

from analytics.statistics.estimate import (
    NO_CONVERGENCE,
    NO_RESIDUAL_VARIANCE,
    Z_975,
    Analysis,
    Estimate,
    NotEstimable,
    two_sided_p,
)
from analytics.statistics.outcome import Floats
from analytics.statistics.pooling import Pooled, pool
from analytics.statistics.random_effects import TauMethod, Test, fit_random_effects, refusal

Side = Literal["left", "right"]
Predictor = Literal["standard_error", "variance"]

FEW_TRIALS: Final = "Fewer than 10 trials: the test has little power and says little either way."


@dataclass(frozen=True, slots=True)
class SmallStudyEffects:
    """`slope`: change of the effect per unit of the predictor; `limit`: effect of a trial without sampling error."""

    slope: Estimate
    limit: Estimate


@dataclass(frozen=True, eq=False)
class Funnel:
    """Points of a funnel plot: `effects` over `standard_errors`, and the 95% cone around `centre` at those errors."""

    effects: Floats
    standard_errors: Floats
    centre: float | None
    low: Floats | None
    high: Floats | None


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Kendall's tau-b of standardized effect and variance, with the normal p value corrected for ties."""

    tau: float
    p_value: float


@dataclass(frozen=True, slots=True)
class TrimAndFill:
    """`missing` trials were put in on `side`, at `effects` with `variances`; `pooled` is of all together."""

    missing: int
    side: Side
    effects: tuple[float, ...]
    variances: tuple[float, ...]
    pooled: Pooled


def egger(effects: Floats, variances: Floats, tau_method: TauMethod = "REML") -> SmallStudyEffects:
    """Egger's regression within the random-effects model: effect on standard error, normal test of the slope."""
    analysis = _analysis(f"egger_{tau_method.lower()}", "effect ~ standard_error", len(effects))
    columns = _with_intercept(_standard_errors(variances))
    fit = fit_random_effects(effects, variances, columns, tau_method)
    if isinstance(fit, NotEstimable):
        return SmallStudyEffects(analysis.refuse("slope", fit), analysis.refuse("limit_effect", fit))
    errors = np.sqrt(np.diagonal(fit.covariance))
    return SmallStudyEffects(
        analysis.wald("slope", float(fit.coefficients[1]), float(errors[1])),
        analysis.wald("limit_effect", float(fit.coefficients[0]), float(errors[0])),
    )


def weighted_regression(
    effects: Floats, variances: Floats, predictor: Predictor = "standard_error"
) -> SmallStudyEffects:
    """Classical regression by weights 1/v with a free residual variance on t(k - 2).

    On the standard error it is Egger's original test and PET; on the variance it is PEESE.
    """
    name = "egger_classical" if predictor == "standard_error" else "peese"
    analysis = _analysis(name, f"effect ~ {predictor}", len(effects))
    x = _standard_errors(variances) if predictor == "standard_error" else variances
    fit = fit_random_effects(effects, variances, _with_intercept(x), "FE")
    reason = fit if isinstance(fit, NotEstimable) else None
    if not isinstance(fit, NotEstimable) and not fit.mean_square > 1e-24 * float(np.max(effects**2 / variances)):
        reason = NO_RESIDUAL_VARIANCE
    if isinstance(fit, NotEstimable) or reason is not None:
        refused = reason or NO_RESIDUAL_VARIANCE
        return SmallStudyEffects(analysis.refuse("slope", refused), analysis.refuse("limit_effect", refused))
    errors = np.sqrt(np.diagonal(fit.covariance_for("knapp_hartung")))
    return SmallStudyEffects(
        analysis.wald("slope", float(fit.coefficients[1]), float(errors[1]), fit.df),
        analysis.wald("limit_effect", float(fit.coefficients[0]), float(errors[0]), fit.df),
    )


def funnel(effects: Floats, variances: Floats, tau_method: TauMethod = "REML") -> Funnel:
    """The points of the plot in the order of the trials; no cone where nothing can be pooled."""
    errors = _standard_errors(variances)
    centre = pool(effects, variances, tau_method, "wald").overall.estimate
    if centre is None:
        return Funnel(effects, errors, None, None, None)
    return Funnel(effects, errors, centre, centre - Z_975 * errors, centre + Z_975 * errors)


def begg(effects: Floats, variances: Floats) -> RankCorrelation | NotEstimable:
    """Rank correlation of the deviation from the fixed-effect mean, standardized, with the variance."""
    columns = np.ones((len(effects), 1))
    fit = fit_random_effects(effects, variances, columns, "FE")
    if isinstance(fit, NotEstimable):
        return fit
    adjusted = variances - 1 / np.sum(1 / variances)
    if not np.all(adjusted > 0):
        return NO_RESIDUAL_VARIANCE
    return _kendall((effects - fit.coefficients[0]) / np.sqrt(adjusted), variances)


def rosenthal(effects: Floats, variances: Floats) -> int | NotEstimable:
    """Number of unseen trials of no effect that would bring the one-sided combined p above .05."""
    reason = refusal(effects, variances, np.ones((len(effects), 0)))
    if reason is not None:
        return reason
    k = len(effects)
    combined = float(np.sum(effects / np.sqrt(variances))) / math.sqrt(k)
    return math.ceil(max(0.0, k * (combined / float(ndtri(0.95))) ** 2 - k))


def trim_and_fill(
    effects: Floats, variances: Floats, tau_method: TauMethod = "REML", test: Test = "ad_hoc"
) -> TrimAndFill | NotEstimable:
    """Trim the trials that have no mirror image (L0), fill in the mirror images, and pool again."""
    slope = egger(effects, variances, tau_method).slope
    if slope.not_estimable is not None or slope.estimate is None:
        return slope.not_estimable or NO_RESIDUAL_VARIANCE
    side: Side = "right" if slope.estimate < 0 else "left"
    # Missing on the left is the ordinary case; a funnel with a gap on the right is turned round.
    sign = -1.0 if side == "right" else 1.0
    order = np.argsort(sign * effects, kind="stable")
    y, v = (sign * effects)[order], variances[order]
    trimmed = _trim(y, v, tau_method)
    if isinstance(trimmed, NotEstimable):
        return trimmed
    missing, centre = trimmed
    filled = sign * (2 * centre - y[len(y) - missing :])
    filled_variances = v[len(y) - missing :]
    return TrimAndFill(
        missing,
        side,
        tuple(float(x) for x in filled),
        tuple(float(x) for x in filled_variances),
        pool(np.append(effects, filled), np.append(variances, filled_variances), tau_method, test),
    )


def _trim(y: Floats, v: Floats, tau_method: TauMethod) -> tuple[int, float] | NotEstimable:
    """Number of trials without a mirror image, and the mean of the rest; `y` in ascending order."""
    k, missing = len(y), 0
    seen: set[int] = set()
    while missing not in seen:
        seen.add(missing)
        rest = k - missing
        fit = fit_random_effects(y[:rest], v[:rest], np.ones((rest, 1)), tau_method)
        if isinstance(fit, NotEstimable):
            return fit
        centre = float(fit.coefficients[0])
        deviation = y - centre
        ranks = np.empty(k)
        ranks[np.argsort(np.abs(deviation), kind="stable")] = np.arange(1, k + 1)
        positive = float(ranks[deviation > 0].sum())
        found = max(0, round((4 * positive - k * (k + 1)) / (2 * k - 1)))
        if found == missing:
            return missing, centre
        missing = min(found, k - 2)
    # The count swings between values, and none of them is more right than another.
    return NO_CONVERGENCE


def _kendall(x: Floats, y: Floats) -> RankCorrelation | NotEstimable:
    n = len(x)
    above = np.triu_indices(n, 1)
    score = float(np.sum(np.sign(x[above[0]] - x[above[1]]) * np.sign(y[above[0]] - y[above[1]])))
    ties = [np.unique(values, return_counts=True)[1].astype(np.float64) for values in (x, y)]
    pairs = n * (n - 1) / 2
    untied = [pairs - float(np.sum(t * (t - 1))) / 2 for t in ties]
    if min(untied) <= 0:
        return NO_RESIDUAL_VARIANCE
    single = [float(np.sum(t * (t - 1) * (2 * t + 5))) for t in ties]
    double = [float(np.sum(t * (t - 1))) for t in ties]
    triple = [float(np.sum(t * (t - 1) * (t - 2))) for t in ties]
    variance = (n * (n - 1) * (2 * n + 5) - single[0] - single[1]) / 18
    variance += double[0] * double[1] / (2 * n * (n - 1))
    if n > 2:
        variance += triple[0] * triple[1] / (9 * n * (n - 1) * (n - 2))
    return RankCorrelation(score / math.sqrt(untied[0] * untied[1]), two_sided_p(score / math.sqrt(variance), None))


def _analysis(method: str, formula: str, k: int) -> Analysis:
    return Analysis(method, formula, {"trials": k}, (FEW_TRIALS,) if k < 10 else ())


def _standard_errors(variances: Floats) -> Floats:
    return np.sqrt(np.where(variances > 0, variances, np.nan))


def _with_intercept(x: Floats) -> Floats:
    return np.column_stack([np.ones(len(x)), x])
