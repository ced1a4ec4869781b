"""Differences between arms at a visit, from a model of all visits: what MMRM and cLDA share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.covariance_structures import LABELS
from analytics.statistics.estimate import (
    ARM_ALIASED,
    ARM_EMPTY_AT_VISIT,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    NO_VISIT_COVARIANCE,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.kenward_roger import Contrasts, adjusted_covariance, contrasts
from analytics.statistics.least_squares import is_determined_by_others
from analytics.statistics.outcome import Floats
from analytics.statistics.reml import Panel, RemlFit, fit_first_estimable, make_panel, scaled_columns
from analytics.statistics.repeated_outcome import Profiles, RepeatedDesign, arm_term

Inference = Literal["kenward_roger", "satterthwaite"]


@dataclass(frozen=True, eq=False)
class RepeatedFit:
    """A fitted model of all visits; `panel` is None where there is no value, `reml` where there is no maximum.

    `visits` are those with a value, which the model has; `method` begins the names of its estimates.
    """

    method: str
    profiles: Profiles
    design: RepeatedDesign
    visits: tuple[str, ...]
    panel: Panel | None
    reml: RemlFit | None
    notes: tuple[str, ...]

    @cached_property
    def adjusted(self) -> Floats | None:
        """Kenward and Roger's covariance, made once for all contrasts."""
        return None if self.reml is None else adjusted_covariance(self.reml)

    def contrasts(self, rows: Floats, inference: Inference) -> Contrasts | None:
        """Contrasts (k, p) of all columns; those of columns left out must be zero."""
        if self.reml is None:
            return None
        kept = list(self.reml.panel.kept)
        return contrasts(self.reml, rows[:, kept], self.adjusted if inference == "kenward_roger" else None)

    def analysis(self, what: str, arms: tuple[str, ...], visit: str) -> Analysis:
        """What an estimate at a visit says about itself."""
        here, used = self.profiles.n_at(visit), self.profiles.n()
        counts = ", ".join(f"{here[arm]} of {arm}" for arm in arms)
        formula = self.design.formula
        if self.reml is not None:
            formula += f"; REML, {LABELS[self.reml.name]} covariance of the visits"
        notes = (f"With a value at this visit: {counts}.", *self.profiles.notes, *self.design.notes, *self.notes)
        return Analysis(f"{self.method}_{what}", formula, {arm: used[arm] for arm in arms}, notes)


def fit_visits(method: str, profiles: Profiles, design: RepeatedDesign) -> RepeatedFit:
    """Fit the model, with the first covariance structure that can be estimated."""
    with_value = np.asarray(np.isfinite(profiles.values).any(axis=0))
    visits = tuple(visit for visit, some in zip(profiles.visits, with_value, strict=True) if some)
    if not visits:
        return RepeatedFit(method, profiles, design, visits, None, None, ())
    panel = make_panel(design.columns[:, with_value], profiles.values[:, with_value])
    aliased = tuple(
        f"{term} is determined by other terms and left out."
        for index, term in enumerate(design.terms)
        if index not in panel.kept and not term.startswith(("arm:", "visit:"))
    )
    if panel.df < 1 or not panel.unit:
        return RepeatedFit(method, profiles, design, visits, panel, None, aliased)
    reml, notes = fit_first_estimable(panel)
    return RepeatedFit(method, profiles, design, visits, panel, reml, aliased + notes)


def estimate_difference(
    fit: RepeatedFit, arm: str, visit: str, inference: Inference = "kenward_roger"
) -> tuple[Estimate, ...]:
    """The difference between `arm` and the reference at `visit` in every measure of the scale, or why there is none."""
    scale = fit.profiles.scale
    analysis = fit.analysis(inference, (fit.profiles.arms[0], arm), visit)
    reason = refusal(fit, arm, visit)
    row = np.array([[float(term == arm_term(arm, visit)) for term in fit.design.terms]])
    found = None if reason is not None else fit.contrasts(row, inference)
    if found is None:
        return refused_differences(analysis, scale, reason or NO_VISIT_COVARIANCE)
    return arm_differences(
        analysis, scale, float(found.estimates[0]), float(found.standard_errors[0]), float(found.df[0])
    )


def refusal(fit: RepeatedFit, arm: str, visit: str) -> NotEstimable | None:
    """Why the difference between `arm` and the reference at `visit` cannot be estimated; None where it can."""
    here = fit.profiles.n_at(visit)
    if fit.panel is None or not here[arm] or not here[fit.profiles.arms[0]]:
        return ARM_EMPTY_AT_VISIT
    if fit.panel.df < 1:
        return NO_RESIDUAL_DF
    if _is_aliased(fit, fit.panel, fit.design.terms.index(arm_term(arm, visit))):
        return ARM_ALIASED
    return unfitted(fit)


def unfitted(fit: RepeatedFit) -> NotEstimable | None:
    """Why nothing of the model can be estimated; None where it was fitted."""
    if fit.panel is None:
        return ARM_EMPTY_AT_VISIT
    if fit.panel.df < 1:
        return NO_RESIDUAL_DF
    if not fit.panel.unit:
        return NO_RESIDUAL_VARIANCE
    return NO_VISIT_COVARIANCE if fit.reml is None else None


def _is_aliased(fit: RepeatedFit, panel: Panel, column: int) -> bool:
    if column not in panel.kept:
        return True
    if len(panel.kept) == len(fit.design.terms):
        return False
    seen = np.isfinite(fit.profiles.values)
    return is_determined_by_others(scaled_columns(fit.design.columns[seen])[0], column)
