"""The schedule of SPIRIT: what counts as during an intervention."""

import pytest

from measurements.selectors.spirit import GOES_ON, spirit_schedule
from tests.making import PLATFORM
from tests.measurements.following import make_waitlist_trial
from trials.services.registry import Amendment, amend_protocol

pytestmark = pytest.mark.django_db


def test_only_visits_that_count_from_randomization_are_during_the_intervention() -> None:
    trial = make_waitlist_trial(0)
    described = {"canary-cbt": {"weeks": 40}}
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(interventions=described), reason="Longer")
    table = spirit_schedule(trial, PLATFORM)
    rows = dict(table.groups)["Interventions"]
    marks = {row.label: dict(zip((point.code for point in table.time_points), row.marks, strict=True)) for row in rows}
    going_on = {code for code, mark in marks["Canary CBT"].items() if mark == GOES_ON}
    assert going_on == {"allocation", "six_months", "nine_months"}
