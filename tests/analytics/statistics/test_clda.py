"""cLDA against R (s06): five visits and two; who is in it, and what it says where it has no answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytics.statistics.clda import estimate_clda, fit_clda
from analytics.statistics.estimate import ARM_ALIASED, ARM_EMPTY_AT_VISIT
from analytics.statistics.mmrm import estimate_mmrm, fit_mmrm
from tests.analytics.statistics.repeated import BDI_VISITS, as_numbers, beat_the_blues, made_up_trial, without_t

INFERENCES = {"satterthwaite": "Satterthwaite", "kenward_roger": "Kenward-Roger-Linear"}


@pytest.mark.parametrize(("part", "visits"), [("clda", BDI_VISITS), ("clda_two_visits", ("bdi_2m",))])
def test_trial_against_r(expected, close, part, visits):
    wanted = expected("s06_mmrm_btheb")[part]
    fit = fit_clda(beat_the_blues(strata=False, visits=visits))
    assert fit.reml.largest_gradient < 1e-10
    close(fit.reml.log_likelihood, wanted["reml_loglik"], 1e-12)
    close(fit.reml.sigma.tolist(), wanted["sigma"], 1e-9)
    for inference, name in INFERENCES.items():
        for visit in visits:
            result = estimate_clda(fit, "BtheB", visit, inference)[0]
            assert result.method == f"clda_{inference}"
            close(as_numbers(result), without_t(wanted[name][f"trt_at_{visit}"]), 1e-9)


@pytest.mark.parametrize(("part", "visits"), [("clda", BDI_VISITS), ("clda_two_visits", ("bdi_2m",))])
def test_means_of_the_reference_against_r(expected, part, visits):
    fit = fit_clda(beat_the_blues(strata=False, visits=visits))
    terms = fit.design.terms
    for inference, name in INFERENCES.items():
        wanted = expected("s06_mmrm_btheb")[part][name]
        rows = [[float(term == "visit:baseline") for term in terms]]
        rows += [[float(t == f"visit:{v}") - float(t == "visit:baseline") for t in terms] for v in visits]
        found = fit.contrasts(np.array(rows), inference)
        for index, coefficient in enumerate(["(Intercept)", *(f"v{visit}" for visit in visits)]):
            got = (found.estimates[index], found.standard_errors[index], found.df[index])
            assert got == pytest.approx([wanted[coefficient][key] for key in ("estimate", "se", "df")], rel=1e-9)


def test_complete_pairs_give_the_estimate_of_ancova():
    # With a value at both visits in everybody, the constrained model and ANCOVA have the same estimate (Liang & Zeger).
    data = made_up_trial(3, visits=1, missing=0, strata={})
    constrained = estimate_clda(fit_clda(data), "treatment", "week1")[0]
    adjusted = estimate_mmrm(fit_mmrm(data), "treatment", "week1")[0]
    assert constrained.estimate == pytest.approx(adjusted.estimate, rel=1e-8)
    assert constrained.standard_error == pytest.approx(adjusted.standard_error, rel=0.05)


def test_everybody_with_any_value_is_in_it():
    data = made_up_trial(4, visits=2, missing=0)
    baseline, values = data.baseline.copy(), data.values.copy()
    baseline[0], values[1], baseline[2], values[2] = np.nan, np.nan, np.nan, np.nan
    lacking = replace(data, baseline=baseline, values=values)
    assert sum(fit_clda(lacking).profiles.n().values()) == 59
    assert sum(fit_mmrm(lacking).profiles.n().values()) == 57
    result = estimate_clda(fit_clda(lacking), "treatment", "week1")[0]
    assert "1 left out: no value at any visit." in result.notes
    assert result.formula.startswith("value ~ visit + arm:visit after baseline + site; REML, ")


def test_values_on_the_log_scale():
    data = made_up_trial(5)
    logs = replace(data, baseline=np.exp(data.baseline), values=np.exp(data.values), scale="log")
    plain = estimate_clda(fit_clda(data), "treatment", "week1")[0]
    difference, ratio, _ = estimate_clda(fit_clda(logs), "treatment", "week1")
    assert as_numbers(difference) == pytest.approx(as_numbers(plain), rel=1e-8)
    assert ratio.estimate == pytest.approx(np.exp(plain.estimate))


def test_without_an_answer():
    data = made_up_trial(6)
    values = data.values.copy()
    values[data.arm == 1, 0] = np.nan
    fit = fit_clda(replace(data, values=values))
    assert estimate_clda(fit, "treatment", "week1")[0].not_estimable is ARM_EMPTY_AT_VISIT
    assert estimate_clda(fit, "treatment", "week2")[0].not_estimable is None
    empty = fit_clda(replace(data, baseline=np.full(60, np.nan), values=np.full((60, 3), np.nan)))
    assert estimate_clda(empty, "treatment", "week1")[0].not_estimable is ARM_EMPTY_AT_VISIT
    # Where nobody has a baseline, a stratum that is the arm takes its place only if all visits differ by the same.
    no_baseline = replace(data, baseline=np.full(60, np.nan), strata={"therapist": data.arm})
    assert estimate_clda(fit_clda(no_baseline), "treatment", "week1")[0].not_estimable is ARM_ALIASED


def test_an_empty_baseline_is_no_obstacle():
    data = replace(made_up_trial(7), baseline=np.full(60, np.nan))
    constrained = as_numbers(estimate_clda(fit_clda(data), "treatment", "week2")[0])
    assert constrained == pytest.approx(as_numbers(estimate_mmrm(fit_mmrm(data, "none"), "treatment", "week2")[0]))


@pytest.mark.parametrize("seed", range(40))
def test_every_trial_has_numbers_or_a_reason(seed):
    rng = np.random.default_rng(seed)
    data = made_up_trial(seed, n=int(rng.integers(4, 60)), visits=int(rng.integers(1, 7)), missing=rng.uniform(0, 0.6))
    baseline = np.where(rng.random(len(data.arm)) < 0.3, np.nan, data.baseline)
    fit = fit_clda(replace(data, baseline=baseline))
    for visit in data.visits:
        for result in estimate_clda(fit, "treatment", visit):
            numbers = (result.estimate, result.standard_error, result.df, result.ci_low, result.ci_high, result.p_value)
            assert (numbers == (None,) * 6) if result.not_estimable else np.all(np.isfinite(numbers))
