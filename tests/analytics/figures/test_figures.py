"""What every chart promises, whatever it shows."""

import re
import subprocess
import sys

import pytest

from tests.analytics.figures.examples import CHARTS
from tests.analytics.figures.reading import SVG, parsed

every_chart = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS.keys())


@every_chart
def test_it_is_well_formed_and_named_for_those_who_cannot_see_it(chart):
    root = parsed(chart())
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text


@every_chart
def test_text_from_people_never_becomes_markup(chart):
    assert not list(parsed(chart()).iter(f"{SVG}b"))
    assert "<b" not in chart()


@every_chart
def test_nothing_is_styled_or_scripted_inline(chart):
    for node in parsed(chart()).iter():
        assert "style" not in node.attrib
        assert not [name for name in node.attrib if name.startswith("on")]
        assert node.tag not in {f"{SVG}style", f"{SVG}script"}


@every_chart
def test_every_number_is_finite(chart):
    assert not re.search(r"\b(nan|NaN|inf|None)\b", chart())


@every_chart
def test_the_same_data_give_the_same_bytes(chart):
    assert chart() == chart()


@every_chart
def test_everything_lies_within_the_picture(chart):
    root = parsed(chart())
    width, height = (float(side) for side in root.get("viewBox").split()[2:])
    for node in root.iter(f"{SVG}rect"):
        assert float(node.get("x")) >= 0
        assert float(node.get("x")) + float(node.get("width")) <= width
        assert float(node.get("y")) + float(node.get("height")) <= height
    for node in root.iter(f"{SVG}text"):
        assert 0 <= float(node.get("x")) <= width
        assert 0 <= float(node.get("y")) <= height


def test_the_charts_need_neither_django_nor_a_data_frame():
    code = (
        "import sys, analytics.figures.forest_narrow, analytics.figures.consort, analytics.figures.recruitment, "
        "analytics.figures.precision; print([name for name in ('django', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
