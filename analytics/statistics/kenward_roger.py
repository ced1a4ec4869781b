"""Standard error and degrees of freedom of contrasts in a REML fit: Satterthwaite, and Kenward & Roger's linear form.

With b of covariance Phi, W the covariance of the parameters theta from the observed information,
P_a = -X'V^-1 V_a V^-1 X and Q_ab = X'V^-1 V_a V^-1 V_b V^-1 X:
Phi_A = Phi + 2 Phi [sum_ab W_ab (Q_ab - P_a Phi P_b)] Phi; df of c'b = 2 (c'Phi c)^2 / (g'W g), g_a = -c'Phi P_a Phi c.
The term with second derivatives of V is left out: it is zero for matrices linear in theta, depends on how the others
are written, and is left out by SAS's DDFM=KR(LINEAR); for the unstructured matrix this is DDFM=KR. For one contrast
Kenward & Roger's df is Satterthwaite's and their scale is 1.
Sources: Kenward & Roger (1997), Biometrics 53:983-997; (2009), Comput. Stat. Data Anal. 53:2583-2595;
Fai & Cornelius (1996), J. Stat. Comput. Simul. 54:363-378.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.statistics.outcome import Floats
from analytics.statistics.reml import RemlFit


@dataclass(frozen=True, eq=False)
class Contrasts:
    """k contrasts: `estimates`, `standard_errors` and `df`, each (k,), in the outcome's unit."""

    estimates: Floats
    standard_errors: Floats
    df: Floats


def contrasts(fit: RemlFit, rows: Floats, adjusted: Floats | None) -> Contrasts:
    """Contrasts `rows` (k, kept) of the coefficients, with the covariance of `adjusted_covariance`; None: unadjusted.

    The df are Satterthwaite's in both cases.
    """
    scaled = fit.scaled_contrasts(rows)
    plain = np.einsum("ki,ki->k", scaled, scaled)
    # In units of the variance itself, so that no square runs out of range.
    slopes = np.einsum("ki,aij,kj->ka", scaled, fit.at.information_terms, scaled) / plain[:, None]
    df = 2 / np.einsum("ka,ab,kb->k", slopes, fit.parameter_covariance, slopes)
    variances = plain if adjusted is None else np.einsum("ki,ij,kj->k", scaled, adjusted, scaled)
    return Contrasts(rows @ fit.coefficients, fit.panel.unit * np.sqrt(variances), df)


def adjusted_covariance(fit: RemlFit) -> Floats:
    """Phi_A (p, p) in the coordinates in which Phi is the identity."""
    at, w = fit.at, fit.parameter_covariance
    n, visits, p = at.whitened.shape
    m, size = len(w), visits * visits
    first = at.point.first.reshape(m, size)
    # sum_ab W_ab S_a K S_b for each pattern's K: one matrix of size T^2 for all patterns.
    products = (first.T @ w @ first).reshape(visits, visits, visits, visits)
    between = products.transpose(1, 2, 0, 3).reshape(size, size)
    middle = (at.inverse.reshape(-1, size) @ between).reshape(-1, visits, visits)
    rows = at.whitened.reshape(n * visits, p)
    q = rows.T @ (middle[fit.panel.which] @ at.whitened).reshape(n * visits, p)
    weighted = np.tensordot(w, at.information_terms, 1)
    squares = at.information_terms.transpose(1, 0, 2).reshape(p, m * p) @ weighted.reshape(m * p, p)
    return np.asarray(np.eye(p) + (q + q.T) - (squares + squares.T))
