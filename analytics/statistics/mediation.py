"""Mediation: how much of the arm's effect passes through a mediator, by the product of coefficients.

m = i + a arm + covariates, y = j + c arm + b m + the same covariates; indirect a b, direct c, total c + a b.
Errors of least squares, or of maximum likelihood (divided by n). Error of a b by Sobel's formula
sqrt(a^2 SE_b^2 + b^2 SE_a^2); interval by the percentiles of a bootstrap within arms whose draws follow from a fixed
seed, so that the same data give the same bytes.
Sources: Sobel (1982), Sociol. Methodol. 13:290-312; MacKinnon (2008), Introduction to Statistical Mediation Analysis;
Efron & Tibshirani (1993), chapter 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from analytics.statistics.ancova import Design, fit_ancova, refusal
from analytics.statistics.estimate import (
    MEDIATOR_ALIASED,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import LeastSquares, covariance, fit_least_squares
from analytics.statistics.outcome import ComparedValues, Floats, Integers, OutcomeData, compared_with

Errors = Literal["least_squares", "maximum_likelihood"]

METHOD: Final = "mediation"
MEASURES: Final = ("arm_on_mediator", "mediator_on_outcome", "indirect_effect", "direct_effect", "total_effect")
RESAMPLES: Final = 2000
SEED: Final = 20200519
CHUNK: Final = 250
MOST_LOST: Final = 0.05
"""Share of resamples without an answer above which no bootstrap interval is given."""
SINGULAR: Final = 1e12


@dataclass(frozen=True, slots=True)
class Paths:
    """Coefficients a, b, c and their errors; `covariance_bc` of b and c."""

    a: float
    se_a: float
    b: float
    se_b: float
    c: float
    se_c: float
    covariance_bc: float

    @property
    def indirect(self) -> float:
        """a b."""
        return self.a * self.b

    @property
    def se_indirect(self) -> float:
        """Sobel's error of a b."""
        return math.hypot(self.a * self.se_b, self.b * self.se_a)

    @property
    def se_total(self) -> float:
        """Error of c + a b by the delta method."""
        return math.sqrt(self.se_c**2 + self.se_indirect**2 + 2 * self.a * self.covariance_bc)


def fit_paths(compared: ComparedValues, errors: Errors = "least_squares") -> Paths | NotEstimable:
    """Both regressions; `compared.values` is the mediator."""
    fit = fit_ancova(compared.pairs)
    arm = compared.pairs.arms[1]
    reason = refusal(fit, arm)
    if reason is not None or fit.least_squares is None:
        return reason or NO_RESIDUAL_DF
    columns, column = _columns(fit.design, fit.least_squares, arm)
    first = fit_least_squares(columns, compared.values)
    second = fit_least_squares(np.column_stack([columns, compared.values]), compared.pairs.follow_up)
    if len(second.kept) == columns.shape[1]:
        return MEDIATOR_ALIASED
    if second.df < 1:
        return NO_RESIDUAL_DF
    if not (first.has_residual_variance and second.has_residual_variance):
        return NO_RESIDUAL_VARIANCE
    v_first, v_second = covariance(first, "model"), covariance(second, "model")
    if v_first is None or v_second is None:
        return NO_RESIDUAL_VARIANCE
    if errors == "maximum_likelihood":
        n = len(compared.values)
        v_first, v_second = v_first * (first.df / n), v_second * (second.df / n)
    return Paths(
        a=float(first.coefficients[column]),
        se_a=math.sqrt(v_first[column, column]),
        b=float(second.coefficients[-1]),
        se_b=math.sqrt(v_second[-1, -1]),
        c=float(second.coefficients[column]),
        se_c=math.sqrt(v_second[column, column]),
        covariance_bc=float(v_second[-1, column]),
    )


