"""Restricted maximum likelihood for repeated outcomes: y_i = X_i b + e_i, Cov(e_i) = the seen rows of S(theta).

-2 log L = sum log|V_i| + log|X'V^-1X| + r'V^-1r + constant, with V_i the visits of S that participant i has.
Participants with the same visits share V_i. Score and observed Hessian are exact; with K_i = V_i^-1 (zero at unseen
visits), S_a = dS/d theta_a, P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1 and everything summed over participants:
g_a = tr(P V_a) - y'P V_a P y, H_ab = -tr(P V_a P V_b) + 2 y'P V_a P V_b P y + tr(P V_ab) - y'P V_ab P y.
Sources: Harville (1977), J. Am. Stat. Assoc. 72:320-338; Lindstrom & Bates (1988), J. Am. Stat. Assoc. 83:1014-1022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from analytics.statistics.covariance_structures import (
    LABELS,
    SINGULAR,
    Point,
    Structure,
    StructureName,
    smallest_eigenvalue,
    structure,
)
from analytics.statistics.least_squares import RELATIVE_ROUNDING, independent_columns
from analytics.statistics.outcome import Booleans, Floats, Integers

SMALLEST_VARIANCE: Final = 1e-20
"""Of a visit, relative to that of all: less is rounding."""
GRADIENT_TOLERANCE: Final = 1e-10
SMALL_DECREMENT: Final = 1e-12
"""Squared distance to the maximum, in standard errors, that changes no printed digit."""
SMALLEST_PIVOT: Final = 1e-12
TOWARDS_SINGULAR: Final = 1e-7
"""A smallest eigenvalue of the correlations from which no steps have come back."""
MAX_STEPS: Final = 60
MAX_HALVINGS: Final = 30
FALLBACKS: Final[tuple[StructureName, ...]] = ("un", "toep", "ar1h", "csh", "cs")


@dataclass(frozen=True, eq=False)
class Panel:
    """Outcomes and columns in units of their own: orthonormal columns, residual mean square about one.

    `columns` (n, T, p) and `outcome` (n, T), zero where not seen, participants ordered by the visits they have;
    `patterns` (G, T) True where seen, `which` (n,) the pattern of each, `starts` and `counts` (G,) its rows.
    `kept` are the given columns that are linearly independent, `r` their triangular factor. The outcome is what least
    squares leaves, in `unit`; what it explains is `projection` on the orthonormal columns.
    """

    columns: Floats
    outcome: Floats
    patterns: Booleans
    which: Integers
    starts: Integers
    counts: Floats
    kept: tuple[int, ...]
    r: Floats
    projection: Floats
    unit: float
    seen: int

    @property
    def df(self) -> int:
        """Values beyond the independent columns."""
        return self.seen - len(self.kept)


def make_panel(columns: Floats, outcome: Floats) -> Panel:
    """Order and scale `outcome` (n, T), NaN where missing, and `columns` (n, T, p); who has no value is left out.

    `unit` is 0 where the residuals of least squares are only rounding; needs at least one value.
    """
    seen = np.isfinite(outcome)
    rows = np.flatnonzero(seen.any(axis=1))
    patterns, which = np.unique(seen[rows], axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    which, rows = which.ravel()[order], rows[order]
    seen = seen[rows]
    observed = outcome[rows][seen]
    size = float(np.max(np.abs(observed))) or 1.0
    y = observed / size
    scaled, lengths = scaled_columns(columns[rows][seen])
    kept, q, r = independent_columns(scaled)
    projection = q.T @ y
    residuals = y - q @ projection
    degrees = len(y) - len(kept)
    spread = math.sqrt(float(residuals @ residuals) / degrees) if degrees > 0 else 0.0
    spread = spread if spread > RELATIVE_ROUNDING else 0.0
    full = np.zeros((*seen.shape, len(kept)))
    full[seen] = q
    # The fitted part adds nothing to the score, and without it large means cost no digits.
    return Panel(
        columns=full,
        outcome=_filled(seen, residuals / (spread or 1.0)),
        patterns=patterns,
        which=which,
        starts=np.searchsorted(which, np.arange(len(patterns))),
        counts=np.bincount(which, minlength=len(patterns)).astype(np.float64),
        kept=kept,
        r=r * lengths[list(kept)],
        projection=projection * size,
        unit=spread * size,
        seen=len(y),
    )


def scaled_columns(columns: Floats) -> tuple[Floats, Floats]:
    """Columns (k, p) divided by their largest absolute value, so that no square overflows, and these values (p,)."""
    lengths = np.max(np.abs(columns), axis=0, initial=0.0)
    lengths[lengths == 0] = 1.0
    return columns / lengths, lengths


@dataclass(frozen=True, eq=False)
class Likelihood:
    """-2 log L at one matrix, in the panel's units, with what score and Hessian are made of.

    `inverse` (G, T, T) is K; `whitened` (n, T, p) is K X F with X'V^-1X = (FF')^-1, `factor` = F; `weighted` (n, T) is
    K r; `coefficients` (p,) of the orthonormal columns.
    """

    panel: Panel
    point: Point
    deviance: float
    inverse: Floats
    whitened: Floats
    weighted: Floats
    factor: Floats
    coefficients: Floats

    @cached_property
    def _flat(self) -> Floats:
        return self.point.first.reshape(len(self.point.first), -1)

    @cached_property
    def _by_design(self) -> Floats:
        # Sum over participants of K X (X'V^-1X)^-1 X'K, per pattern.
        return self._per_pattern(self.whitened @ self.whitened.swapaxes(1, 2))

    @cached_property
    def _observed(self) -> Floats:
        return self._by_design + self._per_pattern(self.weighted[:, :, None] * self.weighted[:, None, :])

    @cached_property
    def information_terms(self) -> Floats:
        """F'A_aF (m, p, p), with A_a = X'V^-1V_aV^-1X = -P_a of Kenward & Roger."""
        n, visits, p = self.whitened.shape
        rows = self.whitened.reshape(n, visits * p)
        products = (rows.T @ rows).reshape(visits, p, visits, p)
        return np.tensordot(self.point.first, products, ([1, 2], [0, 2]))

    @cached_property
    def _score_terms(self) -> Floats:
        n, visits, p = self.whitened.shape
        products = (self.whitened.reshape(n, visits * p).T @ self.weighted).reshape(visits, p, visits)
        return np.tensordot(self.point.first, products, ([1, 2], [0, 2]))

    @cached_property
    def _against_matrix(self) -> Floats:
        return np.asarray(np.tensordot(self.panel.counts, self.inverse, 1) - self._observed.sum(axis=0))

    @cached_property
    def gradient(self) -> Floats:
        """Derivatives of -2 log L by the parameters (m,)."""
        return self._flat @ self._against_matrix.ravel()

    @cached_property
    def hessian(self) -> Floats:
        """Observed second derivatives of -2 log L (m, m)."""
        matrix = self._pairs(2 * self._observed - self._counted_inverse())
        m = len(self.point.first)
        terms = self.information_terms.reshape(m, -1)
        matrix = matrix - terms @ terms.T - 2 * self._score_terms @ self._score_terms.T
        if self.point.second is not None:
            matrix = matrix + np.tensordot(self.point.second, self._against_matrix, ([2, 3], [0, 1]))
        return (matrix + matrix.T) / 2

    @cached_property
    def expected_hessian(self) -> Floats:
        """Expected second derivatives of -2 log L (m, m), never negative."""
        terms = self.information_terms.reshape(len(self.point.first), -1)
        matrix = self._pairs(self._counted_inverse() - 2 * self._by_design) + terms @ terms.T
        return np.asarray((matrix + matrix.T) / 2)

    @cached_property
    def unit_steps(self) -> Floats:
        """Change (m,) of each parameter that changes the matrix by about itself, so that units cancel.

        With LL' the matrix, the largest element of L^-1 S_a L^-T is one after such a change.
        """
        root = np.linalg.inv(np.linalg.cholesky(self.point.sigma))
        return np.asarray(1 / np.max(np.abs(root @ self.point.first @ root.T), axis=(1, 2)))

    def _counted_inverse(self) -> Floats:
        return self.panel.counts[:, None, None] * self.inverse

    def _pairs(self, other: Floats) -> Floats:
        # Sum over patterns of tr(K S_a N S_b) = sum K[s,u] S_a[u,v] N[v,w] S_b[w,s] for all a, b at once.
        visits = self.inverse.shape[1]
        size = visits * visits
        products = self.inverse.reshape(-1, size).T @ other.reshape(-1, size)
        ordered = products.reshape(visits, visits, visits, visits).transpose(1, 2, 3, 0).reshape(size, size)
        return np.asarray(self._flat @ ordered @ self._flat.T)

    def _per_pattern(self, matrices: Floats) -> Floats:
        return np.asarray(np.add.reduceat(matrices, self.panel.starts, axis=0))


def likelihood(panel: Panel, point: Point) -> Likelihood | None:
    """The likelihood at a matrix; None where the matrix is not positive definite or its inverse out of range."""
    variances = np.diagonal(point.sigma)
    if not np.all((variances > SMALLEST_VARIANCE) & (variances < 1 / SMALLEST_VARIANCE)):
        return None
    if smallest_eigenvalue(point.sigma) < SINGULAR:
        return None
    both = panel.patterns[:, :, None] & panel.patterns[:, None, :]
    visits = len(point.sigma)
    # An identity at unseen visits makes one stack of invertible matrices and leaves the determinants alone.
    stack = np.where(both, point.sigma, np.eye(visits))
    inverse = np.where(both, np.linalg.inv(stack), 0.0)
    columns, p = panel.columns, panel.columns.shape[2]
    each = inverse[panel.which]
    solved = each @ columns
    lower = _cholesky(columns.reshape(-1, p).T @ solved.reshape(-1, p), same_units=False)
    if lower is None:
        return None
    factor = np.asarray(np.linalg.inv(lower).T, dtype=np.float64)
    whitened = solved @ factor
    coefficients = factor @ (whitened.reshape(-1, p).T @ panel.outcome.ravel())
    residuals = panel.outcome - columns @ coefficients
    residuals[~panel.patterns[panel.which]] = 0.0
    weighted = np.einsum("nst,nt->ns", each, residuals)
    deviance = (
        float(panel.counts @ np.linalg.slogdet(stack)[1])
        + 2 * float(np.sum(np.log(np.diagonal(lower))))
        + float(residuals.ravel() @ weighted.ravel())
    )
    return Likelihood(panel, point, deviance, inverse, whitened, weighted, factor, coefficients)


@dataclass(frozen=True, eq=False)
class RemlFit:
    """A maximum: where it is, and how certain its parameters are.

    `sigma` (T, T) in squared units of the outcome; `log_likelihood` with all constants but log|X'X|, as SAS and R's
    mmrm print it; `parameter_covariance` (m, m) is the inverse of the observed information.
    """

    panel: Panel
    name: StructureName
    at: Likelihood
    parameter_covariance: Floats
    largest_gradient: float
    steps: int

    @property
    def sigma(self) -> Floats:
        """Covariance matrix of the visits."""
        return self.at.point.sigma * self.panel.unit**2

    @property
    def coefficients(self) -> Floats:
        """Generalized least squares coefficients of the kept columns."""
        in_units = self.panel.projection + self.panel.unit * self.at.coefficients
        return np.asarray(np.linalg.solve(self.panel.r, in_units))

    @property
    def log_likelihood(self) -> float:
        """Restricted log likelihood."""
        log_r = float(np.sum(np.log(np.abs(np.diagonal(self.panel.r)))))
        scale = self.panel.df * math.log(2 * math.pi) + 2 * self.panel.df * math.log(self.panel.unit)
        return -0.5 * (scale + self.at.deviance + 2 * log_r)

    def scaled_contrasts(self, contrasts: Floats) -> Floats:
        """Rows c (k, kept) of the coefficients as rows d = c R^-1 F (k, p), so that Var(c b) = unit^2 d d'."""
        return np.asarray(np.linalg.solve(self.panel.r.T, contrasts.T).T @ self.at.factor)


