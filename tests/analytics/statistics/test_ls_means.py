"""Least-squares means against R's emmeans (s01), and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.ancova import fit_ancova
from analytics.statistics.estimate import ARM_EMPTY, COVARIATES_ALIASED
from analytics.statistics.ls_means import estimate_ls_mean
from analytics.statistics.outcome import paired_values


@pytest.mark.parametrize(("weights", "name"), [("equal", "equal"), ("observed", "proportional")])
@pytest.mark.parametrize("arm", ["control", "treatment"])
def test_real_trial(opt_crp, expected, close, weights, name, arm):
    wanted = expected("s01_ancova_opt_crp")["ls_means"][name][arm]
    log_mean, geometric = estimate_ls_mean(fit_ancova(paired_values(opt_crp)), arm, weights)
    close(
        [log_mean.estimate, log_mean.standard_error, log_mean.df, log_mean.ci_low, log_mean.ci_high],
        [wanted["log_mean"], wanted["se"], wanted["df"], wanted["lo"], wanted["hi"]],
    )
    close(
        [geometric.estimate, geometric.ci_low, geometric.ci_high],
        [wanted["geo_mean"], wanted["geo_lo"], wanted["geo_hi"]],
    )


def test_five_participants_by_hand(five_participants):
    fit = fit_ancova(paired_values(five_participants()))
    # Both arms have the mean baseline, so nothing is adjusted: 3 and 6.
    assert estimate_ls_mean(fit, "control")[0].estimate == pytest.approx(3, rel=1e-12)
    assert estimate_ls_mean(fit, "treatment")[0].estimate == pytest.approx(6, rel=1e-12)


def test_weights_by_hand(five_participants):
    # The design adds arm and site, so every mean moves with the site's coefficient: equal weights take 1/2 of it,
    # observed weights 2/5, because two of the five participants are in site 1.
    data = five_participants(baseline=np.full(5, 2.0), strata={"site": np.array([0, 1, 0, 0, 1])})
    fit = fit_ancova(paired_values(data))
    site = fit.least_squares.coefficients[2]
    equal, observed = (estimate_ls_mean(fit, "control", weights)[0].estimate for weights in ("equal", "observed"))
    assert equal - observed == pytest.approx(site * (1 / 2 - 2 / 5), rel=1e-10)


def test_empty_arm(five_participants):
    fit = fit_ancova(paired_values(five_participants(follow_up=np.array([2.0, 4.0, np.nan, np.nan, np.nan]))))
    assert estimate_ls_mean(fit, "treatment")[0].not_estimable is ARM_EMPTY


def test_arms_in_different_sites_have_no_mean_over_both(five_participants):
    data = five_participants(strata={"site": np.array([0, 0, 1, 1, 1])})
    fit = fit_ancova(paired_values(data))
    assert estimate_ls_mean(fit, "control")[0].not_estimable is COVARIATES_ALIASED
