"""Meta-regression against R's metafor (s10_meta_bcg, s11_meta_thirdwave, s12b_meta_raudenbush1985) and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.estimate import MODERATOR_ALIASED, TOO_FEW_STUDIES
from analytics.statistics.meta_regression import moderator_columns, regress_effects


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


def compare(near, result, wanted, test):
    assert len(result.coefficients) == len(wanted["coef"])
    for coefficient, row in zip(result.coefficients.values(), wanted["coef"].values(), strict=True):
        c = coefficient
        near(
            [c.estimate, c.standard_error, c.estimate / c.standard_error, c.p_value, c.ci_low, c.ci_high],
            [row[name] for name in ("estimate", "se", "stat", "p", "lo", "hi")],
            1e-7,
            0,
        )
        assert c.df == wanted["df"]
    near([result.tau2, result.i_squared, result.h_squared], [wanted["tau2"], wanted["I2"], wanted["H2"]])
    near(result.r_squared, wanted["R2"])
    near([result.q, result.q_p], [wanted["QE"], wanted["QEp"]], 1e-7, 0)
    near([result.joint.statistic * (result.joint.df if test == "wald" else 1)], [wanted["QM"]])
    near(result.joint.p_value, wanted["QMp"], 1e-7, 0)
    assert result.joint.df_denominator == wanted["df"]


def test_bcg_by_latitude_year_and_allocation(expected, input_rows, near):
    wanted, rows = expected("s10_meta_bcg"), input_rows("s10_meta_bcg", "input.csv")
    effects, variances = np.array(wanted["yi"]), np.array(wanted["vi"])
    latitude, year = column(rows, "ablat"), column(rows, "year")
    for name, moderators, test in (
        ("metareg_knha", {"latitude": latitude, "year": year}, "knapp_hartung"),
        ("metareg_z", {"latitude": latitude}, "wald"),
        ("metareg_alloc", {"allocation": [row["alloc"] for row in rows]}, "knapp_hartung"),
    ):
        columns = moderator_columns(len(rows), moderators)
        compare(near, regress_effects(effects, variances, columns, test=test), wanted[name], test)


@pytest.mark.parametrize("name", ["RiskOfBias", "TypeControlGroup", "InterventionType", "ModeOfDelivery"])
def test_interventions_for_stress_by_group(expected, outside_rows, near, name):
    wanted, rows = expected("s11_meta_thirdwave")["metareg"][name], outside_rows("s11_meta_thirdwave", "input.csv")
    # R sorts levels without regard to capitals, and the order decides which row of the table is which.
    words = [row[name].lower() for row in rows]
    columns = moderator_columns(len(rows), {name: words})
    result = regress_effects(column(rows, "TE"), column(rows, "seTE") ** 2, columns, test="knapp_hartung")
    compare(near, result, wanted, "knapp_hartung")


def test_weeks_explain_all_of_the_teacher_expectations(expected, input_rows, near):
    case = "s12b_meta_raudenbush1985"
    wanted, rows = expected(case), input_rows(case, "input.csv")
    columns = moderator_columns(len(rows), {"weeks": np.minimum(column(rows, "weeks"), 3)})
    result = regress_effects(column(rows, "yi"), column(rows, "vi"), columns, test="knapp_hartung")
    compare(near, result, wanted["metareg_weeks"], "knapp_hartung")
    assert (result.tau2, result.r_squared) == (0, 100)


def test_two_groups_by_hand():
    # Equal variances of 1; means 1 and 4 with one unit of spread: residual variance 0.5, so tau^2 = 0.
    columns = moderator_columns(4, {"kind": ["a", "a", "b", "b"]})
    result = regress_effects(np.array([0.5, 1.5, 3.5, 4.5]), np.ones(4), columns)
    assert columns.terms == ("intercept", "kind:b")
    slope = result.coefficients["kind:b"]
    assert (slope.estimate, slope.standard_error, slope.df) == (pytest.approx(3), pytest.approx(1), 2)
    assert result.tau2 == 0
    assert result.joint.statistic == pytest.approx(9)
    assert result.joint.few_df


def test_reference_level_can_be_named():
    columns = moderator_columns(3, {"kind": ["a", "b", "c"]}, {"kind": "b"})
    assert columns.terms == ("intercept", "kind:a", "kind:c")
    assert columns.formula == "effect ~ kind"
    assert moderator_columns(3, {}).formula == "effect ~ 1"


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one entry per effect"):
        moderator_columns(3, {"dose": np.ones(2)})
    with pytest.raises(ValueError, match="not a level"):
        moderator_columns(2, {"kind": ["a", "b"]}, {"kind": "z"})


@pytest.mark.parametrize(
    ("moderators", "reason"),
    [
        ({"dose": np.full(4, 2.0)}, MODERATOR_ALIASED),
        ({"dose": np.array([1.0, 2, 3, 4]), "same": np.array([2.0, 4, 6, 8])}, MODERATOR_ALIASED),
        ({"kind": ["a", "b", "c", "d"]}, TOO_FEW_STUDIES),
    ],
)
def test_no_coefficient_without_a_reason(moderators, reason):
    result = regress_effects(np.array([1.0, 2.0, 2.5, 4.0]), np.ones(4), moderator_columns(4, moderators))
    assert {estimate.not_estimable for estimate in result.coefficients.values()} == {reason}
    assert result.joint is result.tau2 is result.r_squared is None


def test_unit_and_origin_of_a_moderator_do_not_matter(expected, input_rows, near):
    wanted, rows = expected("s10_meta_bcg"), input_rows("s10_meta_bcg", "input.csv")
    effects, variances, year = np.array(wanted["yi"]), np.array(wanted["vi"]), column(rows, "year")
    as_is, since = (
        regress_effects(effects, variances, moderator_columns(len(rows), {"year": values}))
        for values in (year, (year - 1900) / 10)
    )
    near(since.coefficients["year"].estimate / 10, as_is.coefficients["year"].estimate, 1e-9, 0)
    near(since.coefficients["year"].p_value, as_is.coefficients["year"].p_value, 1e-9, 0)
    near([since.tau2, since.joint.statistic], [as_is.tau2, as_is.joint.statistic], 1e-9, 0)


def test_without_moderators_it_is_pooling():
    result = regress_effects(np.array([1.0, 5.0, 6.0]), np.ones(3), moderator_columns(3, {}))
    assert result.coefficients["intercept"].estimate == pytest.approx(4)
    assert result.joint is None


def test_random_moderators_never_crash():
    rng = np.random.default_rng(5)
    for _ in range(150):
        k = int(rng.integers(0, 9))
        moderators = {"a": rng.integers(0, 3, size=k).astype(float), "b": [str(x) for x in rng.integers(0, 2, size=k)]}
        result = regress_effects(rng.normal(size=k), rng.chisquare(1, size=k), moderator_columns(k, moderators))
        for estimate in result.coefficients.values():
            assert (estimate.estimate is None) == (estimate.not_estimable is not None)
            assert estimate.estimate is None or np.isfinite([estimate.estimate, estimate.p_value]).all()
        if result.joint is not None:
            assert np.isfinite([result.joint.statistic, result.joint.p_value]).all()
