"""The simulated trial: its counts, its dates, its values."""

import math
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from demo import calm_sleep
from demo.calm_sleep import MARKERS, corrections_for, recruitment_starts, results_for, screening
from trials.allocation.study_codes import format_code

TODAY = date(2026, 11, 22)
DAYS = [TODAY, date(2026, 12, 1), date(2027, 3, 28), date(2028, 2, 29)]
VISITS = ("baseline", "six_months")


def randomized(today=TODAY):
    return sorted((person for person in screening(today) if person.enrolment), key=lambda person: person.enrolment)


def all_rows(arm_kind="waitlist", today=TODAY):
    return [
        row for person in randomized(today) for visit in VISITS for row in results_for(person, arm_kind, visit, today)
    ]


def value_of(row):
    return float(row["value"].removeprefix("<"))


@pytest.mark.parametrize("today", DAYS)
def test_the_flow_has_exactly_the_numbers_of_the_design(today):
    people = screening(today)
    assert len(people) == 164
    assert Counter(person.excluded for person in people) == {None: 86, "ineligible": 51, "declined": 22, "other": 5}
    assert all(person.exclusion_reason for person in people if person.excluded)
    assert [person.enrolment for person in randomized(today)] == list(range(1, 87))
    assert calm_sleep.PLANNED == 120


@pytest.mark.parametrize("today", DAYS)
def test_six_months_are_due_for_eighty_and_done_for_seventy_three(today):
    due = [person for person in randomized(today) if (today - person.randomized_on).days + 1 >= 183]
    assert len(due) == 80
    assert sum(person.six_months_on is not None for person in due) == 73
    assert sum(person.six_months_missed != "" for person in due) == 5
    assert sum(person.data_use_withdrawn_on is not None for person in due) == 1
    assert not any(
        person.six_months_on or person.six_months_missed for person in randomized(today) if person not in due
    )


@pytest.mark.parametrize("today", DAYS)
def test_days_follow_each_other(today):
    people = screening(today)
    assert [person.code for person in people] == [format_code("PNI", number) for number in range(1, 165)]
    assert [person.screened_on for person in people] == sorted(person.screened_on for person in people)
    assert people[0].screened_on >= recruitment_starts(today)
    assert people[-1].screened_on < today
    days = [person.randomized_on for person in randomized(today)]
    assert days == sorted(days)
    for person in randomized(today):
        assert person.screened_on < person.consented_on <= person.baseline_on <= person.randomized_on < today
        assert person.baseline_on - person.randomized_on >= timedelta(days=-28)
        assert person.randomized_on.weekday() < 5


def test_recruiting_began_in_january_when_shown_on_the_day_of_the_design():
    assert recruitment_starts(TODAY) == date(2026, 1, 6)


def test_one_visit_is_out_of_its_window():
    study_days = [(p.six_months_on - p.randomized_on).days + 1 for p in randomized() if p.six_months_on]
    assert sum(not 168 <= day <= 196 for day in study_days) == 1


def test_both_sites_and_sexes_are_in_every_stratum():
    strata = Counter((person.site, person.sex) for person in randomized())
    assert set(strata) == {(site, sex) for site in ("leeds", "ghent") for sex in "FM"}
    assert min(strata.values()) >= 10


def test_the_same_question_has_the_same_answer_in_another_process():
    program = (
        "from datetime import date; from demo.calm_sleep import *; today = date(2026, 11, 22);"
        "people = screening(today);"
        "print(people, [results_for(p, 'intervention', v, today) for p in people for v in ('baseline', 'six_months')])"
    )
    root = Path(calm_sleep.__file__).parents[1]
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(answers) == 1
    assert screening(TODAY) == screening(TODAY)


def test_every_outcome_class_of_the_design_is_measured():
    assert {MARKERS[row["biomarker"]].outcome_class for row in all_rows()} == {
        *("proinflammatory", "antiinflammatory", "antibody", "immune_cell_count", "nk_cytotoxicity", "viral_load"),
        *("other_immune", "hpa_axis", "oxytocin", "stress"),
    }