def fit_reml(panel: Panel, name: StructureName) -> RemlFit | str:
    """The maximum for one structure, or why there is none (the end of the sentence 'could not be estimated: ...').

    Newton steps, by the expected where the observed Hessian is not positive definite, halved until -2 log L falls.
    """
    visits = panel.patterns.shape[1]
    shape = structure(name, visits)
    together = np.einsum("g,gs,gt->st", panel.counts, panel.patterns, panel.patterns)
    if name == "un" and not np.all(together):
        return "two visits have no participant with values at both"
    parameters = shape.start(_moments(panel, together))
    at = likelihood(panel, shape.at(parameters))
    for step in range(MAX_STEPS):
        if at is None:
            break
        found = _direction(at)
        if found is None:
            return "the values do not determine it"
        direction, decrement = found
        largest = float(np.max(np.abs(at.gradient * at.unit_steps)))
        if largest < GRADIENT_TOLERANCE and decrement < SMALL_DECREMENT:
            return _finished(panel, name, at, largest, step)
        after = _descend(panel, shape, parameters, at, direction)
        if after is None and decrement < SMALL_DECREMENT:
            return _finished(panel, name, at, largest, step)
        if after is None:
            return "its maximum was not found"
        parameters, at = after
        if smallest_eigenvalue(at.point.sigma) < TOWARDS_SINGULAR:
            break
    return "its maximum was not found, or lies where some visits determine another"


