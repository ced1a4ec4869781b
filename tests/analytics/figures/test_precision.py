import dataclasses

import pytest

from analytics.figures.precision import PrecisionPoint, power_tracker, width_tracker
from tests.analytics.figures.examples import PRECISION
from tests.analytics.figures.reading import texts


def test_both_trackers_name_present_and_plan():
    assert {"Now: 0.94 with 73", "Planned: 0.76 with 110"} <= set(texts(width_tracker(PRECISION)))
    assert {"Now: 49% with 73", "Planned: 73% with 110"} <= set(texts(power_tracker(PRECISION)))


def test_only_the_power_has_a_usual_level():
    assert 'class="plan"' in power_tracker(PRECISION)
    assert 'class="plan"' not in width_tracker(PRECISION)


def test_before_anybody_can_be_analysed_only_the_plan_is_named():
    chart = width_tracker(dataclasses.replace(PRECISION, now=None, curve=()))
    assert "Planned: 0.76 with 110" in texts(chart)
    assert "Now" not in chart


@pytest.mark.parametrize("point", [(10, float("nan"), 0.5), (10, -1.0, 0.5), (10, 1.0, 1.5)])
def test_impossible_points_are_refused(point):
    with pytest.raises(ValueError, match="finite"):
        PrecisionPoint(*point)