def test_rows_are_what_the_laboratories_send():
    rows = all_rows()
    assert 1500 < len(rows) < 2000
    assert len({(row["participant"], row["visit"], row["biomarker"]) for row in rows}) == len(rows)
    for row in rows:
        if row.get("status") == "not_done":
            assert row["reason"]
            assert "value" not in row
        else:
            assert re.fullmatch(r"<?\d+(\.\d+)?", row["value"])
            assert row["unit"] == MARKERS[row["biomarker"]].unit
            assert value_of(row) > 0
        collected = datetime.fromisoformat(row["collected_at"])
        assert collected.utcoffset() is not None
        assert collected.date() < TODAY
    assert sum(row.get("status") == "not_done" for row in rows) == 4


def test_some_values_are_below_their_limit():
    below = Counter(row["value"] for row in all_rows() if row.get("value", "").startswith("<"))
    assert below["<0.4"] >= 10
    assert sum(below.values()) < 0.05 * len(all_rows())


def test_clocks_are_those_of_the_site_on_that_day():
    sites = {person.code: person.site for person in randomized()}
    offsets = {
        (sites[row["participant"]], row["collected_at"][5:7] in {"06", "07", "08"}, row["collected_at"][-6:])
        for row in all_rows()
        if row["collected_at"][5:7] in {"01", "02", "06", "07", "08"}
    }
    assert offsets == {
        ("leeds", False, "+00:00"),
        ("leeds", True, "+01:00"),
        ("ghent", False, "+01:00"),
        ("ghent", True, "+02:00"),
    }


def test_the_arm_moves_only_six_months():
    (person,) = [person for person in randomized() if person.enrolment == 20]
    intervention, waitlist = (
        {visit: results_for(person, kind, visit, TODAY) for visit in VISITS} for kind in ("intervention", "waitlist")
    )
    assert intervention["baseline"] == waitlist["baseline"]
    changed = {
        lower["biomarker"]: value_of(lower) < value_of(higher)
        for lower, higher in zip(intervention["six_months"], waitlist["six_months"], strict=True)
        if lower != higher
    }
    assert changed["IL6"]
    assert not changed["FLUA"]
    assert "CD4" not in changed


def test_the_two_visits_of_a_participant_correlate():
    values = {
        visit: {
            row["participant"]: value_of(row)
            for row in all_rows()
            if row["biomarker"] == "IL6" and row["visit"] == visit
        }
        for visit in VISITS
    }
    both = sorted(values["baseline"].keys() & values["six_months"].keys())
    before, after = ([math.log(values[visit][code]) for code in both] for visit in VISITS)
    assert 0.4 < statistics.correlation(before, after) < 0.8


def test_one_result_is_put_right_with_a_reason():
    corrections = [
        (person, visit, row)
        for person in randomized()
        for visit in VISITS
        for row in corrections_for(person, "waitlist", visit, TODAY)
    ]
    ((person, visit, corrected),) = corrections
    (first,) = [r for r in results_for(person, "waitlist", visit, TODAY) if r["biomarker"] == corrected["biomarker"]]
    assert value_of(first) == pytest.approx(10 * value_of(corrected), rel=0.01)
    assert (corrected["status"], bool(corrected["reason"])) == ("corrected", True)


def test_nothing_comes_from_the_future_or_from_people_not_randomized():
    for person in screening(TODAY):
        if person.excluded:
            assert results_for(person, "waitlist", "baseline", TODAY) == []
        elif person.six_months_on:
            assert results_for(person, "waitlist", "six_months", person.six_months_on) == []
            assert results_for(person, "waitlist", "six_months", person.six_months_on + timedelta(days=1))


def test_values_keep_to_a_person_whose_code_the_platform_chose():
    (person,) = [person for person in randomized() if person.enrolment == 3]
    renamed = replace(person, code="X-9")
    assert {row["participant"] for row in results_for(renamed, "waitlist", "baseline", TODAY)} == {"X-9"}
    assert [row.get("value") for row in results_for(renamed, "waitlist", "baseline", TODAY)] == [
        row.get("value") for row in results_for(person, "waitlist", "baseline", TODAY)
    ]