def fit_first_estimable(panel: Panel) -> tuple[RemlFit | None, tuple[str, ...]]:
    """The fit with the first structure of `FALLBACKS` that can be estimated, and sentences on those that cannot."""
    notes: list[str] = []
    for name in FALLBACKS if panel.patterns.shape[1] > 1 else FALLBACKS[:1]:
        fit = fit_reml(panel, name)
        if isinstance(fit, RemlFit):
            if notes:
                notes.append(f"The covariance of the visits used is {LABELS[name]}.")
            return fit, tuple(notes)
        notes.append(f"The {LABELS[name]} covariance could not be estimated: {fit}.")
    return None, tuple(notes)


def _moments(panel: Panel, together: Floats) -> Floats:
    # Mean products of least squares residuals; enough to start from, as long as every variance is above zero.
    sums = panel.outcome.T @ panel.outcome * (panel.seen / panel.df)
    moments = np.divide(sums, together, out=np.zeros_like(sums), where=together > 0)
    variances = np.maximum(np.diagonal(moments), 0.01)
    np.fill_diagonal(moments, variances)
    return moments


def _direction(at: Likelihood) -> tuple[Floats, float] | None:
    scale = at.unit_steps
    gradient = at.gradient * scale
    for hessian in (at.hessian, at.expected_hessian):
        lower = _cholesky(hessian * scale * scale[:, None], same_units=True)
        if lower is not None:
            half = np.linalg.solve(lower, gradient)
            return -scale * np.linalg.solve(lower.T, half), float(half @ half)
    return None


