"""Covariance matrices of the visits as functions of few parameters, with their first and second derivatives.

Unstructured, Toeplitz and compound symmetry are linear in variances and covariances; the others are
S_st = sd_s sd_t r_|s-t| in log SDs and correlations. Names and definitions are those of SAS PROC MIXED (TYPE=), whose
models for T visits these are. Source: Wolfinger (1996), J. Agric. Biol. Environ. Stat. 1:205-230.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Protocol

import numpy as np

from analytics.statistics.outcome import Floats

StructureName = Literal["un", "toep", "toeph", "ar1h", "ar1", "csh", "cs"]

LABELS: Final[dict[StructureName, str]] = {
    "un": "unstructured",
    "toep": "Toeplitz",
    "toeph": "heterogeneous Toeplitz",
    "ar1h": "heterogeneous first-order autoregressive",
    "ar1": "first-order autoregressive",
    "csh": "heterogeneous compound symmetry",
    "cs": "compound symmetry",
}
SINGULAR: Final = 1e-8
"""A correlation matrix with a smaller eigenvalue has no usable inverse."""
START_EIGENVALUE: Final = 0.05
LARGEST_START: Final = 0.9


@dataclass(frozen=True, eq=False)
class Point:
    """The matrix at some parameters: `sigma` (T, T), `first` (m, T, T), `second` (m, m, T, T) or None where zero."""

    sigma: Floats
    first: Floats
    second: Floats | None


class Structure(Protocol):
    """A covariance matrix of T visits with m parameters."""

    @property
    def name(self) -> StructureName:
        """Its short name."""

    def at(self, parameters: Floats) -> Point:
        """Matrix and derivatives at `parameters` (m,); the matrix need not be positive definite."""

    def start(self, moments: Floats) -> Floats:
        """Parameters (m,) of a positive definite matrix near `moments` (T, T), whose diagonal is positive."""


@dataclass(frozen=True, eq=False)
class LinearStructure:
    """The sum of parameter times `pieces` (m, T, T); pieces hold ones and zeros and do not overlap."""

    name: StructureName
    pieces: Floats

    def at(self, parameters: Floats) -> Point:
        """Matrix and derivatives."""
        return Point(np.tensordot(parameters, self.pieces, 1), self.pieces, None)

    def start(self, moments: Floats) -> Floats:
        """The mean of the moments in each piece, covariances shrunk until the matrix is positive definite."""
        parameters = np.einsum("ast,st->a", self.pieces, moments) / self.pieces.sum(axis=(1, 2))
        off_diagonal = np.trace(self.pieces, axis1=1, axis2=2) == 0
        while smallest_eigenvalue(self.at(parameters).sigma) < START_EIGENVALUE:
            parameters = np.where(off_diagonal, 0.8 * parameters, parameters)
        return np.asarray(parameters)


@dataclass(frozen=True, eq=False)
class CorrelationStructure:
    """Log SDs (one per visit, or one in all where `equal_sd`), then correlations.

    `power`: one correlation r, r^|s-t|; else the correlations belong to `pieces` (k, T, T) of ones and zeros.
    """

    name: StructureName
    visits: int
    equal_sd: bool
    power: bool
    pieces: Floats

    def at(self, parameters: Floats) -> Point:
        """Matrix and derivatives."""
        spread = self._spread()
        sds = len(spread)
        r, r_first, r_second = self._correlations(parameters[sds:])
        products = np.exp(np.tensordot(parameters[:sds], spread, 1))
        sigma = products * r
        m = len(parameters)
        first = np.concatenate((spread * sigma, products * r_first))
        second = np.empty((m, m, self.visits, self.visits))
        second[:sds, :sds] = spread[:, None] * spread[None] * sigma
        second[:sds, sds:] = spread[:, None] * (products * r_first)[None]
        second[sds:, :sds] = second[:sds, sds:].swapaxes(0, 1)
        second[sds:, sds:] = products * r_second
        return Point(sigma, first, second)

    def start(self, moments: Floats) -> Floats:
        """Log SDs and mean correlations of the moments, shrunk until the matrix is positive definite."""
        variances = np.diagonal(moments)
        log_sd = 0.5 * np.log([np.mean(variances)] if self.equal_sd else variances)
        correlation = moments / np.sqrt(np.outer(variances, variances))
        means = np.einsum("kst,st->k", self.pieces, correlation) / self.pieces.sum(axis=(1, 2))
        means = np.clip(means, -LARGEST_START, LARGEST_START)
        while True:
            parameters = np.concatenate((log_sd, means))
            if smallest_eigenvalue(self.at(parameters).sigma) >= START_EIGENVALUE:
                return parameters
            means = 0.8 * means

    def _spread(self) -> Floats:
        # How often each log SD is in log(sd_s sd_t): once in its row, once in its column.
        if self.equal_sd:
            return np.full((1, self.visits, self.visits), 2.0)
        one = np.eye(self.visits)
        return one[:, :, None] + one[:, None, :]

    def _correlations(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        if self.power:
            lag = np.abs(np.subtract.outer(np.arange(self.visits), np.arange(self.visits)))
            rho = float(values[0])
            first = lag * rho ** np.maximum(lag - 1, 0)
            second = lag * (lag - 1) * rho ** np.maximum(lag - 2, 0)
            return rho**lag, first[None], second[None, None]
        flat = np.zeros((len(values), len(values), self.visits, self.visits))
        return np.eye(self.visits) + np.tensordot(values, self.pieces, 1), self.pieces, flat


@cache
def structure(name: StructureName, visits: int) -> Structure:
    """The structure of this name for so many visits; with one visit all are the one variance."""
    one = np.eye(visits)
    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    lags = np.array([lag == k for k in range(visits)], dtype=np.float64)
    apart = (1 - one)[None]
    if name == "un" or visits == 1:
        row, column = np.tril_indices(visits)
        pairs = np.zeros((len(row), visits, visits))
        pairs[np.arange(len(row)), row, column] = pairs[np.arange(len(row)), column, row] = 1
        return LinearStructure(name, pairs)
    match name:
        case "toep":
            return LinearStructure(name, lags)
        case "cs":
            return LinearStructure(name, np.concatenate((one[None], apart)))
        case "toeph":
            return CorrelationStructure(name, visits, False, False, lags[1:])
        case "csh":
            return CorrelationStructure(name, visits, False, False, apart)
        case "ar1" | "ar1h":
            return CorrelationStructure(name, visits, name == "ar1", True, lags[1:2])


def smallest_eigenvalue(sigma: Floats) -> float:
    """Smallest eigenvalue of the correlation matrix of `sigma`; -1 where there is none."""
    variances = np.diagonal(sigma)
    if not (np.all(np.isfinite(sigma)) and np.all(variances > 0)):
        return -1.0
    sd = np.sqrt(variances)
    correlation = sigma / sd / sd[:, None]
    return float(np.linalg.eigvalsh(correlation)[0]) if np.all(np.isfinite(correlation)) else -1.0
