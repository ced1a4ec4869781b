"""The OPT trial through the platform's own way from frames to estimates, against R (s01, s02)."""

import copy
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.services.estimates import PlannedEstimate, estimate_trial
from analytics.services.outcomes import Design, Measure, Outcomes
from analytics.services.plans import DEFAULT_SPECIFICATION
from analytics.statistics.multiplicity import adjust

ROOT = Path(__file__).parents[2]
# Values at these floors are below the limit (demo/opt/PROVENANCE.md); as numbers they would be analysed otherwise.
FLOORS = {"il6": (4.9, 6.9), "tnf": (1.2, 6.9)}
CODES = (
    "crp",
    "pge2",
    "mmp9",
    "fibrin",
    "igg_aa",
    "igg_cr",
    "igg_fn",
    "igg_pg",
    "igg_pi",
    "igg_td",
    "igg_tf",
    "il6",
    "tnf",
)


def read(name: str) -> Any:
    return json.loads((ROOT / "tests" / "reference" / name / "expected.json").read_text())


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """Both frames in the shape in which the selectors give them, values in another order than participants."""
    with (ROOT / "demo" / "opt" / "opt.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    randomized = pd.DataFrame(
        [(index, row["pid"], row["clinic"], row["arm"], row["clinic"]) for index, row in enumerate(rows)],
        columns=["participant_id", "participant", "site", "arm", "stratum_site"],
    )
    values = [
        (index, code, visit, float(text), "<" if float(text) in FLOORS.get(code, ()) else "")
        for index, row in enumerate(rows)
        for code in CODES
        for visit, suffix in (("baseline", "base"), ("follow_up", "fu"))
        if (text := row[f"{code}_{suffix}"].strip()) not in ("", "NA")
    ]
    frame = pd.DataFrame(values[::-1], columns=["participant_id", "biomarker", "visit", "value", "comparator"])
    measures = tuple(Measure(code, "log", "harmful") for code in CODES)
    return Outcomes(randomized, frame, Design(("control", "treatment"), "baseline", ("follow_up",), measures))


@pytest.fixture(scope="module")
def estimates(outcomes: Outcomes) -> dict[tuple[str, str, str], PlannedEstimate]:
    found = estimate_trial(outcomes, DEFAULT_SPECIFICATION)
    return {(each.biomarker, each.effect.result.method, each.effect.result.measure): each for each in found}


def assert_equal(estimate: PlannedEstimate, wanted: dict[str, float]) -> None:
    result = estimate.effect.result
    found = {
        "estimate": result.estimate,
        "se": result.standard_error,
        "df": result.df,
        "p": result.p_value,
        "lo": result.ci_low,
        "hi": result.ci_high,
    }
    for name, value in found.items():
        assert value == pytest.approx(wanted[name], rel=1e-9), name


@pytest.mark.parametrize("code", CODES[:11])
@pytest.mark.parametrize(("method", "covariance"), [("ancova_model", "model"), ("ancova_hc3", "HC3")])
def test_every_biomarker_equals_r(
    estimates: dict[Any, PlannedEstimate], code: str, method: str, covariance: str
) -> None:
    wanted = read("s02_ancova_opt_panel")["effects"][code]
    assert_equal(estimates[code, method, "log_difference"], wanted[covariance])
    percent = estimates[code, method, "percent_difference"].effect.result
    assert percent.estimate == pytest.approx(wanted["percent"], rel=1e-9)
    assert sum(percent.n.values()) == wanted["n"]


def test_crp_equals_r_in_every_measure(estimates: dict[Any, PlannedEstimate]) -> None:
    wanted = read("s01_ancova_opt_crp")["effect"]["HC3"]
    ratio = estimates["crp", "ancova_hc3", "ratio_of_geometric_means"].effect
    assert ratio.result.estimate == pytest.approx(wanted["ratio_geo_means"], rel=1e-9)
    assert ratio.result.ci_low == pytest.approx(wanted["ratio_lo"], rel=1e-9)
    assert ratio.result.ci_high == pytest.approx(wanted["ratio_hi"], rel=1e-9)
    assert ratio.result.n == {"control": 318, "treatment": 302}
    assert ratio.n_randomized == {"control": 410, "treatment": 413}


