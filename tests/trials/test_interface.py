"""The template tags."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import path
from django.utils import timezone

from trials.templatetags.interface import (
    ICONS,
    STATUSES,
    ago,
    cell,
    column_header,
    confidence_interval,
    icon,
    number,
    p_value,
    status_square,
    trial_navigation,
)

urlpatterns = [
    path("", lambda request: None, name="home"),
    path("trials/<slug:slug>/", lambda request, slug: None, name="trial-overview"),
    path("trials/<slug:slug>/participants/", lambda request, slug: None, name="participants"),
    path("trials/<slug:slug>/audit/", lambda request, slug: None, name="audit-trail"),
]
TRIAL = SimpleNamespace(title="CALM-Sleep", slug="calm-sleep")


def current(page: str, address: str = "/") -> SimpleNamespace:
    """A request for the named page."""
    request = RequestFactory().get(address)
    request.resolver_match = SimpleNamespace(url_name=page)
    return request


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (-0.5, 2, "−0.50"),
        (-0.001, 2, "0.00"),
        (1022, None, "1,022"),
        (None, 2, ""),
        (float("nan"), 2, ""),
        (float("inf"), 1, ""),
    ],
)
def test_number(value, digits, shown):
    assert number(value, digits) == shown


def test_a_cell_writes_numbers_like_the_charts_and_leaves_words_alone():
    assert [cell(value) for value in (-0.2, 1022, None, "38 / 35", float("nan"))] == [
        "−0.20",
        "1,022",
        "",
        "38 / 35",
        "",
    ]
    assert cell(0.03104733, 4) == "0.0310"


def test_confidence_interval():
    assert confidence_interval(0.28, 0.02, 0.54) == "0.28 (0.02 to 0.54)"
    assert confidence_interval(-0.05, -0.51, 0.41) == "−0.05 (−0.51 to 0.41)"
    assert confidence_interval(None, None, None) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.00004, "<0.001"), (0.0412, "0.041"), (0.31, "0.31"), (0.9999, ">0.99"), (None, ""), (float("nan"), "")],
)
def test_p_value(value, shown):
    assert p_value(value) == shown


@pytest.mark.parametrize(
    ("elapsed", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=14), "14 minutes ago"),
        (timedelta(hours=1, minutes=5), "1 hour ago"),
        (timedelta(days=9), "9 days ago"),
    ],
)
def test_ago_keeps_the_full_time_and_its_zone(elapsed, words):
    moment = timezone.now() - elapsed
    shown = ago(moment)
    assert f">{words}</time>" in shown
    assert f'datetime="{moment.isoformat()}"' in shown
    assert "UTC" in shown
    assert ago(None) == ""


def test_an_icon_is_silent_unless_it_has_a_meaning():
    assert 'aria-hidden="true"' in icon("check")
    assert 'aria-label="&lt;Saved&gt;"' in icon("check", "<Saved>")
    with pytest.raises(KeyError):
        icon("unicorn")


@pytest.mark.parametrize("state", STATUSES)
def test_a_status_square_says_its_state_in_words(state):
    label = str(STATUSES[state].label)
    assert f'aria-label="Baseline: {label}"' in status_square(state, "/visit/", "Baseline")
    assert 'href="/visit/"' in status_square(state, "/visit/", "Baseline")
    assert 'role="img"' in status_square(state)
    assert STATUSES[state].letter or STATUSES[state].icon in ICONS


@pytest.mark.urls(__name__)
def test_the_navigation_has_the_pages_that_exist():
    context = Context({"request": current("participant"), "trial": TRIAL, "navigation_counts": {"participants": 5}})
    entries = trial_navigation(context)
    assert [str(entry["label"]) for entry in entries] == ["My trials", "Overview", "Participants", "Audit trail"]
    assert [entry["active"] for entry in entries] == [False, False, True, False]
    assert entries[2]["count"] == 5
    assert entries[1]["url"] == "/trials/calm-sleep/"


@pytest.mark.urls(__name__)
def test_without_a_trial_the_navigation_is_the_platforms():
    entries = trial_navigation(Context({"request": current("home")}))
    assert [(entry["url"], entry["active"]) for entry in entries] == [("/", True)]


def test_a_head_sorts_by_its_column_and_keeps_the_other_parameters():
    context = Context({"request": current("participants", "/?site=ghent&sort=number&page=3")})
    head = column_header(context, "Participant", "number")
    assert 'aria-sort="ascending"' in head
    assert 'href="?site=ghent&amp;sort=-number"' in head
    assert "aria-sort" not in column_header(context, "Site", "site")
    assert column_header(context, "Results", numeric=True) == '<th scope="col" class="number">Results</th>'


@pytest.mark.urls(__name__)
def test_the_shell_shows_a_page_within_its_trial():
    page = Template(
        '{% extends "_layout.html" %}{% block title %}Overview{% endblock %}'
        "{% block heading %}{{ trial.title }}{% endblock %}{% block content %}<p>Here</p>{% endblock %}"
    )
    html = page.render(Context({"request": current("trial-overview"), "trial": TRIAL}))
    assert "<title>Overview · CALM-Sleep · Study platform</title>" in html
    assert "<h1>CALM-Sleep</h1>" in html
    assert 'href="#content"' in html
    assert 'aria-current="page"' in html


def test_the_error_page_needs_nothing():
    html = Template('{% include "500.html" %}').render(Context({"reference": "7f3a"}))
    assert "What was saved before is safe" in html
    assert "7f3a" in html


def test_the_numbers_under_a_chart_are_a_table():
    columns = [{"label": "Outcome"}, {"label": "g", "numeric": True}]
    html = Template('{% include "_components/numbers_table.html" %}').render(
        Context({"caption": "Effects", "columns": columns, "rows": [["IL-6", -0.2], ["CRP", None]]})
    )
    assert '<th scope="row">IL-6</th><td class="number">−0.20</td>' in html
    assert '<th scope="row">CRP</th><td class="number"></td>' in html
