import dataclasses

import pytest

from analytics.figures.consort import ArmFlow, Flow, consort_flow
from tests.analytics.figures.examples import ARMS, FLOW, POOLED
from tests.analytics.figures.reading import texts


def words(lines: list[str]) -> str:
    """All text in one line with plain spaces: boxes wrap where they must."""
    return " ".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def test_everybody_is_accounted_for():
    shown = words(texts(consort_flow(FLOW)))
    for part in (
        "Assessed for eligibility (n = 164)",
        "Excluded (n = 78)",
        "Declined 22",
        "Randomized (n = 86)",
        "Did not receive: 2",
        "Six-month visit: 38 of 44",
        "Lost to follow-up: 3 Moved away 3",
        "Not yet due: 3",
        "Analysed (n = 35)",
    ):
        assert part in shown


def test_a_blinded_viewer_gets_one_box_without_an_arms_colour():
    flow = consort_flow(POOLED)
    assert "All arms (n = 86)" in words(texts(flow))
    assert "arm-" not in flow


def test_a_trial_randomized_elsewhere_begins_with_the_randomization():
    shown = words(texts(consort_flow(dataclasses.replace(FLOW, assessed=None))))
    assert "Assessed" not in shown
    assert "Randomized (n = 86)" in shown


def test_four_arms_make_the_diagram_wider():
    four = consort_flow(dataclasses.replace(FLOW, arms=ARMS + ARMS))
    assert consort_flow(FLOW).startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 ')
    assert 'viewBox="0 0 684 ' in four


def test_a_flow_without_an_arm_or_with_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="at least one arm"):
        Flow("t", "d", 0, ())
    with pytest.raises(ValueError, match="negative"):
        Flow("t", "d", 3, (ArmFlow("a", -1, 0, 0),))