@pytest.mark.parametrize("code", CODES[:11])
def test_benjamini_hochberg_runs_over_the_eleven(estimates: dict[Any, PlannedEstimate], code: str) -> None:
    wanted = read("s02_ancova_opt_panel")["adjusted"]["BH"][code]
    assert estimates[code, "ancova_hc3", "log_difference"].p_bh == pytest.approx(wanted, rel=1e-9)
    assert estimates[code, "ancova_hc3", "log_difference"].p_holm is None


def test_a_biomarker_on_another_scale_is_in_the_same_family(outcomes: Outcomes) -> None:
    """On the scale as measured the measure has another name; the family is that of the method all the same."""
    mixed = tuple(Measure(code, "identity" if code == "crp" else "log", "harmful") for code in CODES)
    design = Design(outcomes.design.arms, "baseline", ("follow_up",), mixed)
    other = copy.copy(outcomes)
    other.design = design
    found = [each for each in estimate_trial(other, DEFAULT_SPECIFICATION) if each.effect.result.method == "ancova_hc3"]
    p = {each.biomarker: each.effect.result.p_value for each in found if each.effect.result.p_value is not None}
    wanted = dict(zip(p, adjust(list(p.values()), "BH"), strict=True))
    assert len(p) == 11
    for each in found:
        assert each.p_bh == wanted.get(each.biomarker)


@pytest.mark.parametrize("code", ["il6", "tnf"])
def test_values_below_the_limit_get_their_own_model(estimates: dict[Any, PlannedEstimate], code: str) -> None:
    methods = {method for biomarker, method, _ in estimates if biomarker == code}
    assert methods & {"tobit", "detection"}
    assert estimates[code, "ppc", "d_ppc2"].effect.result.not_estimable is not None


def test_holm_runs_over_the_primary_estimates_alone(outcomes: Outcomes) -> None:
    plan = DEFAULT_SPECIFICATION | {"primary": [["crp", "follow_up"], ["igg_tf", "follow_up"]]}
    found = [each for each in estimate_trial(outcomes, plan) if each.effect.result.measure == "log_difference"]
    holm = {each.biomarker: each.p_holm for each in found if each.p_holm is not None}
    p = {each.biomarker: each.effect.result.p_value for each in found if each.role == "primary"}
    assert set(holm) == set(p) == {"crp", "igg_tf"}
    assert holm[min(p, key=p.__getitem__)] == pytest.approx(2 * min(p.values()))
    assert {each.effect.result.method for each in found if each.role == "primary"} == {"ancova_hc3"}


def test_values_of_people_who_are_not_randomized_are_left_out(outcomes: Outcomes) -> None:
    randomized = pd.DataFrame({"participant_id": [1], "arm": ["a"]})
    values = pd.DataFrame(
        {"participant_id": [1, 2], "biomarker": "x", "visit": "v", "value": [1.5, 2.5], "comparator": ["<", ""]}
    )
    design = Design(("a", "b"), "v", (), (Measure("x", "log", "neutral"),))
    made = Outcomes(randomized, values, design)
    column = made.column("x", "v")
    assert made.value_count == 1
    assert column.values.tolist() == [1.5]
    assert column.below.tolist() == [True]
    assert np.isnan(made.column("x", "other").values).all()


def test_an_arm_outside_of_the_design_is_refused() -> None:
    randomized = pd.DataFrame({"participant_id": [1], "arm": ["c"]})
    values = pd.DataFrame({"participant_id": [], "biomarker": [], "visit": [], "value": [], "comparator": []})
    with pytest.raises(ValueError, match="design"):
        Outcomes(randomized, values, Design(("a", "b"), "v", (), ()))
