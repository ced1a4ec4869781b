import dataclasses
import re

import pytest

from analytics.figures.forest import (
    SHIELDS_2020,
    Forest,
    ForestGroup,
    ForestRow,
    forest_axis,
    forest_plot,
)
from analytics.figures.forest_narrow import narrow_forest_plot
from tests.analytics.figures.examples import FOREST
from tests.analytics.figures.reading import texts


def test_every_row_has_label_numbers_and_interval():
    shown = texts(forest_plot(FOREST))
    assert "Interleukin-6" in shown
    assert "38 / 35" in shown
    assert "0.46 (−0.01 to 0.92)" in shown
    assert "−0.05 (−0.51 to 0.41)" in shown
    assert "0.28 (0.02 to 0.54)" in shown


def test_what_could_not_be_estimated_says_why_in_italics():
    plot = forest_plot(FOREST)
    assert 'font-style="italic"' in plot
    assert "not estimable: too few pairs (4 and 3)" in plot


def test_the_published_effect_is_a_line_in_its_band():
    assert (SHIELDS_2020.estimate, SHIELDS_2020.lower, SHIELDS_2020.upper) == (0.30, 0.21, 0.40)
    assert SHIELDS_2020.label in texts(forest_plot(FOREST))
    without = forest_plot(dataclasses.replace(FOREST, reference=None))
    assert "Shields" not in without
    assert 'class="band"' not in without


def test_each_direction_names_its_arm_in_the_arms_colour():
    plot = forest_plot(FOREST)
    assert ">favours waitlist</text>" in plot
    assert ">favours CBT for insomnia</text>" in plot
    assert plot.index('class="arm-waitlist"') < plot.index('class="arm-intervention"')


def test_the_phone_gets_the_same_numbers():
    wide, narrow = texts(forest_plot(FOREST)), texts(narrow_forest_plot(FOREST))
    assert {text for text in wide if " to " in text} <= set(narrow)
    assert "n 38 / 35" in narrow


def test_a_narrower_interval_has_a_larger_square():
    precise, vague = ForestRow("a", (), 0.0, -0.1, 0.1), ForestRow("b", (), 0.0, -0.9, 0.9)
    plot = forest_plot(Forest("t", "d", (ForestGroup("g", (precise, vague)),)))
    first, second = (float(side) for side in re.findall(r'<rect [^>]*width="([0-9.]+)"[^>]*class="mark"', plot))
    assert first > second


def test_one_absurd_interval_does_not_squash_the_others():
    rows = tuple(ForestRow(f"row {index}", (), 0.2, -0.2, 0.6) for index in range(5))
    wild = ForestRow("wild", (), 0.1, -60.0, 60.0)
    forest = Forest("t", "d", (ForestGroup("g", (*rows, wild)),))
    axis = forest_axis(forest, 0, 100)
    assert axis.high < 3
    assert "0.10 (−60.00 to 60.00)" in forest_plot(forest)


def test_both_arms_have_room_beside_the_zero_line():
    forest = Forest("t", "d", (ForestGroup("g", (ForestRow("only good news", (), 2.0, 1.5, 2.5),)),))
    axis = forest_axis(forest, 0, 100)
    assert 29 <= axis(0) <= 71


def test_a_trial_without_any_estimate_still_has_its_rows():
    forest = Forest("t", "d", (ForestGroup("g", (ForestRow("IL-6", (0, 0), reason="nobody measured yet"),)),))
    assert "nobody measured yet" in texts(forest_plot(forest))


def test_a_dozen_outcomes_stay_under_ten_kilobytes():
    rows = tuple(ForestRow(f"Biomarker number {index}", (38, 35), 0.2, -0.25, 0.65) for index in range(6))
    forest = dataclasses.replace(FOREST, groups=(ForestGroup("one", rows), ForestGroup("two", rows)))
    assert len(forest_plot(forest).encode()) < 10_000


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "needs a reason"),
        ({"estimate": 0.1}, "finite"),
        ({"estimate": 0.1, "lower": float("nan"), "upper": 0.2}, "finite"),
        ({"estimate": 0.1, "lower": 0.0, "upper": float("inf")}, "finite"),
    ],
)
def test_half_an_estimate_is_refused(values, why):
    with pytest.raises(ValueError, match=why):
        ForestRow("IL-6", **values)
