"""Limits of detection: which analysis the share of values below the limit allows, and the share detected.

The share is censored / available at the visit, all arms together; the larger of baseline and follow-up decides.
Sources: Helsel (2012), Statistics for Censored Environmental Data (why half the limit is never the default);
Newcombe (1998), Stat. Med. 17:873-890, method 10 (interval); Fisher (1935) (exact test, two-sided by probability).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import gammaln

from analytics.statistics.estimate import ARM_EMPTY, Z_975, Analysis, Estimate
from analytics.statistics.outcome import Booleans, Floats, OutcomeData

Rule = Literal["none", "substitution", "tobit", "mostly_below_limit"]

DETECTION_METHOD: Final = "detection"
DETECTION_MEASURE: Final = "risk_difference"
FISHER_TIES: Final = 1 + 1e-7
"""Tables this close in probability count as equally likely, as in R's `fisher.test`."""


@dataclass(frozen=True, slots=True)
class Share:
    """Values beyond the limit out of those available."""

    censored: int
    available: int

    @property
    def may_count_as_limit(self) -> bool:
        """Whether so few are beyond the limit (at most 5%) that they may count as the limit."""
        return self.rule in {"none", "substitution"}

    @property
    def fraction(self) -> float | None:
        """Share beyond the limit; None without values."""
        return self.censored / self.available if self.available else None

    @property
    def rule(self) -> Rule:
        """What this share allows: 5% and 80% are compared in whole numbers, so that no rounding decides."""
        if not self.censored:
            return "none"
        if 20 * self.censored <= self.available:
            return "substitution"
        return "mostly_below_limit" if 5 * self.censored >= 4 * self.available else "tobit"


@dataclass(frozen=True, slots=True)
class LimitDecision:
    """The shares of both visits and the rule that follows from the larger."""

    baseline: Share
    follow_up: Share

    @property
    def rule(self) -> Rule:
        """The rule of the visit with the larger share below its limit."""
        return max(self.baseline, self.follow_up, key=lambda share: share.fraction or 0.0).rule


def share_beyond_limit(values: Floats, censored: Booleans) -> Share:
    """Count the available values and those of them that are limits."""
    available = np.isfinite(values)
    return Share(int(np.count_nonzero(censored & available)), int(np.count_nonzero(available)))


def decide(data: OutcomeData) -> LimitDecision:
    """The rule for one outcome, from all its available values."""
    return LimitDecision(
        share_beyond_limit(data.baseline, data.baseline_censored),
        share_beyond_limit(data.follow_up, data.follow_up_censored),
    )


def estimate_detection(data: OutcomeData, arm: str) -> Estimate:
    """Share detected at follow-up, `arm` minus reference: Newcombe interval, Wald standard error, Fisher's p."""
    shares = [_follow_up_share(data, code) for code in (arm, data.arms[0])]
    analysis = Analysis(
        DETECTION_METHOD,
        "detected at follow-up ~ arm",
        {code: share.available for code, share in zip((arm, data.arms[0]), shares, strict=True)},
        tuple(
            f"{code}: {share.available - share.censored} of {share.available} detected."
            for code, share in zip((arm, data.arms[0]), shares, strict=True)
        ),
    )
    if not all(share.available for share in shares):
        return analysis.refuse(DETECTION_MEASURE, ARM_EMPTY)
    (detected, n), (reference_detected, reference_n) = ((s.available - s.censored, s.available) for s in shares)
    p, q = detected / n, reference_detected / reference_n
    return analysis.state(
        DETECTION_MEASURE,
        p - q,
        newcombe_interval(detected, n, reference_detected, reference_n),
        fisher_p(detected, n, reference_detected, reference_n),
        # None where both arms have all or none detected: zero would claim to know the difference exactly.
        standard_error=math.sqrt(p * (1 - p) / n + q * (1 - q) / reference_n) or None,
    )


def newcombe_interval(detected: int, n: int, reference_detected: int, reference_n: int) -> tuple[float, float]:
    """95% interval of a difference of two proportions, from their Wilson intervals."""
    p, q = detected / n, reference_detected / reference_n
    (low, high), (reference_low, reference_high) = _wilson(p, n), _wilson(q, reference_n)
    return (
        p - q - math.hypot(p - low, reference_high - q),
        p - q + math.hypot(high - p, q - reference_low),
    )


def fisher_p(detected: int, n: int, reference_detected: int, reference_n: int) -> float:
    """Two-sided exact p: the probability of all tables no likelier than the observed one."""
    total = detected + reference_detected
    possible = np.arange(max(0, total - reference_n), min(n, total) + 1)
    log_probability = (
        _log_choose(n, possible)
        + _log_choose(reference_n, total - possible)
        - _log_choose(n + reference_n, np.asarray(total))
    )
    probability = np.exp(log_probability)
    observed = probability[detected - possible[0]]
    return min(1.0, float(np.sum(probability[probability <= observed * FISHER_TIES])))


def _follow_up_share(data: OutcomeData, arm: str) -> Share:
    rows = data.arm == data.arms.index(arm)
    return share_beyond_limit(data.follow_up[rows], data.follow_up_censored[rows])


def _wilson(p: float, n: int) -> tuple[float, float]:
    z_squared = Z_975**2
    centre = p + z_squared / (2 * n)
    half_width = Z_975 * math.sqrt(p * (1 - p) / n + z_squared / (4 * n**2))
    return (centre - half_width) / (1 + z_squared / n), (centre + half_width) / (1 + z_squared / n)


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
