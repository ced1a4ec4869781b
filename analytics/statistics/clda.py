"""Constrained longitudinal data analysis: the baseline is part of the outcome, with one mean for all arms.

E(y_it) = m_t + [t after baseline] sum_k b_kt [arm k] + sum_j d_j [stratum level j]; Cov(y_i0 ... y_iT) = S.
Randomization makes the means at baseline equal, so b_kt is the difference of arm k from the reference at visit t,
adjusted for the baseline by S; who has only a baseline or only a follow-up stays in.
Sources: Liang & Zeger (2000), Sankhya B 62:134-148; Liu et al. (2009), Stat. Med. 28:2509-2530; Lu (2010), Biometrics
66:891-896.
"""

from __future__ import annotations

import numpy as np

from analytics.statistics.estimate import Estimate
from analytics.statistics.repeated_outcome import (
    BASELINE_VISIT,
    Profiles,
    RepeatedDesign,
    RepeatedOutcome,
    all_profiles,
    on_scale,
    strata_terms,
    visit_terms,
)
from analytics.statistics.visit_contrasts import Inference, RepeatedFit, estimate_difference, fit_visits


def fit_clda(data: RepeatedOutcome) -> RepeatedFit:
    """Fit the model once for all arms and visits."""
    profiles = all_profiles(data)
    return fit_visits("clda", profiles, clda_design(profiles))


def clda_design(profiles: Profiles) -> RepeatedDesign:
    """Columns in the order visits from the baseline on, arms at follow-up visits, strata (the same at all visits)."""
    columns, terms = visit_terms(profiles, tuple(visit for visit in profiles.visits if visit != BASELINE_VISIT))
    more_columns, more_terms, more_words = strata_terms(profiles)
    words = ["visit", "arm:visit after baseline", *more_words]
    return RepeatedDesign(
        np.stack(columns + more_columns, axis=2),
        tuple(terms + more_terms),
        f"{on_scale('value', profiles.scale)} ~ {' + '.join(words)}",
        (),
    )


def estimate_clda(
    fit: RepeatedFit, arm: str, visit: str, inference: Inference = "kenward_roger"
) -> tuple[Estimate, ...]:
    """The difference between `arm` and the reference at a follow-up `visit` in every measure of the scale."""
    return estimate_difference(fit, arm, visit, inference)
