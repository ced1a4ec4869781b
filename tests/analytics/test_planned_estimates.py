"""What the plan makes of the engine's numbers: families, values above a range, and too few pairs."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analytics.services.descriptions import describe_trial
from analytics.services.estimates import PlannedEstimate, estimate_trial
from analytics.services.outcomes import Design, Measure, Outcomes
from analytics.services.plans import DEFAULT_SPECIFICATION
from analytics.statistics.multiplicity import adjust

PEOPLE = 40
ARMS = ("control", "treatment")
PRIMARY_A = DEFAULT_SPECIFICATION | {"primary": [["a", "after"], ["a", "later"]]}


def outcomes(marks: Mapping[str, Mapping[str, int]], people: int = PEOPLE) -> Outcomes:
    """One biomarker for each entry; `marks` says how many follow-ups of it carry a comparator, the smallest first."""
    randomized = pd.DataFrame(
        {"participant_id": range(people), "arm": [ARMS[place % 2] for place in range(people)], "stratum_site": "one"}
    )
    rows = []
    for number, (code, counts) in enumerate(marks.items()):
        drawn = np.random.default_rng(number + 1)
        before = np.exp(drawn.normal(size=people))
        after = before * np.exp(drawn.normal(scale=0.5, size=people) + 0.3 * (np.arange(people) % 2))
        signs = np.full(people, "", dtype=object)
        for sign, count in counts.items():
            order = np.argsort(after)
            at = order[:count] if sign == "<" else order[len(order) - count :]
            signs[at] = sign
            after[at] = after[at].max() if sign == "<" else after[at].min() if count else 0
        rows += [(i, code, "baseline", before[i], "") for i in range(people)]
        rows += [(i, code, "after", after[i], signs[i]) for i in range(people)]
    values = pd.DataFrame(rows, columns=["participant_id", "biomarker", "visit", "value", "comparator"])
    measures = tuple(Measure(code, "log", "harmful") for code in marks)
    return Outcomes(randomized, values, Design(ARMS, "baseline", ("after",), measures))


def found(made: Outcomes, code: str, method: str, measure: str) -> PlannedEstimate:
    (wanted,) = (
        each
        for each in estimate_trial(made, DEFAULT_SPECIFICATION)
        if (each.biomarker, each.effect.result.method, each.effect.result.measure) == (code, method, measure)
    )
    return wanted


def test_tobit_stands_in_the_family_of_the_primary_method() -> None:
    made = outcomes({"a": {}, "b": {}, "limited": {"<": 8}})
    tests = [
        found(made, "a", "ancova_hc3", "log_difference"),
        found(made, "b", "ancova_hc3", "log_difference"),
        found(made, "limited", "tobit", "log_difference"),
    ]
    wanted = list(adjust([each.effect.result.p_value for each in tests], "BH"))
    assert [each.p_bh for each in tests] == wanted
    ratio = found(made, "limited", "tobit", "ratio_of_geometric_means")
    assert ratio.p_bh == wanted[2]
    model = [found(made, code, "ancova_model", "log_difference") for code in ("a", "b")]
    assert [each.p_bh for each in model] == list(adjust([each.effect.result.p_value for each in model], "BH"))


@pytest.mark.parametrize(("method", "measure"), [("ancova_hc3", "percent_difference"), ("ppc", "d_ppc2")])
def test_more_than_a_twentieth_above_the_range_is_refused(method: str, measure: str) -> None:
    refused = found(outcomes({"a": {">": 3}}), "a", method, measure)
    result = refused.effect.result
    assert result.not_estimable is not None
    assert (result.not_estimable.code, result.estimate, result.p_value, refused.p_bh) == (
        "above_range",
        None,
        None,
        None,
    )
    assert refused.effect.oriented_estimate is None
    assert "Above the assay's range: 0 of 40 at baseline, 3 of 40 at follow-up." in refused.notes


def test_a_twentieth_above_the_range_counts_as_the_limit_with_a_note() -> None:
    stated = found(outcomes({"a": {">": 2}}), "a", "ancova_hc3", "log_difference")
    assert stated.effect.result.estimate is not None
    assert stated.notes[-1] == "They count as its upper limit."
    assert "2 of 40 at follow-up" in stated.notes[-2]


def test_the_share_detected_is_compared_even_where_values_lie_above_the_range() -> None:
    detected = found(outcomes({"a": {"<": 34, ">": 3}}), "a", "detection", "risk_difference")
    assert detected.effect.result.estimate is not None


def test_a_standardized_effect_needs_the_pairs_of_the_plan() -> None:
    result = found(outcomes({"a": {}}, people=9), "a", "ppc", "d_ppc2").effect.result
    assert result.not_estimable is not None
    assert result.not_estimable.code == "too_few_pairs"
    assert "too few pairs (4 and 5)" in result.not_estimable.sentence
    assert found(outcomes({"a": {}}, people=10), "a", "ppc", "d_ppc2").effect.result.estimate is not None


def test_shares_that_cannot_vary_have_no_standard_error_of_zero() -> None:
    made = outcomes({"a": {"<": 40}})
    result = found(made, "a", "detection", "risk_difference").effect.result
    assert (result.estimate, result.standard_error) == (0.0, None)
    assert result.ci_low < 0 < result.ci_high


def test_after_the_controlled_comparison_nothing_is_estimated_and_no_family_counts_it() -> None:
    """A waitlist that had the therapy by then is no control: neither effects nor their p values are stated."""
    made = outcomes({"a": {}, "b": {"<": 8}})
    alone = [replace(each) for each in estimate_trial(made, PRIMARY_A)]
    made.design = replace(made.design, follow_ups=("after", "later"), after_comparison=frozenset({"later"}))
    made._groups = {**made._groups, **{(code, "later"): made._groups[code, "after"] for code in ("a", "b")}}
    estimates = estimate_trial(made, PRIMARY_A)
    later = [each for each in estimates if each.visit == "later"]
    assert {each.effect.result.not_estimable.code for each in later if each.effect.result.not_estimable} == {
        "after_controlled_comparison"
    }
    assert {(each.effect.result.estimate, each.effect.result.p_value, each.p_bh, each.p_holm) for each in later} == {
        (None, None, None, None)
    }
    assert [each for each in estimates if each.visit == "after"] == alone
    assert "later" in {each.visit for each in describe_trial(made) if each.numbers["available"]}


def test_what_was_added_after_registration_moves_no_registered_p_value() -> None:
    sealed = DEFAULT_SPECIFICATION | {"primary": [["a", "after"], ["late", "after"]], "biomarkers": ["a", "b"]}
    registered = estimate_trial(outcomes({"a": {}, "b": {}}), sealed)
    with_more = estimate_trial(outcomes({"a": {}, "b": {}, "late": {}, "later": {}}), sealed)
    assert [each for each in with_more if each.biomarker in {"a", "b"}] == registered
    added = [each for each in with_more if each.biomarker not in {"a", "b"}]
    assert {each.role for each in added} == {"exploratory"}
    assert all(any(note.startswith("Added after registration") for note in each.notes) for each in added)
    robust = [
        each
        for each in added
        if (each.effect.result.method, each.effect.result.measure) == ("ancova_hc3", "log_difference")
    ]
    assert [each.p_bh for each in robust] == list(adjust([each.effect.result.p_value for each in robust], "BH"))
    assert {each.p_holm for each in added} == {None}
    assert {each.role for each in registered} == {"primary", "secondary"}


def test_a_plan_that_names_no_biomarkers_has_no_exploratory_ones() -> None:
    estimates = estimate_trial(outcomes({"a": {}, "b": {}}), DEFAULT_SPECIFICATION)
    assert {each.role for each in estimates} == {"secondary"}


def test_groups_that_were_randomized_leave_no_interval_in_the_descriptions() -> None:
    made = outcomes({"a": {}, "limited": {"<": 8}})
    alone = {(each.biomarker, each.visit, each.arm): each.numbers for each in describe_trial(made)}
    made.design = replace(made.design, randomized_in_groups=True)
    grouped = list(describe_trial(made))
    assert len(grouped) == len(alone) == 12
    for each in grouped:
        before = alone[each.biomarker, each.visit, each.arm]
        assert ("moments" in before) is (each.numbers.get("uncertainty", {}).get("code") == "randomized_in_groups")
        for place in (("moments",), ("geometric",), ("change", "change")):
            was, now = before, each.numbers
            for step in place:
                was, now = was.get(step, {}), now.get(step, {})
            assert now == {name: None if name in {"se", "ci_low", "ci_high"} else was[name] for name in was}
    assert any(each.numbers.get("moments", {}).get("sd") for each in grouped)
    assert not any("uncertainty" in numbers for numbers in alone.values())


def test_no_effect_is_stated_where_groups_were_randomized() -> None:
    """Participants of one group are not independent: an interval that counts them one by one would be too narrow."""
    made = outcomes({"a": {}, "b": {"<": 8}})
    made.design = replace(made.design, randomized_in_groups=True)
    estimates = estimate_trial(made, DEFAULT_SPECIFICATION)
    results = [each.effect.result for each in estimates]
    assert results
    assert {each.not_estimable.code for each in results if each.not_estimable} == {"randomized_in_groups"}
    assert all(each.not_estimable for each in results)
    assert {(each.estimate, each.ci_low, each.p_value) for each in results} == {(None, None, None)}
    assert {(each.p_bh, each.p_holm, each.effect.oriented_estimate) for each in estimates} == {(None, None, None)}