def estimate_mediation(
    data: OutcomeData,
    mediator: Floats,
    arm: str,
    *,
    errors: Errors = "least_squares",
    resamples: int = RESAMPLES,
) -> tuple[Estimate, ...]:
    """The five effects in the order of `MEASURES`; `mediator` (one entry per participant randomized), NaN if unknown.

    The indirect effect has a bootstrap interval and Sobel's p, the others normal ones; `resamples` 0 leaves the
    bootstrap out and gives the indirect effect a normal interval too.
    """
    compared = compared_with(data, mediator, arm)
    design = fit_ancova(compared.pairs).design
    analysis = Analysis(
        METHOD,
        f"mediator ~ {design.formula.split(' ~ ')[1]}; {design.formula} + mediator",
        compared.pairs.n(),
        compared.pairs.notes() + design.notes,
    )
    paths = fit_paths(compared, errors)
    if isinstance(paths, NotEstimable):
        return tuple(analysis.refuse(measure, paths) for measure in MEASURES)
    return (
        analysis.wald("arm_on_mediator", paths.a, paths.se_a),
        analysis.wald("mediator_on_outcome", paths.b, paths.se_b),
        _indirect(analysis, compared, paths, resamples),
        analysis.wald("direct_effect", paths.c, paths.se_c),
        analysis.wald("total_effect", paths.c + paths.indirect, paths.se_total),
    )


def bootstrap_indirect(compared: ComparedValues, resamples: int = RESAMPLES) -> Floats:
    """a b of each resample in ascending order; resamples whose columns are not independent are missing from it."""
    fit = fit_ancova(compared.pairs)
    if fit.least_squares is None:
        return np.empty(0)
    columns, column = _columns(fit.design, fit.least_squares, compared.pairs.arms[1])
    # Means are removed from mediator and outcome so that the sums of squares keep their digits.
    outcome = compared.pairs.follow_up - np.mean(compared.pairs.follow_up)
    rows = np.column_stack([columns, compared.values - np.mean(compared.values), outcome])
    rows = rows / np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    products = np.einsum("ij,ik->ijk", rows, rows).reshape(len(rows), -1)
    found = []
    for counts in _counts(compared.pairs.arm, resamples):
        moments = (counts @ products).reshape(-1, rows.shape[1], rows.shape[1])
        found.append(_products_of_paths(moments, column))
    unit = float(np.linalg.norm(outcome) / np.linalg.norm(columns[:, column]))
    return np.sort(np.concatenate(found)) * unit if found else np.empty(0)


def _columns(design: Design, fit: LeastSquares, arm: str) -> tuple[Floats, int]:
    return design.columns[:, fit.kept], fit.kept.index(design.arm_column(arm))


def _indirect(analysis: Analysis, compared: ComparedValues, paths: Paths, resamples: int) -> Estimate:
    plain = analysis.wald("indirect_effect", paths.indirect, paths.se_indirect)
    if not resamples or plain.p_value is None:
        return plain
    drawn = bootstrap_indirect(compared, resamples)
    if len(drawn) < (1 - MOST_LOST) * resamples:
        return plain
    low, high = np.quantile(drawn, (0.025, 0.975))
    words = f"Interval: 2.5% and 97.5% of {len(drawn)} resamples within arms; p by Sobel's formula."
    return analysis.state(
        "indirect_effect",
        paths.indirect,
        (float(low), float(high)),
        plain.p_value,
        standard_error=paths.se_indirect,
        notes=(words,),
    )


def _counts(arm: Integers, resamples: int) -> list[Floats]:
    """How often each participant is in each resample, in chunks; raw bits, as only these are promised to be stable."""
    bits = np.random.PCG64(SEED)
    chunks = []
    members = [np.flatnonzero(arm == index) for index in np.unique(arm)]
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        counts = np.zeros((size, len(arm)))
        for rows in members:
            raw = np.asarray(bits.random_raw(size * len(rows)), dtype=np.uint64) >> np.uint64(32)
            drawn = ((raw * np.uint64(len(rows))) >> np.uint64(32)).astype(np.int64).reshape(size, -1)
            flat = np.bincount((drawn + len(rows) * np.arange(size)[:, None]).ravel(), minlength=size * len(rows))
            counts[:, rows] = flat.reshape(size, -1)
        chunks.append(counts)
    return chunks


def _products_of_paths(moments: Floats, column: int) -> Floats:
    """a b from matrices of sums (B, p + 2, p + 2) over columns, mediator, outcome."""
    p = moments.shape[1] - 2
    inner, whole = moments[:, :p, :p], moments[:, : p + 1, : p + 1]
    good = (np.linalg.cond(inner) < SINGULAR) & (np.linalg.cond(whole) < SINGULAR)
    first = np.linalg.solve(inner[good], moments[good, :p, p][..., None])[..., 0]
    second = np.linalg.solve(whole[good], moments[good, : p + 1, p + 1][..., None])[..., 0]
    return np.asarray(first[:, column] * second[:, p])
