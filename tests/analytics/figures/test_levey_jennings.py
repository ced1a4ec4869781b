from datetime import date, timedelta

import pytest

from analytics.figures.levey_jennings import ControlPoint, LeveyJennings, letters, levey_jennings_chart
from tests.analytics.figures.reading import SVG, parsed, texts

RULES = [(), ("1_2s",), ("1_2s", "1_3s"), ("1_2s", "2_2s"), ("4_1s", "10_x")]


def chart(*points: tuple[float, tuple[str, ...]], width: float = 900) -> str:
    days = [date(2026, 3, 1) + timedelta(days=7 * place) for place in range(len(points))]
    drawn = [
        ControlPoint(day, z, rules, f"plate-{place}")
        for place, (day, (z, rules)) in enumerate(zip(days, points, strict=True))
    ]
    return levey_jennings_chart(LeveyJennings("Control", "Five values.", tuple(drawn)), width)


def test_each_state_has_its_own_shape_and_letter() -> None:
    drawn = chart(*((1.0, rules) for rules in RULES))
    found = parsed(drawn)
    assert len(list(found.iter(f"{SVG}circle"))) == 1
    assert len([each for each in found.iter(f"{SVG}path") if each.get("class") == "ring"]) == 1
    assert len([each for each in found.iter(f"{SVG}rect") if each.get("class") == "reject"]) == 3
    assert [text for text in texts(drawn) if text in {"w", "A", "B", "DE"}] == ["w", "A", "B", "DE"]


def test_a_rejection_hides_the_warning_that_came_with_it() -> None:
    assert [letters(rules) for rules in RULES] == ["", "w", "A", "B", "DE"]


@pytest.mark.parametrize("width", [340, 900])
@pytest.mark.parametrize("count", [1, 2, 5, 80])
def test_everything_stays_in_the_picture(width: float, count: int) -> None:
    drawn = chart(*((9.0 if place % 2 else -9.0, ("1_3s",)) for place in range(count)), width=width)
    for mark in parsed(drawn).iter(f"{SVG}rect"):
        assert 0 <= float(mark.get("x")) <= width - 11
        assert 0 <= float(mark.get("y")) <= 276
    assert drawn.count('class="reference"') >= count


def test_the_limits_are_named_with_the_true_minus_sign() -> None:
    assert {"+3", "+2", "+1", "0", "−1", "−2", "−3"} <= set(texts(chart((0.0, ()))))


def test_the_first_and_the_last_day_are_written() -> None:
    shown = texts(chart(*((0.0, ()) for _ in range(40)), width=340))
    assert "2026-03-01" in shown
    assert "2026-11-29" in shown


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a value"):
        chart()