def _descend(
    panel: Panel, shape: Structure, parameters: Floats, at: Likelihood, direction: Floats
) -> tuple[Floats, Likelihood] | None:
    # Near the maximum -2 log L changes by less than its rounding, and a score at least halved decides.
    rounding = 1e-11 * (1 + abs(at.deviance) + panel.seen)
    length = 1.0
    for _ in range(MAX_HALVINGS):
        candidate = parameters + length * direction
        with np.errstate(over="ignore", invalid="ignore"):
            point = shape.at(candidate)
        after = likelihood(panel, point)
        if after is not None:
            gain = at.deviance - after.deviance
            if gain > rounding or (gain > -rounding and _score_size(after) < 0.5 * _score_size(at)):
                return candidate, after
        length /= 2
    return None


def _score_size(at: Likelihood) -> float:
    return float(np.max(np.abs(at.gradient * at.unit_steps)))


def _finished(panel: Panel, name: StructureName, at: Likelihood, largest: float, step: int) -> RemlFit | str:
    scale = at.unit_steps
    lower = _cholesky(at.hessian * scale * scale[:, None], same_units=True)
    if lower is None:
        return "the values do not determine it"
    root = np.linalg.inv(lower) * scale
    return RemlFit(panel, name, at, 2 * root.T @ root, largest, step)


def _cholesky(matrix: Floats, *, same_units: bool) -> Floats | None:
    # Rounding can make a singular matrix pass, so its pivots are compared with the diagonal: each with its own element,
    # or all with the largest where the rows have the same units.
    try:
        lower = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    scale = np.diagonal(matrix) if not same_units else np.max(np.diagonal(matrix))
    return lower if np.all(np.diagonal(lower) ** 2 > SMALLEST_PIVOT * scale) else None


def _filled(seen: Booleans, values: Floats) -> Floats:
    full = np.zeros(seen.shape)
    full[seen] = values
    return full
