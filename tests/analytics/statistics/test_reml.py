"""REML: exact derivatives, R's maxima in seven covariance structures (s05), balanced data by hand, fallbacks."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.covariance_structures import LABELS, structure
from analytics.statistics.mmrm import fit_mmrm
from analytics.statistics.reml import RemlFit, fit_first_estimable, fit_reml, likelihood, make_panel
from tests.analytics.statistics.repeated import beat_the_blues, fev_trial, made_up_trial

NAMES_IN_R = {"un": "us"}


def arm_only(data):
    columns = np.ones((*data.values.shape, 2))
    columns[:, :, 1] = data.arm[:, None]
    return make_panel(columns, data.values)


def small_panel(visits=3):
    return arm_only(made_up_trial(5, n=25, visits=visits))


@pytest.mark.parametrize("name", list(LABELS))
def test_score_and_hessian_are_derivatives_of_the_likelihood(name):
    panel, shape = small_panel(), structure(name, 3)
    at, step = shape.start(np.diag([1.0, 2.0, 3.0]) + 0.5), 1e-5
    here = likelihood(panel, shape.at(at))
    for a in range(len(at)):
        change = np.zeros(len(at))
        change[a] = step
        up, down = (likelihood(panel, shape.at(at + sign * change)) for sign in (1, -1))
        assert here.gradient[a] == pytest.approx((up.deviance - down.deviance) / (2 * step), rel=1e-6, abs=1e-6)
        assert here.hessian[a] == pytest.approx((up.gradient - down.gradient) / (2 * step), rel=1e-5, abs=1e-5)


def test_likelihood_from_its_definition():
    panel, shape = small_panel(), structure("un", 3)
    sigma = np.diag([1.0, 2.0, 3.0]) + 0.5
    here = likelihood(panel, shape.at(shape.start(sigma)))
    information, crossed, squares, logs = np.zeros((2, 2)), np.zeros(2), 0.0, 0.0
    for x, y, which in zip(panel.columns, panel.outcome, panel.which, strict=True):
        seen = panel.patterns[which]
        inverse = np.linalg.inv(sigma[np.ix_(seen, seen)])
        information += x[seen].T @ inverse @ x[seen]
        crossed += x[seen].T @ inverse @ y[seen]
        squares += y[seen] @ inverse @ y[seen]
        logs -= np.linalg.slogdet(inverse)[1]
    explained = crossed @ np.linalg.solve(information, crossed)
    expected = logs + np.linalg.slogdet(information)[1] + squares - explained
    assert here.deviance == pytest.approx(expected, rel=1e-12)


def test_expected_hessian_is_the_mean_of_the_observed():
    # Harville (1977): E y'P V_a P V_b P y = tr(P V_a P V_b), so both agree where residuals have their expected size.
    rng = np.random.default_rng(2)
    columns, shape = np.ones((4000, 2, 1)), structure("un", 2)
    values = rng.normal(size=(4000, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    panel = make_panel(columns, values)
    fit = fit_reml(panel, "un")
    assert fit.at.hessian == pytest.approx(fit.at.expected_hessian, rel=2e-3, abs=1e-2 * np.max(fit.at.hessian))
    assert shape.name == fit.name


def test_balanced_data_by_hand():
    # Without missing values and with one mean per visit, REML's unstructured matrix is the sample covariance matrix.
    values = np.array([[1.0, 2.0], [2.0, 5.0], [4.0, 4.0], [5.0, 9.0]])
    fit = fit_reml(make_panel(np.tile(np.eye(2), (4, 1, 1)), values), "un")
    assert fit.sigma == pytest.approx(np.cov(values.T), rel=1e-10)
    assert fit.coefficients == pytest.approx(np.array([3.0, 5.0]), rel=1e-12)


def test_seven_structures_against_r(expected, close):
    panel = arm_only(fev_trial())
    for name in LABELS:
        fit, wanted = fit_reml(panel, name), expected("s05_mmrm_fev")["simple"][NAMES_IN_R.get(name, name)]
        close(fit.log_likelihood, wanted["reml_loglik"], 1e-12)
        close(fit.sigma.tolist(), wanted["sigma"], 1e-9)
        assert fit.largest_gradient < 1e-10


def test_structures_of_a_trial_against_r(expected, close):
    data = beat_the_blues(strata=False)
    panel = fit_mmrm(data, "one_slope").panel
    for name, part in (("cs", "mmrm_cs"), ("ar1", "mmrm_ar1")):
        fit, wanted = fit_reml(panel, name), expected("s06_mmrm_btheb")[part]
        close(fit.log_likelihood, wanted["reml_loglik"], 1e-12)
        close(fit.sigma.tolist(), wanted["sigma"], 1e-9)


def test_visits_nobody_shares_fall_back_and_say_so():
    values = made_up_trial(1, n=40, visits=3, missing=0).values.copy()
    values[:20, 0] = values[20:, 2] = np.nan
    fit, notes = fit_first_estimable(make_panel(np.tile(np.eye(3), (40, 1, 1)), values))
    assert fit.name != "un"
    assert notes[0] == (
        "The unstructured covariance could not be estimated: two visits have no participant with values at both."
    )
    assert notes[-1] == f"The covariance of the visits used is {LABELS[fit.name]}."


def test_too_few_participants_for_a_free_matrix_fall_back():
    data = made_up_trial(3, n=7, visits=6, missing=0.0)
    fit, notes = fit_first_estimable(arm_only(data))
    assert fit is not None
    assert fit.name != "un"
    assert notes[0].startswith("The unstructured covariance could not be estimated: ")


def test_visits_that_repeat_each_other_have_no_covariance():
    values = np.repeat(made_up_trial(4, n=30, visits=1, missing=0).values, 2, axis=1)
    fit, notes = fit_first_estimable(make_panel(np.tile(np.eye(2), (30, 1, 1)), values))
    assert fit is None
    assert len(notes) == 5


@pytest.mark.parametrize("factor", [1e-150, 1e-6, 1e6, 1e150])
def test_the_unit_of_the_outcome_makes_no_difference(factor):
    data = made_up_trial(8)
    panel = make_panel(np.ones((60, 3, 1)), data.values)
    scaled = make_panel(np.ones((60, 3, 1)) * factor, data.values * factor)
    fit, other = fit_reml(panel, "un"), fit_reml(scaled, "un")
    assert other.coefficients == pytest.approx(fit.coefficients, rel=1e-9)
    assert other.at.point.sigma == pytest.approx(fit.at.point.sigma, rel=1e-7)


def test_the_order_of_participants_makes_no_difference():
    data = made_up_trial(9)
    order = np.random.default_rng(0).permutation(60)
    fit, other = (
        fit_reml(make_panel(np.ones((60, 3, 1)), values), "un") for values in (data.values, data.values[order])
    )
    assert isinstance(fit, RemlFit)
    assert other.sigma == pytest.approx(fit.sigma, rel=1e-9)
    assert other.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)


def test_the_same_input_gives_the_same_bytes():
    fits = [fit_reml(small_panel(), "un") for _ in range(2)]
    assert fits[0].sigma.tobytes() == fits[1].sigma.tobytes()
    assert fits[0].parameter_covariance.tobytes() == fits[1].parameter_covariance.tobytes()
