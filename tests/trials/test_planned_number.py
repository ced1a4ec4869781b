"""How long the sealed lists are, and what the planned number may be amended to."""

import pytest

from tests.making import PLATFORM, make_trial
from trials.errors import RuleBroken
from trials.services.registry import Amendment, amend_protocol
from trials.services.sealing import list_length, sealed_places

pytestmark = pytest.mark.django_db


def plan(trial, number: int):
    texts = {"planned_participants": number}
    return amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(texts=texts), reason="Slower than thought")


@pytest.mark.parametrize(("planned", "places"), [(None, 200), (2, 200), (100, 200), (101, 202), (400, 800)])
def test_a_list_has_a_reserve(planned, places) -> None:
    assert list_length(planned) == places


@pytest.mark.parametrize("method", ["permuted_blocks", "simple", "minimization"])
@pytest.mark.parametrize("unit", ["participant", "group"])
def test_every_list_serves_the_planned_number_twice(method, unit) -> None:
    trial = make_trial(planned=101, randomization_method=method, randomization_unit=unit)
    assert sealed_places(trial) == 202
    assert plan(trial, 202).planned_participants == 202
    with pytest.raises(RuleBroken, match="sealed with 202 places, and cannot serve 203") as refused:
        plan(trial, 203)
    assert (refused.value.code, refused.value.field) == ("planned_beyond_list", "planned_participants")
    trial.refresh_from_db()
    assert trial.planned_participants == 202


def test_a_draft_plans_what_it_likes() -> None:
    assert plan(make_trial(status="draft"), 20_000).planned_participants == 20_000
