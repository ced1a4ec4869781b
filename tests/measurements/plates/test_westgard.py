"""The multirules, each against series checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.plates.westgard import RULES, Control, outcome, rules_broken


def one_material(*zs: float) -> list[tuple[str, ...]]:
    """The rules of one material measured once in each run."""
    return rules_broken([Control(run, "low", z) for run, z in enumerate(zs)])


def one_run(*zs: float) -> list[tuple[str, ...]]:
    """The rules of one run with a material for each value."""
    return rules_broken([Control("run", material, z) for material, z in enumerate(zs)])


@pytest.mark.parametrize(
    ("zs", "last"),
    [
        ((2.0,), ()),
        ((2.01,), ("1_2s",)),
        ((-2.01,), ("1_2s",)),
        ((3.0,), ("1_2s",)),
        ((3.01,), ("1_2s", "1_3s")),
        ((-3.5,), ("1_2s", "1_3s")),
        ((2.1, 2.2), ("1_2s", "2_2s")),
        ((2.1, -2.2), ("1_2s",)),
        ((2.1, 0.5, 2.2), ("1_2s",)),
        ((1.1, 1.2, 1.3, 1.4), ("4_1s",)),
        ((-1.1, -1.2, -1.3, -1.4), ("4_1s",)),
        ((1.1, 1.2, 1.0, 1.4), ()),
        ((1.1, 1.2, -1.3, 1.4), ()),
        ((0.1,) * 9, ()),
        ((0.1,) * 10, ("10_x",)),
        ((-0.1,) * 10, ("10_x",)),
        ((0.1,) * 9 + (0.0,), ()),
        ((0.1,) * 5 + (-0.1,) + (0.1,) * 9, ()),
        ((0.1,) * 12, ("10_x",)),
    ],
)
def test_over_runs_of_one_material(zs: tuple[float, ...], last: tuple[str, ...]) -> None:
    assert one_material(*zs)[-1] == last


@pytest.mark.parametrize(
    ("zs", "last"),
    [
        ((2.1, 2.2), ("1_2s", "2_2s")),
        ((-2.1, -2.2), ("1_2s", "2_2s")),
        ((2.1, -2.2), ("1_2s", "R_4s")),
        ((2.1, 0.0, -2.2), ("1_2s", "R_4s")),
        ((1.9, -2.2), ("1_2s",)),
        ((1.1, 1.2, 1.1, 1.2), ("4_1s",)),
    ],
)
def test_within_a_run_over_materials(zs: tuple[float, ...], last: tuple[str, ...]) -> None:
    assert one_run(*zs)[-1] == last


def test_two_values_of_one_material_with_a_good_one_between_are_no_two_in_a_row() -> None:
    controls = [Control(1, "low", 2.5), Control(1, "low", 0.1), Control(1, "low", 2.5)]
    assert rules_broken(controls)[-1] == ("1_2s",)


def test_a_range_counts_within_a_run_only() -> None:
    controls = [Control(1, "low", 2.5), Control(2, "high", -2.5)]
    assert rules_broken(controls)[-1] == ("1_2s",)


def test_four_and_ten_count_over_materials_and_runs() -> None:
    pairs = [Control(run, material, 1.2) for run in (1, 2) for material in ("low", "high")]
    assert rules_broken(pairs)[-1] == ("4_1s",)
    small = [Control(run, material, 0.2) for run in range(5) for material in ("low", "high")]
    assert [each for each in rules_broken(small) if each] == [("10_x",)]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.floats(-4, 4)), max_size=40), st.data())
def test_what_comes_later_changes_nothing(drawn: list[tuple[int, str, float]], data: st.DataObject) -> None:
    controls = [Control(*each) for each in sorted(drawn, key=lambda each: each[0])]
    cut = data.draw(st.integers(0, len(controls)))
    assert rules_broken(controls)[:cut] == rules_broken(controls[:cut])


@given(st.lists(st.floats(-4, 4), max_size=30))
def test_the_mirror_image_breaks_the_same_rules(zs: list[float]) -> None:
    assert one_material(*zs) == one_material(*(-z for z in zs))


def test_a_warning_rejects_nothing() -> None:
    assert outcome(()) == "in_control"
    assert outcome(("1_2s",)) == "warning"
    assert all(outcome((rule,)) == "rejected" for rule in RULES[1:])
