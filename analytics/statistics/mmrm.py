"""Mixed model for repeated measures: all follow-up visits in one model, without imputing what is missing.

E(y_it) = m_t + sum_k b_kt [arm k] + c_t baseline_i + sum_j d_j [stratum level j]; Cov(y_i1 ... y_iT) = S unstructured.
b_kt is the difference between arm k and the reference at visit t. Sources: Mallinckrodt, Clark & David (2001),
J. Biopharm. Stat. 11:9-21; Mallinckrodt et al. (2008), Drug Inf. J. 42:303-319.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from analytics.statistics.estimate import ARM_EMPTY_AT_VISIT, COVARIATES_ALIASED, Estimate, NotEstimable
from analytics.statistics.ls_means import ESTIMABLE_TOLERANCE, MEASURES, Weights, geometric_mean
from analytics.statistics.outcome import Floats
from analytics.statistics.reml import scaled_columns
from analytics.statistics.repeated_outcome import (
    Profiles,
    RepeatedDesign,
    RepeatedOutcome,
    arm_term,
    follow_up_profiles,
    on_scale,
    strata_terms,
    visit_terms,
)
from analytics.statistics.visit_contrasts import Inference, RepeatedFit, estimate_difference, fit_visits, unfitted

Adjustment = Literal["by_visit", "one_slope", "none"]
"""How the baseline enters: with a slope at each visit, with one for all, or not at all."""


def fit_mmrm(data: RepeatedOutcome, adjustment: Adjustment = "by_visit") -> RepeatedFit:
    """Fit the model once for all arms and visits."""
    profiles = follow_up_profiles(data, needs_baseline=adjustment != "none")
    return fit_visits("mmrm", profiles, mmrm_design(profiles, adjustment))


def mmrm_design(profiles: Profiles, adjustment: Adjustment) -> RepeatedDesign:
    """Columns in the order visits, arms at visits, baseline, strata; a constant baseline is left out."""
    columns, terms = visit_terms(profiles, profiles.visits)
    words = ["visit", "arm:visit"]
    notes: tuple[str, ...] = ()
    if adjustment != "none" and _varies(profiles.baseline):
        baseline = profiles.baseline[:, None] * np.ones(len(profiles.visits))
        words.append(on_scale("baseline", profiles.scale) + (":visit" if adjustment == "by_visit" else ""))
        if adjustment == "by_visit":
            columns.extend(baseline * row for row in np.eye(len(profiles.visits)))
            terms.extend(f"baseline@{visit}" for visit in profiles.visits)
        else:
            columns.append(baseline)
            terms.append("baseline")
    elif adjustment != "none":
        notes = ("The baseline is constant and is left out of the model.",)
    more_columns, more_terms, more_words = strata_terms(profiles)
    return RepeatedDesign(
        np.stack(columns + more_columns, axis=2),
        tuple(terms + more_terms),
        f"{on_scale('value', profiles.scale)} ~ {' + '.join(words + more_words)}",
        notes,
    )


def estimate_mmrm(
    fit: RepeatedFit, arm: str, visit: str, inference: Inference = "kenward_roger"
) -> tuple[Estimate, ...]:
    """The difference between `arm` and the reference at `visit` in every measure of the scale, or why there is none."""
    return estimate_difference(fit, arm, visit, inference)


def estimate_mmrm_mean(
    fit: RepeatedFit, arm: str, visit: str, weights: Weights = "equal", inference: Inference = "kenward_roger"
) -> tuple[Estimate, ...]:
    """Adjusted mean of any arm at `visit`, at the mean baseline of the values analysed; p tests a mean of zero.

    `equal`: every level of a stratum counts the same; `observed`: as often as it occurs. As SAS and R's emmeans do,
    means and shares count a participant once for each value, so that they are the same at all visits.
    On the log scale also the geometric mean, with the p of the log mean and no standard error of its own.
    """
    scale = fit.profiles.scale
    analysis = fit.analysis(f"mean_{inference}", (arm,), visit)
    row = _mean_row(fit, arm, visit, weights)
    reason = _mean_refusal(fit, arm, visit, row)
    found = None if reason is not None else fit.contrasts(row[None], inference)
    if found is None:
        return tuple(analysis.refuse(measure, reason or ARM_EMPTY_AT_VISIT) for measure in MEASURES[scale])
    mean = analysis.wald(
        MEASURES[scale][0], float(found.estimates[0]), float(found.standard_errors[0]), float(found.df[0])
    )
    return (mean,) if scale == "identity" else (mean, geometric_mean(analysis, mean))


def _mean_row(fit: RepeatedFit, arm: str, visit: str, weights: Weights) -> Floats:
    # A participant with no value at follow-up is in no row, so the weights are never all zero.
    profiles, terms = fit.profiles, fit.design.terms
    ones = (f"visit:{visit}", arm_term(arm, visit))
    baseline = ("baseline", f"baseline@{visit}")
    values = np.isfinite(profiles.values).sum(axis=1)
    shares = [
        1 / len(levels) if weights == "equal" else float(np.average(factor == level, weights=values))
        for factor, levels in ((factor, np.unique(factor)) for factor in profiles.strata.values())
        for level in levels[1:]
    ]
    others = terms[: len(terms) - len(shares)]
    mean = float(np.average(profiles.baseline, weights=values)) if any(term in baseline for term in others) else 0.0
    return np.array([1.0 if term in ones else mean if term in baseline else 0.0 for term in others] + shares)


def _mean_refusal(fit: RepeatedFit, arm: str, visit: str, row: Floats) -> NotEstimable | None:
    if not fit.profiles.n_at(visit)[arm]:
        return ARM_EMPTY_AT_VISIT
    reason = unfitted(fit)
    if reason is not None or fit.panel is None:
        return reason
    kept = list(fit.panel.kept)
    left_out = [i for i in range(len(row)) if i not in kept]
    if not left_out:
        return None
    seen = np.isfinite(fit.profiles.values)
    columns, lengths = scaled_columns(fit.design.columns[seen])
    weights = row / np.where(np.any(columns != 0, axis=0), lengths, 1.0)
    combination, *_ = np.linalg.lstsq(columns[:, kept], columns[:, left_out], rcond=None)
    same = np.allclose(weights[kept] @ combination, weights[left_out], atol=ESTIMABLE_TOLERANCE)
    return None if same else COVARIATES_ALIASED


def _varies(values: Floats) -> bool:
    return len(values) > 0 and bool(np.any(values != values[0]))
