"""The CONSORT flow: everybody shown, any number of arms, nothing over anything else."""

import dataclasses
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.figures import svg
from analytics.figures.consort import DETAIL_SIZE, TITLE_SIZE, ArmColumn, Flow, Step, consort_flow, reason
from tests.analytics.figures.examples import ARMS, FLOW, POOLED
from tests.analytics.figures.reading import SVG, parsed, texts


def words(lines: list[str]) -> str:
    """All text in one line with plain spaces: boxes wrap where they must."""
    return " ".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def test_everybody_is_accounted_for():
    shown = words(texts(consort_flow(FLOW)))
    for part in (
        "Assessed for eligibility (n = 164)",
        "Excluded (n = 78)",
        "Declined: 22",
        "Randomized (n = 86)",
        "Did not receive: 2",
        "Six-month visit: attended: 38",
        "Lost to follow-up: 3 Moved away: 3",
        "Analysed: IL-6 (n = 35)",
    ):
        assert part in shown


def test_a_blinded_viewer_gets_one_box_without_an_arms_colour():
    flow = consort_flow(POOLED)
    assert "All arms together (n = 86)" in words(texts(flow))
    assert "arm-" not in flow


def test_a_trial_randomized_elsewhere_begins_with_the_randomization():
    shown = words(texts(consort_flow(dataclasses.replace(FLOW, assessed=None, excluded=None))))
    assert "Assessed" not in shown
    assert "Randomized (n = 86)" in shown


def test_the_picture_is_as_wide_as_asked_whatever_the_number_of_arms():
    for width in (340, 640, 960):
        for arms in (ARMS[:1], ARMS, ARMS * 2, ARMS * 4):
            chart = consort_flow(dataclasses.replace(FLOW, arms=arms), width)
            assert f'viewBox="0 0 {width} ' in chart


def test_reasons_are_indented_beneath_what_they_explain():
    chart = parsed(consort_flow(FLOW))
    place = {node.text: float(node.get("x")) for node in chart.iter(f"{SVG}text")}
    assert place["Moved away: 3"] > place["Lost to follow-up: 3"]


def test_a_flow_that_cannot_be_drawn_is_refused():
    one = Step("a", 1)
    with pytest.raises(ValueError, match="at least one arm"):
        Flow("t", "d", one, ())
    with pytest.raises(ValueError, match="negative"):
        Flow("t", "d", one, (ArmColumn((Step("a", -1),)),))
    with pytest.raises(ValueError, match="same steps"):
        Flow("t", "d", one, (ArmColumn((one,)), ArmColumn((one, one))))


def boxes_of(chart):
    return [tuple(float(node.get(side)) for side in ("x", "y", "width", "height")) for node in chart.iter(f"{SVG}rect")]


def overlap(one, other):
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))


phrases = st.text("abcdefgh ij", min_size=1, max_size=60).filter(str.strip)
lines = st.lists(
    st.tuples(phrases, st.booleans()).map(lambda pair: reason(pair[0]) if pair[1] else pair[0]), max_size=5
)
steps = st.builds(Step, phrases, st.none() | st.integers(0, 99_999), lines.map(tuple))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 8), st.integers(1, 4), st.sampled_from([340, 640, 960]))
def test_no_box_lies_over_another_and_no_word_leaves_its_box(data, arms, length, width):
    columns = tuple(ArmColumn(tuple(data.draw(steps) for _ in range(length)), "waitlist") for _ in range(arms))
    assessed, excluded = data.draw(st.tuples(steps, steps)) if data.draw(st.booleans()) else (None, None)
    chart = parsed(consort_flow(Flow("t", "d", data.draw(steps), columns, assessed, excluded), width))
    boxes = boxes_of(chart)
    assert len(boxes) == 1 + 2 * (assessed is not None) + arms * length
    assert not [pair for pair in combinations(boxes, 2) if overlap(*pair)]
    for node in chart.iter(f"{SVG}text"):
        x, y, size = float(node.get("x")), float(node.get("y")), float(node.get("font-size") or TITLE_SIZE)
        inside = [box for box in boxes if box[0] <= x < box[0] + box[2] and box[1] < y < box[1] + box[3]]
        assert len(inside) == 1
        longest_word = max(map(len, (node.text or "").split(" ")))
        if longest_word * size * 0.52 < inside[0][2] - 40:
            assert x + svg.text_width(node.text or "", min(size, DETAIL_SIZE)) <= inside[0][0] + inside[0][2]
