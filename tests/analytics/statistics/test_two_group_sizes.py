"""Effect sizes out of what articles give, against R's metafor (s10, s12) and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.statistics.two_group_sizes import (
    Group,
    heteroscedastic_difference,
    log_ratio_of_means,
    log_risk_ratio,
    mean_difference,
    standardized_difference,
)

SIZES = {
    "SMD": standardized_difference,
    "MD": mean_difference,
    "ROM": log_ratio_of_means,
    "SMDH": heteroscedastic_difference,
}


def groups(row):
    return tuple(Group(int(row[f"n{i}i"]), float(row[f"m{i}i"]), float(row[f"sd{i}i"])) for i in (1, 2))


@pytest.mark.parametrize("name", SIZES)
def test_hospital_stay(expected, input_rows, close, name):
    wanted = expected("s12_meta_normand1999")
    sizes = [SIZES[name](*groups(row)) for row in input_rows("s12_meta_normand1999", "input.csv")]
    close([size.estimate for size in sizes], wanted[name]["yi"])
    close([size.variance for size in sizes], wanted[name]["vi"])


def test_unbiased_variance(expected, input_rows, close):
    rows = input_rows("s12_meta_normand1999", "input.csv")
    sizes = [standardized_difference(*groups(row), unbiased=True) for row in rows]
    close([size.variance for size in sizes], expected("s12_meta_normand1999")["SMD_vtype_UB"]["vi"])


def test_risk_ratios_of_bcg(expected, input_rows, close):
    wanted = expected("s10_meta_bcg")
    sizes = []
    for row in input_rows("s10_meta_bcg", "input.csv"):
        a, b, c, d = (int(row[name]) for name in ("tpos", "tneg", "cpos", "cneg"))
        sizes.append(log_risk_ratio((a, a + b), (c, c + d)))
    close([size.estimate for size in sizes], wanted["yi"])
    close([size.variance for size in sizes], wanted["vi"])


def test_by_hand():
    treated, control = Group(4, 3.0, 2.0), Group(4, 2.0, 2.0)
    assert mean_difference(treated, control).variance == 2
    # c(6) = Gamma(3) / (sqrt(3) Gamma(2.5))
    correction = 2 / (math.sqrt(3) * math.gamma(2.5))
    assert standardized_difference(treated, control).estimate == pytest.approx(correction / 2, rel=1e-12)
    assert heteroscedastic_difference(treated, control).estimate == pytest.approx(correction / 2, rel=1e-12)
    assert log_ratio_of_means(treated, control).estimate == pytest.approx(math.log(1.5))


def test_an_empty_cell_gets_a_half():
    size = log_risk_ratio((0, 10), (5, 10))
    assert size.estimate == pytest.approx(math.log((0.5 / 11) / (5.5 / 11)))
    assert size.variance == pytest.approx(1 / 0.5 - 1 / 11 + 1 / 5.5 - 1 / 11)


def test_turning_the_arms_turns_the_sign(near):
    treated, control = Group(12, 5.0, 2.0), Group(9, 4.0, 3.0)
    for size in SIZES.values():
        near(size(treated, control).estimate, -size(control, treated).estimate, 1e-12)
        near(size(treated, control).variance, size(control, treated).variance, 1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Group(1, 0.0, 1.0),
        lambda: Group(3, 0.0, -1.0),
        lambda: Group(3, np.nan, 1.0),
        lambda: standardized_difference(Group(3, 1.0, 0.0), Group(3, 2.0, 0.0)),
        lambda: log_ratio_of_means(Group(3, -1.0, 1.0), Group(3, 2.0, 1.0)),
        lambda: log_risk_ratio((5, 4), (1, 4)),
    ],
)
def test_what_has_no_size_is_refused(make):
    with pytest.raises(ValueError, match=r"needs|lie"):
        make()
