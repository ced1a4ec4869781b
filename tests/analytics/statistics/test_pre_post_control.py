"""Pre-post-control effect sizes against R's metafor (s03, s04), Morris's published table, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.statistics.estimate import (
    ARM_EMPTY,
    NO_CORRELATION,
    NO_VARIATION_IN_CHANGE,
    NONPOSITIVE_MEAN,
    TOO_FEW_PAIRS,
    Z_975,
)
from analytics.statistics.outcome import paired_values
from analytics.statistics.pre_post_control import (
    SIZES,
    ArmSummary,
    approximate_correction,
    common_correlation,
    d_ppc2,
    d_ppc2_large_sample_variance,
    estimate_pre_post_control,
    exact_correction,
    mean_change,
    percent_change,
    pooled_baseline_sd,
    rom_post,
    romc,
    smcc,
    smcr,
    smcrh,
    smd,
    summarize,
)


def as_numbers(size):
    return {"yi": size.estimate, "vi": size.variance}


def per_arm(measure, treated, control):
    return {
        "t": as_numbers(measure(treated)),
        "c": as_numbers(measure(control)),
        "diff": as_numbers(measure(treated).minus(measure(control))),
    }


def morris(treated, control, correction, correlation):
    size = d_ppc2(treated, control, correction=correction, correlation=correlation)
    r = common_correlation(treated, control) if correlation is None else correlation
    df = treated.n + control.n - 2
    return {
        "yi": size.estimate,
        "sd_pre_pooled": pooled_baseline_sd(treated, control),
        "c_p": approximate_correction(df) if correction == "approximate" else exact_correction(df),
        "r": r,
        "vi_morris_eq25": size.variance,
        "vi_metafor": d_ppc2_large_sample_variance(size.estimate, treated, control, r),
    }


def interval(size):
    half_width = Z_975 * math.sqrt(size.variance)
    return size.estimate - half_width, size.estimate + half_width


def every_size(treated, control, correlation=None):
    """All that `ppc.R` computes, under its names."""
    log_ratio = romc(treated).minus(romc(control))
    points = percent_change(treated).minus(percent_change(control))
    return {
        "SMCR": per_arm(smcr, treated, control),
        "SMCC": per_arm(smcc, treated, control),
        "SMCRH": per_arm(smcrh, treated, control),
        "MC": {"diff": as_numbers(mean_change(treated).minus(mean_change(control)))},
        "dppc2_approx": morris(treated, control, "approximate", correlation),
        "dppc2_exact": morris(treated, control, "exact", correlation),
        "SMD_post": as_numbers(smd(treated, control)),
        "SMD_pre": as_numbers(smd(treated, control, "pre")),
        "ROMC": {
            **per_arm(romc, treated, control),
            "percent": 100 * math.expm1(log_ratio.estimate),
            "percent_lo": 100 * math.expm1(interval(log_ratio)[0]),
            "percent_hi": 100 * math.expm1(interval(log_ratio)[1]),
        },
        "PCT_points": {
            "t": percent_change(treated).estimate,
            "c": percent_change(control).estimate,
            "diff": points.estimate,
            "vi": points.variance,
            "lo": interval(points)[0],
            "hi": interval(points)[1],
        },
        "ROM_post": as_numbers(rom_post(treated, control)),
    }


def of_study(expected, index):
    """The numbers of one study out of R's vectors; sentences left out."""
    if isinstance(expected, dict):
        return {name: of_study(value, index) for name, value in expected.items() if name != "note"}
    return expected if index is None else expected[index]


def published_summaries(row):
    value = {name: float(text) for name, text in row.items()}
    return (
        ArmSummary(
            int(value[f"n_{a}"]),
            value[f"m_pre_{a}"],
            value[f"m_post_{a}"],
            value[f"sd_pre_{a}"],
            value[f"sd_post_{a}"],
            value["r"],
        )
        for a in "tc"
    )


def test_morris_table_five_studies_every_size(expected, input_rows, close):
    wanted = expected("s03_ppc_g_morris")
    rows = input_rows("s03_ppc_g_morris", "input.csv")
    assert len(rows) == 5
    for index, row in enumerate(rows):
        treated, control = published_summaries(row)
        close(every_size(treated, control, float(row["r"])), of_study(wanted["es"], index))
        published = wanted["published"]["d_ppc2_morris_table5"][index]
        assert d_ppc2(treated, control).estimate == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize("biomarker", ["crp", "mmp9", "fibrin"])
