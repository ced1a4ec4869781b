"""Meta-regression: effects of trials on moderators of the trials, with tests of all moderators together.

y_i = b0 + sum_j b_j x_ij + u_i + e_i; tau^2 is what the moderators leave. Intervals: t(k - p), Knapp-Hartung with the
ad hoc correction by default. R^2 is the share of tau^2 that the moderators take away (never below 0).
Sources: Knapp & Hartung (2003), Stat. Med. 22:2693-2710; Raudenbush (2009), in Handbook of Research Synthesis, ch. 16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import chdtrc, fdtrc

from analytics.statistics.estimate import Analysis, Estimate, NotEstimable
from analytics.statistics.outcome import Floats
from analytics.statistics.pooling import degrees_of_freedom
from analytics.statistics.random_effects import RandomEffects, TauMethod, Test, fit_random_effects

LEAST_DF: Final = 4.0
"""Below it, tests by Satterthwaite's approximation reject too often (Tipton 2015)."""


@dataclass(frozen=True, eq=False)
class Moderators:
    """Columns (n, p), the intercept first; `terms` name the columns, `formula` the moderators."""

    columns: Floats
    terms: tuple[str, ...]
    formula: str


@dataclass(frozen=True, slots=True)
class JointTest:
    """One test of several coefficients; `df_denominator` is None for chi-squared(df)/df."""

    statistic: float
    df: int
    df_denominator: float | None
    p_value: float

    @property
    def few_df(self) -> bool:
        """Fewer than 4 denominator degrees of freedom: the p value cannot be relied on."""
        return self.df_denominator is not None and self.df_denominator < LEAST_DF


@dataclass(frozen=True, slots=True)
class MetaRegression:
    """Coefficients by term and what is left unexplained. `r_squared`, `i_squared` in percent.

    `joint` tests all moderators, None without any. Without a fit every coefficient says why and the rest is None.
    """

    coefficients: dict[str, Estimate]
    joint: JointTest | None
    tau2: float | None
    r_squared: float | None
    i_squared: float | None
    h_squared: float | None
    q: float | None
    q_df: int | None
    q_p: float | None


def moderator_columns(
    n: int,
    moderators: Mapping[str, Floats | Sequence[str]],
    references: Mapping[str, str] | None = None,
) -> Moderators:
    """Intercept and one column per number, one per level but the reference per moderator of words.

    The reference is the first level in alphabetical order unless `references` names it.
    Raises ValueError where a moderator has not n entries, or a reference is not among its levels.
    """
    columns, terms = [np.ones(n)], ["intercept"]
    for name, values in moderators.items():
        if len(values) != n:
            raise ValueError(f"{name} needs one entry per effect.")
        if isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.number):
            columns.append(values.astype(np.float64))
            terms.append(name)
            continue
        words = np.array([str(value) for value in values])
        levels = sorted(set(words.tolist()))
        reference = (references or {}).get(name, levels[0] if levels else "")
        if reference not in levels and levels:
            raise ValueError(f"{reference} is not a level of {name}.")
        for level in levels:
            if level != reference:
                columns.append((words == level).astype(np.float64))
                terms.append(f"{name}:{level}")
    return Moderators(np.column_stack(columns), tuple(terms), f"effect ~ {' + '.join(moderators) or '1'}")


def regress_effects(
    effects: Floats,
    variances: Floats,
    moderators: Moderators,
    tau_method: TauMethod = "REML",
    test: Test = "ad_hoc",
) -> MetaRegression:
    """Regress `effects` (k,) with sampling `variances` (k,) on moderators of k trials."""
    analysis = Analysis(f"meta_regression_{tau_method.lower()}_{test}", moderators.formula, {"trials": len(effects)})
    fit = fit_random_effects(effects, variances, moderators.columns, tau_method)
    if isinstance(fit, NotEstimable):
        refused = {term: analysis.refuse(term, fit) for term in moderators.terms}
        return MetaRegression(refused, None, None, None, None, None, None, None, None)
    covariance, df = fit.covariance_for(test), degrees_of_freedom(fit, test)
    errors = np.sqrt(np.diagonal(covariance))
    coefficients = {
        term: analysis.wald(term, float(fit.coefficients[j]), float(errors[j]), df)
        for j, term in enumerate(moderators.terms)
    }
    return MetaRegression(
        coefficients=coefficients,
        joint=_joint_test(fit, covariance, df),
        tau2=fit.tau2,
        r_squared=_explained(effects, variances, fit),
        i_squared=fit.i_squared,
        h_squared=fit.h_squared,
        q=fit.q,
        q_df=fit.df,
        q_p=fit.q_p,
    )


def _joint_test(fit: RandomEffects, covariance: Floats, df: float | None) -> JointTest | None:
    """All coefficients but the intercept: F(m, k - p), or chi^2(m) where intervals are normal (statistic per m)."""
    m = len(fit.coefficients) - 1
    if m == 0:
        return None
    slopes, block = fit.coefficients[1:], covariance[1:, 1:]
    # Moderators in different units make the block badly scaled; in units of the standard errors it is not.
    errors = np.sqrt(np.diagonal(block))
    if not np.all(errors > 0):
        return None
    z = slopes / errors
    statistic = float(z @ np.linalg.solve(block / np.outer(errors, errors), z)) / m
    if not np.isfinite(statistic) or statistic < 0:
        return None
    p_value = chdtrc(m, m * statistic) if df is None else fdtrc(m, df, statistic)
    return JointTest(statistic, m, df, float(p_value))


def _explained(effects: Floats, variances: Floats, fit: RandomEffects) -> float | None:
    """Share of the variance between trials that is gone; None where there was none, or for the fixed effect."""
    without = fit_random_effects(effects, variances, np.ones((fit.k, 1)), fit.method)
    if isinstance(without, NotEstimable) or without.tau2 == 0 or fit.method == "FE":
        return None
    return max(0.0, 100 * (without.tau2 - fit.tau2) / without.tau2)
