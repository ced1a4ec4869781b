"""The one entry: rows, orientation, limits, and that nothing crashes or stays silent."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analytics.statistics.descriptives import describe_change, describe_visit
from analytics.statistics.effects import estimate_outcome
from analytics.statistics.estimate import LIMIT_MODEL_NEEDED, MOSTLY_BELOW_LIMIT, OUT_OF_RANGE, REASONS
from analytics.statistics.outcome import OutcomeData

LOG_MEASURES = ("log_difference", "ratio_of_geometric_means", "percent_difference")
NUMBERS = ("estimate", "standard_error", "df", "ci_low", "ci_high", "p_value")


def rows_of(data):
    return {(row.result.method, row.result.measure): row for row in estimate_outcome(data)}


def test_real_trial(opt_crp, expected, close):
    rows = rows_of(opt_crp)
    assert list(rows) == [
        *(("ancova_model", measure) for measure in LOG_MEASURES),
        *(("ancova_hc3", measure) for measure in LOG_MEASURES),
        ("ppc", "d_ppc2"),
    ]
    row = rows["ancova_hc3", "log_difference"]
    assert row.result.estimate == pytest.approx(0.0310473351137593, rel=1e-9)
    assert row.result.standard_error == pytest.approx(0.0618594006096378, rel=1e-9)
    assert row.result.df == 614
    assert row.result.n == {"control": 318, "treatment": 302}
    assert row.n_randomized == {"control": 410, "treatment": 413}
    assert rows["ancova_hc3", "ratio_of_geometric_means"].result.estimate == pytest.approx(1.03153433052579, rel=1e-9)
    wanted = expected("s04_ppc_g_opt")["crp"]["log"]["es"]["dppc2_approx"]
    close(rows["ppc", "d_ppc2"].result.estimate, wanted["yi"])
    close(rows["ppc", "d_ppc2"].result.standard_error, math.sqrt(wanted["vi_morris_eq25"]))


def test_more_of_a_harmful_biomarker_is_worse(opt_crp):
    for (_, measure), row in rows_of(opt_crp).items():
        wanted = 1 / row.result.estimate if measure == "ratio_of_geometric_means" else -row.result.estimate
        assert row.oriented_estimate == wanted


def test_more_of_a_beneficial_biomarker_is_better(opt_crp):
    for row in estimate_outcome(replace(opt_crp, direction="beneficial")):
        assert row.oriented_estimate == row.result.estimate


def test_a_neutral_biomarker_is_not_oriented(opt_crp):
    assert all(row.oriented_estimate is None for row in estimate_outcome(replace(opt_crp, direction="neutral")))


def test_five_percent_below_the_limit_count_as_the_limit(opt_crp):
    below = opt_crp.baseline <= np.nanquantile(opt_crp.baseline, 0.04)
    rows = rows_of(replace(opt_crp, baseline_censored=below))
    plain = rows_of(opt_crp)
    for key, row in rows.items():
        assert row.result.estimate == plain[key].result.estimate
        assert "They count as the limit." in row.result.notes


def test_more_below_the_limit_needs_the_tobit_model(opt_crp):
    below = opt_crp.follow_up <= np.nanquantile(opt_crp.follow_up, 0.3)
    rows = rows_of(replace(opt_crp, follow_up_censored=below))
    assert list(rows) == [*(("tobit", measure) for measure in LOG_MEASURES), ("ppc", "d_ppc2")]
    assert rows["tobit", "log_difference"].result.estimate is not None
    assert rows["tobit", "log_difference"].oriented_estimate == -rows["tobit", "log_difference"].result.estimate
    assert rows["ppc", "d_ppc2"].result.not_estimable is LIMIT_MODEL_NEEDED


def test_mostly_below_the_limit_states_only_the_share_detected(opt_rows, make_outcome):
    rows = rows_of(make_outcome(opt_rows, "il6_base", "il6_fu", floors=(4.9, 6.9)))
    detection = rows.pop(("detection", "risk_difference"))
    assert detection.result.estimate is not None
    assert len(rows) == 7
    assert all(row.result.not_estimable is MOSTLY_BELOW_LIMIT for row in rows.values())


def test_each_arm_has_its_rows(five_participants):
    data = five_participants(arms=("waitlist", "group", "bot"), arm=np.array([0, 0, 1, 1, 1]))
    rows = estimate_outcome(data)
    assert [row.arm for row in rows] == ["group"] * 3 + ["bot"] * 3
    assert {row.reference_arm for row in rows} == {"waitlist"}
    assert rows[3].result.not_estimable.code == "arm_empty"
    assert rows[3].n_randomized == {"waitlist": 2, "bot": 0}


def test_a_result_beyond_a_double_is_refused(five_participants):
    data = five_participants(follow_up=np.array([1e300, 1.0, 1.7e308, 1.0, 1e308]))
    refused = rows_of(data)["ancova_hc3", "difference"].result
    assert refused.not_estimable is OUT_OF_RANGE


def random_trial(seed):
    """A trial with missing values, small arms, constant columns, limits and wild scales, all by chance."""
    random = np.random.default_rng(seed)
    n = int(random.choice([4, 5, 6, 8, 12, 30, 120, 400]))
    arms = ("control", "treatment", "bot")[: int(random.integers(2, 4))]
    baseline = random.lognormal(1, 0.8, n) * 10.0 ** float(random.choice([-200, -6, 0, 0, 0, 6, 200]))
    follow_up = baseline * random.lognormal(0, 0.5, n)
    for values in (baseline, follow_up):
        if random.random() < 0.15:
            values[:] = values[0]
        if random.random() < 0.15:
            values[random.random(n) < 0.1] *= -1
        values[random.random(n) < random.uniform(0, 0.6)] = np.nan
    limits = [
        np.nanquantile(v, random.choice([0, 0, 0.03, 0.3, 0.9])) if np.any(v == v) else 0 for v in (baseline, follow_up)
    ]
    below = [v < limit for v, limit in zip((baseline, follow_up), limits, strict=True)]
    baseline[below[0]], follow_up[below[1]] = limits
    strata = {f"factor{k}": random.integers(0, random.integers(1, 9), n) for k in range(random.integers(0, 3))}
    return OutcomeData(
        baseline,
        follow_up,
        *below,
        random.integers(0, len(arms), n),
        strata,
        arms,
        str(random.choice(["log", "identity"])),
        str(random.choice(["beneficial", "harmful", "neutral"])),
    )


def assert_complete(result):
    numbers = [getattr(result, name) for name in NUMBERS]
    if result.not_estimable is not None:
        assert result.not_estimable is REASONS[result.not_estimable.code]
        assert result.not_estimable.sentence.endswith(".")
        assert numbers == [None] * 6
        return
    assert all(number is None or math.isfinite(number) for number in numbers)
    assert result.ci_low <= result.estimate <= result.ci_high
    assert 0 <= result.p_value <= 1


def every_number(value):
    """All numbers inside nested result values."""
    if isinstance(value, float):
        yield value
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from every_number(getattr(value, name))


def test_random_trials_never_crash_and_never_stay_silent():
    estimated = refused = 0
    for seed in range(300):
        data = random_trial(seed)
        for row in estimate_outcome(data):
            assert_complete(row.result)
            estimated, refused = estimated + (row.result.estimate is not None), refused + (row.result.estimate is None)
            assert row.oriented_estimate is None or math.isfinite(row.oriented_estimate)
        described = (
            *describe_visit(data.baseline, data.baseline_censored, data.arm, data.arms),
            *describe_visit(data.follow_up, data.follow_up_censored, data.arm, data.arms),
            *describe_change(data),
        )
        assert all(math.isfinite(number) for value in described for number in every_number(value))
    assert estimated > 300
    assert refused > 300


SAME_BYTES = """
import runpy, sys
trial = runpy.run_path(sys.argv[1])
results = [trial["estimate_outcome"](trial["random_trial"](seed)) for seed in range(20)]
sys.stdout.write(repr(results))
"""


def in_a_new_process(code, *arguments, hash_seed="0"):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_same_input_same_bytes():
    first, second = (in_a_new_process(SAME_BYTES, __file__, hash_seed=seed) for seed in ("1", "2"))
    assert first == second
    assert first == repr([estimate_outcome(random_trial(seed)) for seed in range(20)])


def test_input_is_not_changed(opt_crp):
    before = [opt_crp.baseline.tobytes(), opt_crp.follow_up.tobytes(), opt_crp.arm.tobytes()]
    estimate_outcome(opt_crp)
    assert before == [opt_crp.baseline.tobytes(), opt_crp.follow_up.tobytes(), opt_crp.arm.tobytes()]


IMPORT_ALL = """
import importlib, pkgutil, sys
import analytics.statistics
for module in pkgutil.iter_modules(analytics.statistics.__path__, "analytics.statistics."):
    importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_statistician_needs_neither_django_nor_pandas():
    loaded = set(in_a_new_process(IMPORT_ALL).split())
    assert {"analytics", "numpy", "scipy"} <= loaded
    assert not loaded & {"django", "pandas", "statsmodels", "trials", "measurements", "studyplatform"}
