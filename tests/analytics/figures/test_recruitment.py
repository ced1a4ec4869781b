import dataclasses
from datetime import date

import pytest

from analytics.figures.recruitment import recruitment_chart
from tests.analytics.figures.examples import RECRUITMENT
from tests.analytics.figures.reading import texts


def test_the_last_point_and_the_target_are_named():
    shown = texts(recruitment_chart(RECRUITMENT))
    assert "86 randomized" in shown
    assert "Target 120" in shown
    assert "2026" in shown


def test_before_the_first_participant_there_is_only_the_plan():
    chart = recruitment_chart(dataclasses.replace(RECRUITMENT, points=()))
    assert "Target 120" in texts(chart)
    assert "<circle" not in chart


def test_recruitment_beyond_target_and_after_the_end_stays_in_the_picture():
    late = dataclasses.replace(RECRUITMENT, points=((date(2026, 2, 1), 10), (date(2027, 6, 1), 150)))
    assert ">150 randomized</text>" in recruitment_chart(late)


def test_a_plan_without_length_or_days_backwards_are_refused():
    with pytest.raises(ValueError, match="end after it starts"):
        dataclasses.replace(RECRUITMENT, ends=RECRUITMENT.starts)
    with pytest.raises(ValueError, match="ascending"):
        dataclasses.replace(RECRUITMENT, points=((date(2026, 2, 1), 1), (date(2026, 1, 1), 2)))
