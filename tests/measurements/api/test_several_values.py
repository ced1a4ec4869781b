"""A second run or specimen of the same participant, visit and biomarker: one value is analysed, and a query asks."""

import pytest

from measurements.models import Query
from measurements.services.queries import answer_query
from measurements.services.specimens import register_specimen
from tests.making import PLATFORM

FIRST = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL", "run": "plate-1"}
SECOND = FIRST | {"value": "2.4", "run": "plate-2"}


def asked():
    return list(Query.objects.filter(code="several_values").order_by("id").values_list("state", flat=True))


def test_a_second_run_asks_once(bench):
    bench.post([FIRST])
    assert asked() == []
    bench.post([SECOND])
    query = Query.objects.get()
    assert (query.code, query.state, query.participant.code) == ("several_values", "open", "T-001-F")
    assert query.result.run == "plate-2"
    assert "2 values from different runs or specimens" in query.question
    bench.post([SECOND])
    bench.post([FIRST | {"run": "plate-3", "value": "1.9"}])
    assert asked() == ["open"]


def test_a_second_specimen_asks_and_both_in_one_delivery(bench):
    register_specimen(
        participant=bench.participant("T-001-F"),
        visit=bench.trial.visits.get(code="baseline"),
        identifier="S-1b",
        by=PLATFORM,
    )
    bench.post([FIRST, FIRST | {"specimen": "S-1b"}])
    assert asked() == ["open"]


def test_another_specimen_of_the_visit_without_a_value_is_none(bench):
    register_specimen(
        participant=bench.participant("T-001-F"),
        visit=bench.trial.visits.get(code="baseline"),
        identifier="S-1-blood",
        specimen_type="blood",
        by=PLATFORM,
    )
    bench.post([FIRST])
    assert asked() == []


@pytest.mark.parametrize(
    "other",
    [
        {"replicate": 2, "run": "plate-1"},
        {"status": "preliminary"},
        {"status": "not_done", "value": None, "reason": "Tube broken"},
        {"biomarker": "CRP", "unit": "mg/L"},
        {"specimen": "S-2"},
    ],
)
def test_what_does_not_count_twice_is_not_asked_about(bench, other):
    bench.post([FIRST])
    assert bench.post([SECOND | other]).status_code == 201
    assert asked() == []


def test_a_final_value_after_a_preliminary_one_counts(bench):
    bench.post([FIRST, SECOND | {"status": "preliminary"}])
    assert asked() == []
    assert bench.post([SECOND]).status_code == 201
    assert asked() == ["open"]


def test_a_correction_neither_asks_again_nor_answers(bench):
    bench.post([FIRST, SECOND])
    correction = {"status": "corrected", "reason": "Dilution misread"}
    assert bench.post([SECOND | correction | {"value": "2.6"}]).status_code == 201
    assert asked() == ["open"]
    answer_query(query=Query.objects.get(), answer="Both plates are right", by=PLATFORM)
    assert bench.post([SECOND | correction | {"value": "2.7"}]).status_code == 201
    assert asked() == ["answered"]


def test_one_value_left_closes_the_query(bench):
    bench.post([FIRST, SECOND])
    withdrawn = SECOND | {"status": "not_done", "value": None, "reason": "Wrong tube"}
    corrected = bench.post([withdrawn | {"corrects": str(Query.objects.get().result_id)}])
    assert corrected.status_code == 201
    assert asked() == ["closed"]
