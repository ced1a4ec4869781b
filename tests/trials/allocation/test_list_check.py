"""The list checker against reference case s18 (verdicts computed in R)."""

import csv
import json
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest

from trials.allocation.blocks import ArmRatio, Scheme, Slot, permuted_blocks
from trials.allocation.list_check import check_list

REFERENCE = Path(__file__).parents[2] / "reference" / "s18_randomization"
EXPECTED = json.loads((REFERENCE / "expected.json").read_text())

LISTS = {
    "list_1to1": ("list_1to1_4_6.csv", {"intervention": 1, "waitlist": 1}),
    "list_2to1": ("list_2to1_3_6.csv", {"intervention": 2, "waitlist": 1}),
    "list_corrupted": ("list_corrupted.csv", {"intervention": 1, "waitlist": 1}),
}
STRATA = [(name, stratum) for name in LISTS for stratum in EXPECTED[name]]


def slots_by_stratum(file):
    strata = defaultdict(list)
    with (REFERENCE / file).open(newline="") as lines:
        for row in csv.DictReader(lines):
            slot = Slot(int(row["position"]), int(row["block"]), int(row["size"]), row["arm"])
            strata[row["stratum"]].append(slot)
    return strata


def test_no_reference_stratum_is_left_out():
    assert {name: set(slots_by_stratum(file)) for name, (file, _) in LISTS.items()} == {
        name: set(EXPECTED[name]) for name in LISTS
    }
    assert len(STRATA) == 9


@pytest.mark.parametrize(("name", "stratum"), STRATA)
def test_the_verdict_equals_the_reference(name, stratum):
    file, ratio = LISTS[name]
    verdict = check_list(reversed(slots_by_stratum(file)[stratum]), ratio)
    expected = EXPECTED[name][stratum]
    # R writes a vector of one element as a plain number.
    bad = expected["bad_block_ids"] if isinstance(expected["bad_block_ids"], list) else [expected["bad_block_ids"]]
    assert (verdict.n, verdict.counts, verdict.runs) == (expected["n"], expected["counts"], expected["runs"])
    assert (verdict.blocks_full, verdict.blocks_bad) == (expected["blocks_full"], expected["blocks_bad"])
    assert verdict.bad_block_ids == tuple(bad)
    assert verdict.max_imbalance == pytest.approx(expected["max_imbalance"], rel=1e-12)
    assert verdict.final_imbalance == pytest.approx(expected["final_imbalance"], rel=1e-12)
    if expected["guess_rate"] is None:
        assert verdict.guess_rate is None
    else:
        assert verdict.guess_rate == pytest.approx(expected["guess_rate"], rel=1e-12)


def test_a_list_of_our_own_passes():
    scheme = Scheme((ArmRatio("a", 2), ArmRatio("b", 1)), (3, 6))
    verdict = check_list(islice(permuted_blocks(bytes(32), scheme, "all"), 100), scheme.ratio)
    assert verdict.blocks_bad == 0
    assert verdict.blocks_full > 15


def test_an_unfinished_block_is_not_judged():
    verdict = check_list([Slot(1, 1, 4, "a"), Slot(2, 1, 4, "a"), Slot(3, 1, 4, "b")], {"a": 1, "b": 1})
    assert (verdict.blocks_full, verdict.blocks_bad, verdict.final_imbalance) == (0, 0, 0.5)


def test_an_empty_list_has_a_verdict():
    verdict = check_list([], {"a": 1, "b": 1})
    assert (verdict.n, verdict.counts, verdict.max_imbalance, verdict.guess_rate, verdict.runs) == (
        0,
        {"a": 0, "b": 0},
        0.0,
        None,
        0,
    )


@pytest.mark.parametrize("sequences", [(1, 3), (1, 1), (2, 3), (0, 1)])
def test_a_missing_or_doubled_place_is_refused(sequences):
    with pytest.raises(ValueError, match="gap or a place twice"):
        check_list([Slot(sequence, 1, 2, "a") for sequence in sequences], {"a": 1, "b": 1})


def test_an_unknown_arm_is_refused():
    with pytest.raises(ValueError, match="does not name: c"):
        check_list([Slot(1, 1, 2, "c")], {"a": 1, "b": 1})
