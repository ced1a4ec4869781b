"""Linear least squares by QR, with aliased columns named, and the covariance matrices HC0 to HC3.

Sources: MacKinnon & White (1985), J. Econometrics 29:305-325 (HC1 to HC3); the tolerance for aliased columns is the one
of R's `lm` (1e-7 of a column's length), so that the same columns are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from analytics.statistics.outcome import Floats

Covariance = Literal["model", "HC0", "HC1", "HC2", "HC3"]

ALIAS_TOLERANCE: Final = 1e-7
LEVERAGE_TOLERANCE: Final = 1e-10
RELATIVE_ROUNDING: Final = 1e-12
"""Residuals below this share of the outcome's size are rounding, not variation."""


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A fit of n outcomes on p columns, of which `kept` are linearly independent (indices in their order).

    `coefficients` (len(kept),), `residuals` (n,), `leverage` (n,), `q` (n, len(kept)), `r_inverse`; `df` = n - rank.
    """

    kept: tuple[int, ...]
    coefficients: Floats
    residuals: Floats
    leverage: Floats
    q: Floats
    r_inverse: Floats
    df: int
    outcome_size: float

    @property
    def sigma(self) -> float:
        """Residual standard deviation; needs df >= 1."""
        return float(np.sqrt(self.residuals @ self.residuals / self.df))

    @property
    def has_residual_variance(self) -> bool:
        """False where the residuals are nothing but rounding."""
        return self.sigma > RELATIVE_ROUNDING * self.outcome_size


def fit_least_squares(columns: Floats, outcome: Floats) -> LeastSquares:
    """Fit `outcome` (n,) on `columns` (n, p), leaving out columns that earlier ones determine."""
    kept, q, r = independent_columns(columns)
    r_inverse = np.asarray(np.linalg.inv(r), dtype=np.float64)
    coefficients = r_inverse @ (q.T @ outcome)
    return LeastSquares(
        kept=kept,
        coefficients=coefficients,
        residuals=outcome - columns[:, kept] @ coefficients,
        leverage=np.einsum("ij,ij->i", q, q),
        q=q,
        r_inverse=r_inverse,
        df=len(outcome) - len(kept),
        outcome_size=float(np.max(np.abs(outcome), initial=0.0)),
    )


def independent_columns(columns: Floats) -> tuple[tuple[int, ...], Floats, Floats]:
    """Indices of the columns not determined by earlier ones, and the QR factors of these columns."""
    lengths = np.linalg.norm(columns, axis=0)
    kept = list(range(columns.shape[1]))
    while True:
        q, r = np.linalg.qr(columns[:, kept])
        new_directions = np.zeros(len(kept))
        new_directions[: len(r)] = np.abs(np.diagonal(r))
        aliased = np.flatnonzero(~(new_directions > ALIAS_TOLERANCE * lengths[kept]))
        if not len(aliased):
            return tuple(kept), q, r
        # Only the first is certain: what follows it was compared with a direction made of rounding.
        del kept[aliased[0]]


def is_determined_by_others(columns: Floats, column: int) -> bool:
    """Whether one column is a linear combination of the others, so that its coefficient is not estimable."""
    others_first = np.roll(np.arange(columns.shape[1]), -1 - column)
    kept, _, _ = independent_columns(columns[:, others_first])
    return len(others_first) - 1 not in kept


def covariance(fit: LeastSquares, kind: Covariance) -> Floats | None:
    """Covariance matrix of the kept coefficients; None where HC2 or HC3 divide by 1 - leverage = 0."""
    if kind == "model":
        return np.asarray(fit.sigma**2 * (fit.r_inverse @ fit.r_inverse.T))
    if kind in ("HC2", "HC3") and np.max(fit.leverage) > 1 - LEVERAGE_TOLERANCE:
        return None
    influence = fit.r_inverse @ fit.q.T
    return np.asarray((influence * _squared_errors(fit, kind)) @ influence.T)


def _squared_errors(fit: LeastSquares, kind: Covariance) -> Floats:
    squared = fit.residuals**2
    match kind:
        case "HC1":
            return squared * (len(squared) / fit.df)
        case "HC2":
            return np.asarray(squared / (1 - fit.leverage))
        case "HC3":
            return np.asarray(squared / (1 - fit.leverage) ** 2)
    return squared
