"""Result values: all numbers or none, and the table of reasons that people read."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from analytics.statistics import estimate
from analytics.statistics.estimate import NO_RESIDUAL_DF, OUT_OF_RANGE, REASONS, Analysis, NotEstimable

ANALYSIS = Analysis("ancova_hc3", "follow_up ~ arm", {"control": 4, "treatment": 5}, ("a remark.",))


def test_t_interval_by_hand():
    # t(2) has the upper 2.5% point 4.30265272991; the p of t = 4.30265272991 is 0.05
    result = ANALYSIS.wald("difference", 4.302652729696142, 1.0, 2)
    assert result.ci_low == pytest.approx(0, abs=1e-9)
    assert result.p_value == pytest.approx(0.05, rel=1e-9)
    assert (result.method, result.n, result.notes) == ("ancova_hc3", {"control": 4, "treatment": 5}, ("a remark.",))


def test_normal_interval_by_hand():
    result = ANALYSIS.wald("difference", 1.959963984540054, 1.0)
    assert (result.ci_low, result.df) == (0, None)
    assert result.p_value == pytest.approx(0.05, rel=1e-12)


def test_refused_has_no_number():
    result = ANALYSIS.refuse("difference", NO_RESIDUAL_DF)
    assert (result.estimate, result.standard_error, result.df, result.ci_low, result.ci_high, result.p_value) == (
        None,
    ) * 6
    assert result.n == {"control": 4, "treatment": 5}


@pytest.mark.parametrize(
    ("value", "error"), [(float("nan"), 1.0), (1.0, float("inf")), (1e308, 1e308), (1.0, 0.0), (1.0, -1.0)]
)
def test_numbers_that_are_none_are_refused(value, error):
    assert ANALYSIS.wald("difference", value, error, 3).not_estimable is OUT_OF_RANGE


def test_result_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ANALYSIS.refuse("difference", NO_RESIDUAL_DF).estimate = 1.0


def test_every_reason_is_in_the_table_and_in_the_documentation():
    defined = {value for value in vars(estimate).values() if isinstance(value, NotEstimable)}
    assert defined == set(REASONS.values())
    page = (Path(__file__).parents[3] / "docs" / "statistics" / "README.md").read_text()
    for code, reason in REASONS.items():
        assert f"| `{code}` | {reason.sentence} |" in page


def test_every_method_has_its_test_and_its_page():
    root = Path(__file__).parents[3]
    modules = {path.stem for path in (root / "analytics" / "statistics").glob("*.py")}
    plumbing = {"estimate", "outcome", "repeated_outcome", "arm_difference", "visit_contrasts", "effects"}
    methods = modules - {"__init__"} - plumbing
    assert {path.stem for path in (root / "docs" / "statistics").glob("*.md")} >= methods
    assert {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")} >= methods
