"""Tobit regression against R's survreg (s13, s13b), and where it has no maximum."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analytics.statistics.ancova import ancova_design
from analytics.statistics.estimate import ARM_ALIASED, NO_RESIDUAL_DF, NOTHING_DETECTED
from analytics.statistics.outcome import paired_values
from analytics.statistics.tobit import estimate_tobit, fit_tobit, without_uninformative_levels

FLOORS = {"il6": (4.9, 6.9), "tnf": (1.2, 6.9)}


def assert_fit(fit, wanted, close):
    # The interval and p of a coefficient follow from these two; they are compared for the arm, which alone is reported.
    errors = np.sqrt(np.diagonal(fit.covariance))
    for position, (name, numbers) in enumerate(wanted["coef"].items()):
        close([fit.coefficients[position], errors[position]], [numbers["estimate"], numbers["se"]], 1e-6, name)
    close([fit.sigma, errors[-1], fit.log_likelihood], [wanted[k] for k in ("sigma", "se_log_sigma", "loglik")], 1e-6)


def assert_arm(result, wanted, close):
    close(
        [result.estimate, result.standard_error, result.p_value, result.ci_low, result.ci_high],
        [wanted[name] for name in ("estimate", "se", "p", "lo", "hi")],
        1e-6,
    )


@pytest.mark.parametrize("kind", ["single", "by_clinic"])
def test_imposed_limit(crp_with_limit, expected, close, kind):
    wanted = expected("s13b_lod_crp_artificial")[kind]["tobit"]
    pairs = paired_values(crp_with_limit(kind))
    assert len(pairs.arm) == wanted["n"]
    assert_fit(fit_tobit(ancova_design(pairs).columns, pairs.follow_up, pairs.follow_up_censored), wanted, close)
    results = {result.measure: result for result in estimate_tobit(pairs, "treatment")}
    assert_arm(results["log_difference"], wanted["coef"]["armtreatment"], close)
    close(results["percent_difference"].estimate, wanted["coef"]["armtreatment"]["percent"], 1e-6)


@pytest.mark.parametrize("biomarker", ["il6", "tnf"])
def test_real_cytokine_with_two_floors(opt_rows, make_outcome, expected, close, biomarker):
    """95% below the limit: far in the tail, where the engine must agree although it is not displayed."""
    wanted = expected("s13_lod_opt_il6")[biomarker]["tobit_ancova"]
    data = make_outcome(opt_rows, f"{biomarker}_base", f"{biomarker}_fu", floors=FLOORS[biomarker])
    pairs = paired_values(data)
    design = ancova_design(pairs, mark_censored_baseline=True)
    assert_fit(fit_tobit(design.columns, pairs.follow_up, pairs.follow_up_censored), wanted, close)
    assert_arm(estimate_tobit(pairs, "treatment")[0], wanted["coef"]["armtreatment"], close)


@pytest.mark.parametrize("biomarker", ["il6", "tnf"])
def test_real_cytokine_without_baseline(opt_rows, make_outcome, expected, close, biomarker):
    wanted = expected("s13_lod_opt_il6")[biomarker]["tobit_arm"]
    data = make_outcome(opt_rows, f"{biomarker}_base", f"{biomarker}_fu", floors=FLOORS[biomarker])
    pairs = paired_values(data)
    design = ancova_design(pairs)
    columns = np.delete(design.columns, design.terms.index("baseline"), axis=1)
    assert_fit(fit_tobit(columns, pairs.follow_up, pairs.follow_up_censored), wanted, close)


def test_nothing_censored_is_maximum_likelihood_of_a_normal():
    values = np.array([1.0, 2.0, 4.0, 4.0, 9.0])
    fit = fit_tobit(np.ones((5, 1)), values, np.zeros(5, dtype=bool))
    assert fit.coefficients[0] == pytest.approx(4, rel=1e-12)
    assert fit.sigma == pytest.approx(math.sqrt(38 / 5), rel=1e-12)
    assert fit.covariance[0, 0] == pytest.approx(38 / 25, rel=1e-12)
    assert fit.covariance[1, 1] == pytest.approx(1 / 10, rel=1e-12)


def test_maximum_is_a_maximum():
    """No neighbour of the solution is likelier, computed without the module's own likelihood."""
    values, censored = np.array([1.0, 1.0, 2.0, 3.0, 5.0]), np.array([True, True, False, False, False])
    fit = fit_tobit(np.ones((5, 1)), values, censored)

    def log_likelihood(mean, sigma):
        seen = sum(-math.log(sigma) - 0.5 * ((y - mean) / sigma) ** 2 for y in values[~censored])
        return seen + 2 * math.log(0.5 * math.erfc((mean - 1) / sigma / math.sqrt(2)))

    best = log_likelihood(float(fit.coefficients[0]), fit.sigma)
    for shift, stretch in ((1e-3, 1), (-1e-3, 1), (0, 1.001), (0, 0.999)):
        assert log_likelihood(float(fit.coefficients[0]) + shift, fit.sigma * stretch) < best


def test_an_arm_with_nothing_detected(five_participants):
    data = five_participants(follow_up_censored=np.array([True, True, False, False, False]))
    result = estimate_tobit(paired_values(data), "treatment")[0]
    assert result.not_estimable is NOTHING_DETECTED


def test_too_few_detected(five_participants):
    data = five_participants(follow_up_censored=np.array([True, False, True, False, False]))
    assert estimate_tobit(paired_values(data), "treatment")[0].not_estimable is NO_RESIDUAL_DF


def test_arm_aliased_with_site(crp_with_limit):
    data = crp_with_limit("single")
    pairs = paired_values(replace(data, strata={"site": data.arm + 7}))
    assert estimate_tobit(pairs, "treatment")[0].not_estimable is ARM_ALIASED


def test_a_site_with_nothing_detected_is_left_out(crp_with_limit):
    """The likelihood sends its term to minus infinity; the arms' difference is that of the other sites."""
    data = crp_with_limit("single")
    data.follow_up_censored[data.strata["clinic"] == 2] = True
    pairs = paired_values(data)
    others, notes = without_uninformative_levels(pairs)
    assert set(others.strata["clinic"]) == {0, 1, 3}
    assert notes == (f"{len(pairs.arm) - len(others.arm)} left out: nothing detected at their level of clinic.",)
    result, alone = estimate_tobit(pairs, "treatment")[0], estimate_tobit(others, "treatment")[0]
    assert (result.estimate, result.standard_error) == (alone.estimate, alone.standard_error)
