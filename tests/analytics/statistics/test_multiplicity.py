"""Adjusted p values against R's p.adjust (s15, s02)."""

from __future__ import annotations

import pytest

from analytics.statistics.multiplicity import adjust, adjust_families, adjust_within, simes

METHODS = ("holm", "hochberg", "hommel", "bonferroni", "BH", "BY")


def as_list(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("vector", ["plain", "ties", "extremes", "one", "with_missing", "unsorted"])
def test_vectors(expected, close, vector, method):
    case = expected("s15_padjust")
    assert set(case["vectors"]) == {"plain", "ties", "extremes", "one", "with_missing", "unsorted"}
    close(adjust(as_list(case["vectors"][vector]), method), as_list(case["adjusted"][vector][method]), 1e-12)


def test_families(expected, close):
    case = expected("s15_padjust")["families"]
    p, family = case["p"], case["family"]
    close(adjust(p, "BH"), case["BH_global"], 1e-12)
    close(adjust_within(p, family, "BH"), case["BH_within"], 1e-12)
    close(adjust_within(p, family, "holm"), case["holm_within"], 1e-12)
    by_family = [simes([q for q, f in zip(p, family, strict=True) if f == g]) for g in sorted(set(family))]
    close(by_family, case["simes_by_family"], 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_panel_of_a_real_trial(expected, close, method):
    case = expected("s02_ancova_opt_panel")
    close(adjust(list(case["p_HC3"].values()), method), list(case["adjusted"][method].values()), 1e-12)


def test_missing_p_is_not_counted():
    assert adjust([0.02, None, 0.04, float("nan")], "bonferroni") == (0.04, None, 0.08, None)


def test_empty_family():
    assert adjust([], "hommel") == ()
    assert adjust([None, None], "BY") == (None, None)
    assert simes([None]) is None


def test_default_families():
    """Benjamini-Hochberg over the biomarkers of a visit; Holm over the primary estimates only."""
    adjusted = adjust_families(
        [0.01, 0.04, 0.03, 0.5, None],
        ["six_months", "six_months", "three_months", "three_months", "six_months"],
        ["plan", None, "plan", None, "plan"],
    )
    assert [p for p, _ in adjusted] == pytest.approx([0.02, 0.04, 0.06, 0.5, None])
    assert [p for _, p in adjusted] == pytest.approx([0.02, None, 0.03, None, None])
