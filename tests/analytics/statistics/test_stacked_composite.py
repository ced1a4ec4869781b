"""One effect over several outcomes against R's clubSandwich on a real trial, by hand, and where it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.estimate import ARM_EMPTY, NO_RESIDUAL_VARIANCE, ONE_CLUSTER
from analytics.statistics.outcome import OutcomeData, paired_values
from analytics.statistics.stacked_composite import estimate_stacked, stack

NAMES = ("crp", "fibrin", "mmp9", "pge2")
# clubSandwich 0.5.8 on R 4.2.2, coef_test(lm(v ~ 0 + o + a + o:b + c), "CR2", cluster = participant, "Satterthwaite")
# on the stacked rows of the OPT trial: estimate, SE, df, p.
CLUB_SANDWICH = (-0.00237536506049592, 0.03851158132432679, 609.89274055690805, 0.95083847958160095)


@pytest.fixture(scope="module")
def panel(opt_rows, make_outcome):
    return [
        replace(
            make_outcome(opt_rows, f"{name}_base", f"{name}_fu"),
            direction="beneficial" if name == "fibrin" else "harmful",
        )
        for name in NAMES
    ]


def test_real_trial(panel):
    result = estimate_stacked(panel, "treatment")
    shown = (result.estimate, result.standard_error, result.df, result.p_value)
    assert shown == pytest.approx(CLUB_SANDWICH, rel=1e-9)
    assert result.n == {"control": 318, "treatment": 302}
    assert "4 of 4 outcomes, 2480 values." in result.notes


def test_one_outcome_is_the_standardized_analysis_with_hc2(panel):
    result = estimate_stacked(panel[:1], "treatment")
    pairs = paired_values(panel[0])
    within = [pairs.baseline[pairs.arm == index] for index in (0, 1)]
    spread = np.sqrt(sum(np.sum((v - v.mean()) ** 2) for v in within) / (len(pairs.arm) - 2))
    plain = estimate_ancova(fit_ancova(pairs), "treatment", "HC2")[0]
    shown = (result.estimate, result.standard_error)
    assert shown == pytest.approx((-plain.estimate / spread, plain.standard_error / spread), rel=1e-9)


def test_the_same_outcome_twice_adds_nothing(panel):
    """Two copies carry the information of one: estimate, error and df stay (with HC2 instead it would shrink)."""
    once, twice = estimate_stacked(panel[:1], "treatment"), estimate_stacked([panel[0], panel[0]], "treatment")
    assert twice.estimate == pytest.approx(once.estimate, rel=1e-9)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-2)
    assert twice.n == once.n


def test_orientation_and_unit(panel):
    first = estimate_stacked(panel, "treatment")
    turned = [replace(d, direction="harmful" if d.direction == "beneficial" else "beneficial") for d in panel]
    assert estimate_stacked(turned, "treatment").estimate == pytest.approx(-first.estimate, rel=1e-9)
    scaled = [replace(d, baseline=d.baseline * 7, follow_up=d.follow_up * 7) for d in panel]
    again = estimate_stacked(scaled, "treatment")
    assert (again.estimate, again.df) == pytest.approx((first.estimate, first.df), rel=1e-6)


def test_who_lacks_an_outcome_stays_with_the_others(panel):
    part = panel[1].follow_up.copy()
    part[::3] = np.nan
    result = estimate_stacked([panel[0], replace(panel[1], follow_up=part)], "treatment")
    assert sum(result.n.values()) == 620
    assert result.df is not None


def test_neutral_outcomes_have_no_direction_and_are_left_out(panel):
    result = estimate_stacked([panel[0], replace(panel[1], direction="neutral")], "treatment")
    assert result.notes[0] == "1 of 2 outcomes, 620 values."
    assert estimate_stacked([replace(panel[1], direction="neutral")], "treatment").not_estimable is ARM_EMPTY


def test_refusals(five_participants):
    data = five_participants()
    assert estimate_stacked([], "treatment").not_estimable is ARM_EMPTY
    lone = five_participants(follow_up=np.array([np.nan, 4.0, 4.0, 6.0, 8.0]))
    assert estimate_stacked([lone], "treatment").not_estimable is ONE_CLUSTER
    exact = five_participants(follow_up=data.baseline + data.arm)
    assert estimate_stacked([exact], "treatment").not_estimable is NO_RESIDUAL_VARIANCE
    with pytest.raises(ValueError, match="same participants"):
        stack([data, five_participants(arm=np.array([0, 1, 0, 1, 1]))])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 20), st.integers(1, 4))
def test_no_crash_and_no_nan(seed, n, outcomes):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    panel = []
    for _ in range(outcomes):
        follow_up = np.where(chance.random(n) < 0.3, np.nan, chance.integers(0, 5, n))
        base = chance.integers(0, 3, n).astype(float)
        panel.append(OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "harmful"))
    result = estimate_stacked(panel, "b")
    shown = (result.estimate, result.standard_error, result.df, result.p_value)
    assert shown == (None,) * 4 if result.not_estimable else np.all(np.isfinite(shown))
