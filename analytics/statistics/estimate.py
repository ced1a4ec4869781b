"""Result values: a number with its uncertainty, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scipy.special import ndtr, stdtr, stdtrit

Z_975: Final = 1.959963984540054
"""Upper 2.5% point of the standard normal distribution, to the last digit of a double."""


@dataclass(frozen=True, slots=True)
class NotEstimable:
    """Why there is no number: a stable `code` for machines and one `sentence` for people."""

    code: str
    sentence: str


ARM_EMPTY: Final = NotEstimable("arm_empty", "An arm has no participant with both values.")
ARM_EMPTY_AT_VISIT: Final = NotEstimable("arm_empty_at_visit", "An arm has no value that can be used at this visit.")
ARM_ALIASED: Final = NotEstimable("arm_aliased", "The arm cannot be told apart from a stratum or covariate.")
COVARIATES_ALIASED: Final = NotEstimable("covariates_aliased", "The strata overlap, so this mean is not determined.")
NO_RESIDUAL_DF: Final = NotEstimable("no_residual_df", "There are too few participants for the terms of the model.")
NO_RESIDUAL_VARIANCE: Final = NotEstimable(
    "no_residual_variance", "The model leaves no variation, so no uncertainty can be stated."
)
LEVERAGE_ONE: Final = NotEstimable(
    "leverage_one",
    "One participant alone determines a term of the model, so the robust standard error is not defined.",
)
TOO_FEW_PAIRS: Final = NotEstimable("too_few_pairs", "There are too few participants with both values.")
NO_CORRELATION: Final = NotEstimable(
    "no_correlation",
    "In an arm all values of a visit are equal, so the correlation of baseline and follow-up is not defined.",
)
NO_VARIATION_IN_CHANGE: Final = NotEstimable("no_variation_in_change", "All participants changed by the same amount.")
NONPOSITIVE_MEAN: Final = NotEstimable(
    "nonpositive_mean", "A mean is zero or negative, so it has no logarithm or percentage."
)
MOSTLY_BELOW_LIMIT: Final = NotEstimable(
    "mostly_below_limit", "80% or more of the values are below the limit of detection."
)
LIMIT_MODEL_NEEDED: Final = NotEstimable(
    "limit_model_needed", "More than 5% of the values are below the limit of detection; see the Tobit estimate."
)
NOTHING_DETECTED: Final = NotEstimable(
    "nothing_detected", "An arm has no follow-up value above the limit of detection."
)
ABOVE_RANGE: Final = NotEstimable(
    "above_range", "More than 5% of the values are above the range of the assay, so their size is not known."
)
NO_CONVERGENCE: Final = NotEstimable("no_convergence", "The likelihood has no maximum that could be found.")
NO_VISIT_COVARIANCE: Final = NotEstimable(
    "no_visit_covariance", "The values do not determine how visits vary together, not even in the simplest form."
)
OUT_OF_RANGE: Final = NotEstimable("out_of_range", "The result is too large or too small to be written as a number.")
RANDOMIZED_IN_GROUPS: Final = NotEstimable(
    "randomized_in_groups",
    "Therapy groups were randomized, and there is no analysis here yet that counts groups; participants of one group "
    "are not independent.",
)
AFTER_CONTROLLED_COMPARISON: Final = NotEstimable(
    "after_controlled_comparison",
    "By this visit an arm has been offered the intervention of another, so the arms are no longer compared as "
    "randomized; the comparison ends with the visit before cross-over.",
)
ONE_CLUSTER: Final = NotEstimable("one_cluster", "Fewer than two independent trials or groups contribute.")
CLUSTER_ALONE: Final = NotEstimable(
    "cluster_alone", "One trial alone determines this term, so its uncertainty across trials is not defined."
)
TOO_FEW_STUDIES: Final = NotEstimable("too_few_studies", "There are too few trials for the terms of the model.")
MODERATOR_ALIASED: Final = NotEstimable(
    "moderator_aliased", "A moderator does not vary or cannot be told apart from the others."
)
NO_SAMPLING_VARIANCE: Final = NotEstimable(
    "no_sampling_variance", "The effect of a trial has no standard error above zero, so it has no weight."
)
TOO_FEW_DETECTED: Final = NotEstimable(
    "too_few_detected", "Too few values were detected for their distribution to be described."
)
NO_VARIATION_DETECTED: Final = NotEstimable("no_variation_detected", "All detected values are equal.")
TREATMENT_ALIASED: Final = NotEstimable(
    "treatment_aliased",
    "Assignment made no difference to the treatment received, so the effect of receiving it is not determined.",
)
MEDIATOR_ALIASED: Final = NotEstimable(
    "mediator_aliased", "The mediator cannot be told apart from the arm or a covariate."
)
INTERACTION_ALIASED: Final = NotEstimable(
    "interaction_aliased", "The effect of the arm cannot be told apart from its change with the moderator."
)
TOO_FEW_IMPUTATIONS: Final = NotEstimable(
    "too_few_imputations", "Fewer than two imputed sets of data give an estimate."
)

REASONS: Final[Mapping[str, NotEstimable]] = {
    reason.code: reason
    for reason in (
        ARM_EMPTY,
        ARM_EMPTY_AT_VISIT,
        ARM_ALIASED,
        COVARIATES_ALIASED,
        NO_RESIDUAL_DF,
        NO_RESIDUAL_VARIANCE,
        LEVERAGE_ONE,
        TOO_FEW_PAIRS,
        NO_CORRELATION,
        NO_VARIATION_IN_CHANGE,
        NONPOSITIVE_MEAN,
        MOSTLY_BELOW_LIMIT,
        LIMIT_MODEL_NEEDED,
        NOTHING_DETECTED,
        ABOVE_RANGE,
        NO_CONVERGENCE,
        NO_VISIT_COVARIANCE,
        OUT_OF_RANGE,
        RANDOMIZED_IN_GROUPS,
        AFTER_CONTROLLED_COMPARISON,
        ONE_CLUSTER,
        CLUSTER_ALONE,
        TOO_FEW_STUDIES,
        MODERATOR_ALIASED,
        NO_SAMPLING_VARIANCE,
        TOO_FEW_DETECTED,
        NO_VARIATION_DETECTED,
        TREATMENT_ALIASED,
        MEDIATOR_ALIASED,
        INTERACTION_ALIASED,
        TOO_FEW_IMPUTATIONS,
    )
}
"""Every reason the engine can give, by code."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measure by one method: all numbers, or all `None` and the reason in `not_estimable`.

    `estimate`, `standard_error`, `ci_low` and `ci_high` (95%) are in the unit of `measure`. `standard_error` is None
    where the interval is transformed from another scale (ratio, percent). `df` is None for normal intervals.
    `n` counts, per arm code, the participants whose values were used.
    """

    method: str
    measure: str
    estimate: float | None
    standard_error: float | None
    df: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n: dict[str, int]
    not_estimable: NotEstimable | None
    formula: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """What all results of one analysis share: method, model formula, participants used, and remarks."""

    method: str
    formula: str
    n: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def refuse(self, measure: str, reason: NotEstimable) -> Estimate:
        """The result without numbers."""
        return Estimate(
            self.method, measure, None, None, None, None, None, None, dict(self.n), reason, self.formula, self.notes
        )

    def state(
        self,
        measure: str,
        estimate: float,
        interval: tuple[float, float],
        p_value: float,
        *,
        standard_error: float | None = None,
        df: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> Estimate:
        """The result with these numbers; refused as `out_of_range` if one of them is not finite."""
        stated = (estimate, *interval, p_value, 0.0 if standard_error is None else standard_error)
        if not all(map(math.isfinite, stated)):
            return self.refuse(measure, OUT_OF_RANGE)
        return Estimate(
            method=self.method,
            measure=measure,
            estimate=float(estimate),
            standard_error=None if standard_error is None else float(standard_error),
            df=None if df is None else float(df),
            ci_low=float(interval[0]),
            ci_high=float(interval[1]),
            p_value=float(p_value),
            n=dict(self.n),
            not_estimable=None,
            formula=self.formula,
            notes=self.notes + notes,
        )

    def wald(self, measure: str, estimate: float, standard_error: float, df: float | None = None) -> Estimate:
        """Estimate, interval and two-sided p from t(df), or from the normal distribution where `df` is None."""
        if not (math.isfinite(estimate) and math.isfinite(standard_error) and standard_error > 0):
            return self.refuse(measure, OUT_OF_RANGE)
        half_width = quantile_975(df) * standard_error
        return self.state(
            measure,
            estimate,
            (estimate - half_width, estimate + half_width),
            two_sided_p(estimate / standard_error, df),
            standard_error=standard_error,
            df=df,
        )


def quantile_975(df: float | None) -> float:
    """Upper 2.5% point of t(df); of the normal distribution where `df` is None."""
    return Z_975 if df is None else float(stdtrit(df, 0.975))


def two_sided_p(statistic: float, df: float | None) -> float:
    """Two-sided p value of a t(df) or, where `df` is None, a normal statistic."""
    return float(2 * (ndtr(-abs(statistic)) if df is None else stdtr(df, -abs(statistic))))
