"""Pooling of trials: random-effects mean with Knapp-Hartung interval, heterogeneity, prediction, one trial left out.

The default is REML with the Knapp-Hartung interval on t(k - 1), and with the ad hoc correction: the interval is scaled
by max(1, q), q the weighted mean square, so that it is never narrower than theory allows.
Sources: Knapp & Hartung (2003), Stat. Med. 22:2693-2710; Roever, Knapp & Friede (2015), BMC Med. Res. Methodol. 15:99
(correction); Viechtbauer (2007), Stat. Med. 26:37-52 (Q-profile); Higgins, Thompson & Spiegelhalter (2009),
J. R. Stat. Soc. A 172:137-159 (prediction); Viechtbauer & Cheung (2010), Res. Synth. Methods 1:112-125 (influence).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.statistics.estimate import TOO_FEW_STUDIES, Analysis, Estimate, NotEstimable, quantile_975
from analytics.statistics.outcome import Floats
from analytics.statistics.random_effects import (
    RandomEffects,
    TauMethod,
    Test,
    fit_random_effects,
    i_squared_at,
    q_profile,
)

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """How far trials differ beyond chance. `tau2` is in squared units of the effect; `i_squared` in percent.

    The intervals (95%) are by Q-profile, None where that interval is empty.
    """

    tau2: float
    tau2_standard_error: float | None
    tau2_interval: Interval | None
    i_squared: float
    i_squared_interval: Interval | None
    h_squared: float
    q: float
    q_df: int
    q_p: float
    log_likelihood: float


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pooled effect. `weights` (percent) are in the order of the trials.

    `prediction` (95%) is for the true effect in a new trial, None for fewer than three trials. One trial alone is
    given as it is, without heterogeneity.
    """

    overall: Estimate
    heterogeneity: Heterogeneity | None
    prediction: Interval | None
    weights: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Influence:
    """What each trial does to the pooled effect; arrays (k,) in the order of the trials.

    `studentized`: residual from the mean of the others over its standard error. `dffits`: change of the mean in its
    standard errors. `cook`: squared change over the variance of the mean. `hat`: weight as a share.
    """

    studentized: Floats
    dffits: Floats
    cook: Floats
    hat: Floats


def pool(effects: Floats, variances: Floats, tau_method: TauMethod = "REML", test: Test = "ad_hoc") -> Pooled:
    """Pool `effects` (k,) with sampling `variances` (k,), independent of each other."""
    analysis = _analysis(len(effects), tau_method, test)
    if len(effects) == 1:
        return _single(analysis, effects, variances)
    columns = np.ones((len(effects), 1))
    fit = fit_random_effects(effects, variances, columns, tau_method)
    if isinstance(fit, NotEstimable):
        return Pooled(analysis.refuse("pooled_effect", fit), None, None, ())
    mean = float(fit.coefficients[0])
    error = float(np.sqrt(fit.covariance_for(test)[0, 0]))
    overall = analysis.wald("pooled_effect", mean, error, degrees_of_freedom(fit, test))
    if overall.not_estimable is not None:
        return Pooled(overall, None, None, ())
    return Pooled(
        overall,
        _heterogeneity(fit, q_profile(effects, variances, columns)),
        prediction_interval(fit),
        tuple(float(w) for w in 100 * fit.weights / fit.weights.sum()),
    )


def degrees_of_freedom(fit: RandomEffects, test: Test) -> float | None:
    """k - p for intervals on t; None for the normal ones. The fixed effect has only the normal interval."""
    return None if test == "wald" or fit.method == "FE" else float(fit.df)


def prediction_interval(fit: RandomEffects) -> Interval | None:
    """mu +/- t(k - 2) sqrt(tau^2 + SE^2), SE that of the Wald test (Higgins et al. 2009, eq. 12)."""
    if fit.k < 3 or fit.method == "FE":
        return None
    half_width = quantile_975(fit.k - 2) * float(np.sqrt(fit.tau2 + fit.covariance[0, 0]))
    return float(fit.coefficients[0]) - half_width, float(fit.coefficients[0]) + half_width


def leave_one_out(
    effects: Floats, variances: Floats, tau_method: TauMethod = "REML", test: Test = "ad_hoc"
) -> tuple[Pooled, ...]:
    """Pool without the first trial, without the second, and so on."""
    return tuple(pool(np.delete(effects, i), np.delete(variances, i), tau_method, test) for i in range(len(effects)))


def cumulative(
    effects: Floats, variances: Floats, tau_method: TauMethod = "REML", test: Test = "ad_hoc"
) -> tuple[Pooled, ...]:
    """Pool the first trial, the first two, and so on, in the given order (by date, as a rule)."""
    return tuple(pool(effects[: i + 1], variances[: i + 1], tau_method, test) for i in range(len(effects)))


def influence(
    effects: Floats, variances: Floats, tau_method: TauMethod = "REML", test: Test = "ad_hoc"
) -> Influence | NotEstimable:
    """Leave each trial out and measure what changes; needs three trials."""
    columns = np.ones((len(effects), 1))
    fit = fit_random_effects(effects, variances, columns, tau_method)
    if isinstance(fit, NotEstimable):
        return fit
    if fit.k < 3:
        return TOO_FEW_STUDIES
    hat = fit.weights / fit.weights.sum()
    studentized, dffits, cook = np.zeros(fit.k), np.zeros(fit.k), np.zeros(fit.k)
    for i in range(fit.k):
        others = fit_random_effects(np.delete(effects, i), np.delete(variances, i), columns[1:], tau_method)
        if isinstance(others, NotEstimable):
            return others
        covariance = float(others.covariance_for(test)[0, 0])
        scale = covariance / float(others.covariance[0, 0])
        change = float(fit.coefficients[0] - others.coefficients[0])
        total = variances[i] + others.tau2
        studentized[i] = (effects[i] - others.coefficients[0]) / np.sqrt(scale * total + covariance)
        dffits[i] = change / np.sqrt(scale * hat[i] * total)
        cook[i] = change**2 / float(fit.covariance_for(test)[0, 0])
    return Influence(studentized, dffits, cook, hat)


def _heterogeneity(fit: RandomEffects, tau2_interval: Interval | None) -> Heterogeneity:
    shares = None
    if tau2_interval is not None:
        low, high = (i_squared_at(tau2, fit.typical_variance) for tau2 in tau2_interval)
        shares = (low, high)
    return Heterogeneity(
        tau2=fit.tau2,
        tau2_standard_error=fit.tau2_standard_error,
        tau2_interval=tau2_interval,
        i_squared=fit.i_squared,
        i_squared_interval=shares,
        h_squared=fit.h_squared,
        q=fit.q,
        q_df=fit.df,
        q_p=fit.q_p,
        log_likelihood=fit.log_likelihood,
    )


def _analysis(k: int, tau_method: TauMethod, test: Test) -> Analysis:
    method = "pooled_fixed" if tau_method == "FE" else f"pooled_{tau_method.lower()}_{test}"
    return Analysis(method, "effect ~ 1", {"trials": k})


def _single(analysis: Analysis, effects: Floats, variances: Floats) -> Pooled:
    """One trial: its own effect with its own normal interval; nothing has been pooled, and a note says so."""
    alone = Analysis(
        analysis.method, analysis.formula, analysis.n, ("One trial: its own estimate, nothing is pooled.",)
    )
    with np.errstate(invalid="ignore"):
        error = float(np.sqrt(variances[0]))
    return Pooled(alone.wald("pooled_effect", float(effects[0]), error), None, None, (100.0,))
