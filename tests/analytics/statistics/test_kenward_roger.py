"""Kenward-Roger and Satterthwaite against R and SAS (s05), their own definition, and the two-sample t test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytics.statistics.covariance_structures import LABELS
from analytics.statistics.estimate import quantile_975, two_sided_p
from analytics.statistics.kenward_roger import adjusted_covariance, contrasts
from analytics.statistics.mmrm import fit_mmrm
from analytics.statistics.reml import fit_reml, make_panel
from tests.analytics.statistics.repeated import (
    beat_the_blues,
    fev_trial,
    made_up_trial,
    r_coefficient_rows,
    without_t,
)

NAMES_IN_R = {"un": "us"}
ARM = np.array([[0.0, 1.0]])


def arm_only(data):
    columns = np.ones((*data.values.shape, 2))
    columns[:, :, 1] = data.arm[:, None]
    return make_panel(columns, data.values)


def numbers(found, index=0):
    estimate, error, df = (float(part[index]) for part in (found.estimates, found.standard_errors, found.df))
    half = quantile_975(df) * error
    return {
        "estimate": estimate,
        "se": error,
        "df": df,
        "p": two_sided_p(estimate / error, df),
        "lo": estimate - half,
        "hi": estimate + half,
    }


@pytest.mark.parametrize("name", list(LABELS))
def test_seven_structures_against_r(expected, close, name):
    fit = fit_reml(arm_only(fev_trial()), name)
    wanted = expected("s05_mmrm_fev")["simple"][NAMES_IN_R.get(name, name)]
    close(
        {key: numbers(contrasts(fit, ARM, None))[key] for key in ("estimate", "se", "df", "p")},
        without_t(wanted["Satterthwaite"]),
        1e-9,
    )
    close(
        {key: numbers(contrasts(fit, ARM, adjusted_covariance(fit)))[key] for key in ("estimate", "se", "df", "p")},
        without_t(wanted["Kenward-Roger-Linear"]),
        1e-9,
    )


@pytest.mark.parametrize("name", list(LABELS))
def test_seven_structures_against_sas(expected, name):
    fit = fit_reml(arm_only(fev_trial()), name)
    found = numbers(contrasts(fit, ARM, adjusted_covariance(fit)))
    wanted = expected("s05_mmrm_fev")["sas_simple_kr"][NAMES_IN_R.get(name, name)]
    linear = wanted["ddfm"].index("kr(linear)")
    for key, rel in (("estimate", 1e-4), ("se", 2e-4), ("df", 5e-4), ("lo", 5e-4), ("hi", 5e-4), ("p", 1e-2)):
        assert found[key] == pytest.approx(wanted[key][linear], rel=rel)
    if name == "un":
        # For the unstructured matrix SAS's full and linear forms are the same number.
        assert found["se"] == pytest.approx(wanted["se"][wanted["ddfm"].index("kr")], rel=2e-4)


@pytest.mark.parametrize(("part", "adjustment"), [("full", "none"), ("with_baseline", "one_slope")])
def test_all_coefficients_of_a_trial_against_r(expected, close, part, adjustment):
    fit = fit_mmrm(fev_trial(), adjustment)
    assert_coefficients(fit, expected("s05_mmrm_fev")[part], close)


@pytest.mark.parametrize(
    ("part", "adjustment", "name"),
    [
        ("mmrm", "one_slope", "un"),
        ("mmrm_baseline_by_visit", "by_visit", "un"),
        ("mmrm_cs", "one_slope", "cs"),
        ("mmrm_ar1", "one_slope", "ar1"),
    ],
)
def test_all_coefficients_of_a_second_trial_against_r(expected, close, part, adjustment, name):
    fit = fit_mmrm(beat_the_blues(strata=part == "mmrm"), adjustment)
    fit = replace(fit, reml=fit_reml(fit.panel, name))
    assert_coefficients(fit, expected("s06_mmrm_btheb")[part], close)


def assert_coefficients(fit, wanted, close):
    for inference, part in (("satterthwaite", "satterthwaite"), ("kenward_roger", "kr_linear")):
        coefficients = wanted[part]["coef"]
        found = fit.contrasts(r_coefficient_rows(fit, list(coefficients)), inference)
        for index, one in enumerate(coefficients.values()):
            # A coefficient of two large parts that cancel is known to fewer digits itself, not relative to its error.
            mine = numbers(found, index)
            close({key: mine[key] for key in ("se", "df")}, {key: one[key] for key in ("se", "df")}, 1e-8)
            for key in ("estimate", "lo", "hi"):
                assert mine[key] == pytest.approx(one[key], rel=1e-8, abs=1e-8 * one["se"])
            assert mine["p"] == pytest.approx(one["p"], rel=1e-6)


def test_from_its_definition_with_whole_matrices():
    data = made_up_trial(6, n=20, visits=3)
    panel = arm_only(data)
    fit = fit_reml(panel, "un")
    first, w = fit.at.point.first, fit.parameter_covariance
    inverses = [_embedded(fit.at.point.sigma, panel.patterns[which]) for which in panel.which]
    phi = np.linalg.inv(sum(x.T @ k @ x for x, k in zip(panel.columns, inverses, strict=True)))
    pairs = list(zip(panel.columns, inverses, strict=True))
    p = [-sum(x.T @ k @ s @ k @ x for x, k in pairs) for s in first]
    inner = sum(
        w[a, b] * (sum(x.T @ k @ first[a] @ k @ first[b] @ k @ x for x, k in pairs) - p[a] @ phi @ p[b])
        for a in range(len(first))
        for b in range(len(first))
    )
    adjusted = phi + 2 * phi @ inner @ phi
    rows = np.linalg.solve(panel.r.T, np.eye(2).T).T
    wanted = panel.unit * np.sqrt(np.einsum("ki,ij,kj->k", rows, adjusted, rows))
    found = contrasts(fit, np.eye(2), adjusted_covariance(fit))
    assert found.standard_errors == pytest.approx(wanted, rel=1e-10)
    slopes = np.array([[-row @ phi @ one @ phi @ row for one in p] for row in rows])
    plain = np.einsum("ki,ij,kj->k", rows, phi, rows)
    assert found.df == pytest.approx(2 * plain**2 / np.einsum("ka,ab,kb->k", slopes, w, slopes), rel=1e-10)


def _embedded(sigma, seen):
    whole = np.zeros_like(sigma)
    whole[np.ix_(seen, seen)] = np.linalg.inv(sigma[np.ix_(seen, seen)])
    return whole


def test_complete_data_is_the_two_sample_t_test_at_each_visit():
    # Control 1, 3 and treated 4, 6, 8 at the second visit: difference 4, pooled variance (2 + 8) / 3, n - 2 = 3 df.
    values = np.array([[0.0, 1.0], [1.0, 3.0], [5.0, 4.0], [2.0, 6.0], [4.0, 8.0]])
    columns = np.zeros((5, 2, 4))
    columns[:, :, :2] = np.eye(2)
    columns[2:, :, 2:] = np.eye(2)
    fit = fit_reml(make_panel(columns, values), "un")
    for adjusted in (None, adjusted_covariance(fit)):
        found = contrasts(fit, np.array([[0.0, 0.0, 0.0, 1.0]]), adjusted)
        assert found.estimates[0] == pytest.approx(4, rel=1e-12)
        assert found.standard_errors[0] == pytest.approx(np.sqrt(10 / 3 * (1 / 2 + 1 / 3)), rel=1e-9)
        assert found.df[0] == pytest.approx(3, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_the_adjustment_never_makes_an_error_smaller(seed):
    fit = fit_reml(arm_only(made_up_trial(seed, n=30)), "un")
    plain, adjusted = (contrasts(fit, ARM, matrix) for matrix in (None, adjusted_covariance(fit)))
    assert adjusted.standard_errors[0] >= plain.standard_errors[0] * (1 - 1e-12)
    assert adjusted.df[0] == plain.df[0] > 0


def test_how_the_structure_is_written_makes_no_difference():
    # With two visits, variances and covariance, and log SDs and correlation, describe the same matrices.
    panel = arm_only(made_up_trial(11, visits=2))
    found = [
        numbers(contrasts(fit, ARM, adjusted_covariance(fit))) for fit in (fit_reml(panel, n) for n in ("un", "csh"))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-9)