@pytest.mark.parametrize("scale", ["raw", "log"])
def test_real_trial_every_size(opt_rows, make_outcome, expected, close, biomarker, scale):
    wanted = of_study(expected("s04_ppc_g_opt")[biomarker][scale], None)
    pairs = paired_values(
        make_outcome(opt_rows, f"{biomarker}_base", f"{biomarker}_fu", scale={"raw": "identity", "log": "log"}[scale])
    )
    control, treated = (summarize(pairs.baseline[pairs.arm == i], pairs.follow_up[pairs.arm == i]) for i in (0, 1))
    for summary, numbers in ((treated, wanted["summary"]["t"]), (control, wanted["summary"]["c"])):
        close(
            [summary.n, summary.mean_pre, summary.mean_post, summary.sd_pre, summary.sd_post, summary.correlation],
            [numbers[name] for name in ("n", "m_pre", "m_post", "sd_pre", "sd_post", "r")],
        )
    positive = min(treated.mean_pre, treated.mean_post, control.mean_pre, control.mean_post) > 0
    assert positive == ("ROMC" in wanted["es"])
    if positive:
        close(every_size(treated, control), wanted["es"])
    else:
        close(morris(treated, control, "approximate", None), wanted["es"]["dppc2_approx"])
        close(morris(treated, control, "exact", None), wanted["es"]["dppc2_exact"])
        close(as_numbers(smd(treated, control)), wanted["es"]["SMD_post"])
        for name, measure in (("SMCR", smcr), ("SMCC", smcc), ("SMCRH", smcrh)):
            close(per_arm(measure, treated, control), wanted["es"][name])


def test_the_definition_changes_the_answer(opt_rows, make_outcome):
    """On one real marker the sizes differ in magnitude and even in sign, which is why each has its name."""
    pairs = paired_values(make_outcome(opt_rows, "fibrin_base", "fibrin_fu", scale="identity"))
    sizes = {name: estimate_pre_post_control(pairs, "treatment", name) for name in SIZES}
    assert all(size.df is None and size.method == "ppc" for size in sizes.values())
    assert {name: round(size.estimate, 3) for name, size in sizes.items()} == {
        "d_ppc2": 0.032,
        "g_post": -0.035,
        "smcr_difference": 0.268,
        "smcc_difference": 0.027,
        "mean_change_difference": 0.459,
        "romc": 0.048,
        "percentage_points": 9.427,
    }


def test_percentages_are_of_raw_values(five_participants):
    with pytest.raises(ValueError, match="raw scale"):
        estimate_pre_post_control(paired_values(five_participants(scale="log")), "treatment", "percentage_points")


def test_five_participants_by_hand(five_participants):
    # Changes 1, 1 | 3, 3, 6: means 1 and 4. Baseline variances 2 and 1, pooled (2 + 2) / 3; c = 1 - 3/11 = 8/11.
    # Correlations 1 (control) and 2 / sqrt(2 * 8) = 1/2 (treated), weighted (2 + 3/2) / 5 = 0.7.
    result = estimate_pre_post_control(paired_values(five_participants()), "treatment")
    d = 8 / 11 * 3 / math.sqrt(4 / 3)
    variance = (8 / 11) ** 2 * 3 * (2 * 0.3 * 5 / 6 + d**2) - d**2
    assert result.estimate == pytest.approx(d, rel=1e-12)
    assert result.standard_error == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert result.ci_high == pytest.approx(d + 1.959963984540054 * math.sqrt(variance), rel=1e-12)
    assert result.df is None
    assert result.n == {"control": 2, "treatment": 3}


@pytest.mark.parametrize(
    ("changes", "measure", "reason"),
    [
        ({"follow_up": np.array([np.nan, np.nan, 4.0, 6.0, 8.0])}, "d_ppc2", ARM_EMPTY),
        ({"follow_up": np.array([2.0, 4.0, 4.0, 6.0, np.nan])}, "d_ppc2", TOO_FEW_PAIRS),
        ({"follow_up": np.array([2.0, 2.0, 4.0, 6.0, 8.0])}, "d_ppc2", NO_CORRELATION),
        ({"follow_up": np.array([2.0, 4.0, 2.0, 4.0, 3.0])}, "d_ppc2", NO_VARIATION_IN_CHANGE),
        ({"baseline": np.array([-9.0, 3.0, 1.0, 3.0, 2.0])}, "romc", NONPOSITIVE_MEAN),
    ],
)
def test_no_size_without_a_reason(five_participants, changes, measure, reason):
    result = estimate_pre_post_control(paired_values(five_participants(**changes)), "treatment", measure)
    assert result.not_estimable is reason
    assert result.estimate is result.standard_error is result.ci_low is result.p_value is None
