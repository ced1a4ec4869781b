"""Which value of several is analysed, followed by hand on one participant."""

import math

import pytest

from measurements.models import Query
from measurements.selectors.frames import analysis_frame, withdrawn_count
from measurements.selectors.status import status_grid
from measurements.services.queries import answer_query
from tests.making import PLATFORM
from trials.services.enrollment import record_event

IL6 = {"specimen": "S-1", "biomarker": "IL6", "unit": "pg/mL"}
PSS = {"participant": "T-001-F", "visit": "baseline", "biomarker": "PSS10", "unit": "{score}"}


def frame_of(bench):
    return analysis_frame(bench.trial)


def posted(bench, *rows):
    answer = bench.post(list(rows))
    assert answer.status_code == 201, answer.content
    return frame_of(bench)


def test_one_value_keeps_all_its_digits(bench):
    frame = posted(bench, IL6 | {"value": "1.8300000000000001"})
    [row] = frame.to_dict("records")
    assert (row["participant"], row["visit"], row["biomarker"]) == ("T-001-F", "baseline", "IL6")
    assert row["value"] == 1.8300000000000001
    assert row["comparator"] == ""


def test_replicates_are_averaged_on_the_analysis_scale(bench):
    frame = posted(
        bench,
        *(IL6 | {"value": value, "replicate": number} for number, value in enumerate(["1", "4"], start=1)),
        *(PSS | {"value": value, "replicate": number} for number, value in enumerate(["10", "13"], start=1)),
    )
    values = dict(zip(frame["biomarker"], frame["value"], strict=True))
    assert math.isclose(values["IL6"], 2.0, rel_tol=1e-12)
    assert values["PSS10"] == 11.5


def test_a_mean_is_censored_if_one_replicate_is(bench):
    frame = posted(bench, IL6 | {"value": "<0.4"}, IL6 | {"value": "0.9", "replicate": 2})
    assert frame["comparator"].tolist() == ["<"]
    assert math.isclose(frame["value"][0], 0.6, rel_tol=1e-12)


def test_values_are_in_the_canonical_unit(bench):
    frame = posted(bench, IL6 | {"value": "0.0021", "unit": "ng/mL"})
    assert frame["value"].tolist() == [2.1]


def test_of_several_runs_the_latest_collection_then_the_latest_day(bench):
    early = {"run": "a", "collected_at": "2026-02-25T08:00:00Z", "performed_on": "2026-03-20"}
    late = {"run": "b", "collected_at": "2026-02-26T08:00:00Z", "performed_on": "2026-03-10"}
    later_day = {"run": "c", "collected_at": "2026-02-26T08:00:00Z", "performed_on": "2026-03-11"}
    frame = posted(bench, IL6 | early | {"value": "1"}, IL6 | later_day | {"value": "3"}, IL6 | late | {"value": "2"})
    assert frame["value"].tolist() == [3.0]


def test_what_is_not_final_is_not_analysed(bench):
    frame = posted(
        bench,
        IL6 | {"value": "1.5", "status": "preliminary"},
        IL6 | {"biomarker": "CRP", "status": "not_done", "reason": "Tube broken"},
        IL6 | {"biomarker": "IL10", "value": "---"},
    )
    assert frame.empty


def test_a_correction_takes_the_place_of_what_it_corrects(bench):
    posted(bench, IL6 | {"value": "15"})
    frame = posted(bench, IL6 | {"value": "1.5", "status": "corrected", "reason": "Dilution"})
    assert frame["value"].tolist() == [1.5]


def test_withdrawn_use_of_data_leaves_the_frame_and_is_counted(bench):
    posted(bench, IL6 | {"value": "1"}, IL6 | {"specimen": "S-2", "value": "2"})
    participant = bench.participant("T-001-F")
    record_event(participant=participant, kind="data_use_withdrawn", by=PLATFORM, on=participant.randomized_on)
    assert frame_of(bench)["participant"].tolist() == ["T-002-D"]
    assert withdrawn_count(bench.trial) == 1


def test_an_empty_trial_has_an_empty_frame_with_all_columns(bench):
    frame = frame_of(bench)
    assert list(frame.columns) == [
        "participant_id", "participant", "visit", "biomarker", "value", "comparator", "collected_at", "result_id",
    ]  # fmt: skip
    assert str(frame["value"].dtype) == "float64"


def test_order_does_not_depend_on_the_order_of_arrival(bench):
    frame = posted(
        bench,
        IL6 | {"specimen": "S-2", "value": "2"},
        IL6 | {"biomarker": "CRP", "unit": "mg/L", "value": "1"},
        IL6 | {"value": "1"},
    )
    assert list(zip(frame["participant"], frame["biomarker"], strict=True)) == [
        ("T-001-F", "IL6"),
        ("T-001-F", "CRP"),
        ("T-002-D", "IL6"),
    ]


class TestStatusGrid:
    @pytest.fixture
    def state(self, bench):
        def look(today, visit="baseline", outcome_class="proinflammatory", code="T-001-F"):
            participant = bench.participant(code)
            return status_grid(bench.trial, [participant], today=today)[participant.pk][visit][outcome_class]

        return look

    def test_windows(self, bench, state, day):
        assert state(day("2026-03-02"), "six_months") == "not_yet_due"
        assert state(day("2026-09-13"), "six_months") == "not_yet_due"  # day 196, the window's last
        assert state(day("2026-09-14"), "six_months") == "overdue"

    def test_recorded(self, bench, state, day):
        bench.post([IL6 | {"value": "1"}])
        assert state(day("2026-03-02")) == "incomplete"
        bench.post([IL6 | {"biomarker": "CRP", "status": "not_done", "reason": "Tube broken"}])
        assert state(day("2026-03-02")) == "complete"

    def test_query(self, bench, state, day):
        bench.post([IL6 | {"value": "500"}, IL6 | {"biomarker": "CRP", "unit": "mg/L", "value": "2"}])
        assert state(day("2026-03-02")) == "query"
        answer_query(query=Query.objects.get(), answer="Infection noted", by=PLATFORM)
        assert state(day("2026-03-02")) == "complete"

    def test_waiting_for_the_laboratory(self, bench, state, day):
        bench.post(
            [
                {
                    "participant": "T-001-F",
                    "visit": "six_months",
                    "biomarker": "IL10",
                    "value": "1",
                    "unit": "pg/mL",
                    "collected_at": "2026-09-01T08:00:00Z",
                }
            ]
        )
        assert state(day("2026-09-02"), "six_months") == "waiting_for_lab"
        assert state(day("2026-09-02"), "six_months", "antiinflammatory") == "complete"

    def test_those_who_left_are_not_overdue(self, bench, state, day):
        participant = bench.participant("T-001-F")
        record_event(participant=participant, kind="follow_up_withdrawn", by=PLATFORM, on=participant.randomized_on)
        assert state(day("2026-10-14"), "six_months") == "incomplete"
