"""Batch entry: who has a row, saving once or not at all, changes with a reason, and the check of cells."""

from datetime import date

import pytest
from django.utils import timezone

from measurements.models import Query, Result, Submission
from measurements.selectors.grid import ROWS_ON_A_PAGE
from measurements.services.visits import lock_visit, record_attendance
from tests.making import PLATFORM, make_member
from tests.measurements.conftest import make_participant
from trials import audit
from trials.models import Participant, Trial
from trials.services.lifecycle import change_data_state

GRID = "/trials/t/entry/grid/?visit=baseline&biomarker=IL6&biomarker=CRP"
CHECK = GRID.replace("grid/", "grid/check/")


@pytest.fixture
def coordinator(bench, signed_in):
    """The browser of a coordinator of all sites."""
    return signed_in(make_member(bench.trial, "coordinator"))


@pytest.fixture
def name(bench):
    """The name of the cell of a participant and a biomarker."""

    def named(participant: str, biomarker: str) -> str:
        keys = bench.participant(participant).pk, bench.trial.biomarkers.get(code=biomarker).pk
        return "c{}-{}".format(*keys)

    return named


def values() -> list[str]:
    return sorted(
        f"{each.specimen.identifier} {each.biomarker.code} {each.value_as_sent}" for each in Result.objects.all()
    )


def test_the_choice_is_offered_and_leads_to_the_grid(coordinator, name):
    assert "Enter every value twice" in coordinator.get("/trials/t/entry/").content.decode()
    page = coordinator.get(GRID).content.decode()
    for cell in (name("T-001-F", "IL6"), name("T-002-D", "CRP")):
        assert f'name="{cell}"' in page
    assert "pg/mL" in page
    assert "Save all" in page


def test_an_unfit_choice_is_told_in_its_form(coordinator):
    answer = coordinator.get("/trials/t/entry/grid/?visit=never&biomarker=IL6")
    assert answer.status_code == 422
    assert "Open the grid" in answer.content.decode()
    assert coordinator.get("/trials/t/entry/grid/").status_code == 302


def test_all_cells_are_one_submission(coordinator, name):
    typed = {
        name("T-001-F", "IL6"): "1.83",
        name("T-001-F", "CRP"): "<0.4",
        name("T-002-D", "IL6"): "not done: clotted",
    }
    answer = coordinator.post(GRID, typed | {"key": "k1", name("T-002-D", "CRP"): ""})
    assert answer.status_code == 302
    submission = Submission.objects.get()
    assert (submission.channel, submission.created, submission.laboratory.code) == ("grid", 3, "site")
    assert values() == ["S-1 CRP <0.4", "S-1 IL6 1.83", "S-2 IL6 "]
    assert Result.objects.get(status="not_done").reason == "clotted"
    page = coordinator.get(GRID).content.decode()
    assert "3 values are saved." in page
    assert f'name="{name("T-001-F", "IL6")}"' not in page, "what is recorded is read"


def test_one_wrong_cell_keeps_all_out_and_everything_in_its_place(coordinator, name):
    good, wrong, bare = name("T-001-F", "IL6"), name("T-001-F", "CRP"), name("T-002-D", "IL6")
    answer = coordinator.post(GRID, {good: "1.83", wrong: "1,234", bare: "not done", "key": "k1"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert not Result.objects.exists()
    assert "Nothing was saved: 2 values need a look." in text
    assert "can mean 1.234 or 1234. Send a decimal point and no thousands mark.</span>" in text
    assert "Say why in the cell" in text
    for cell, typed in ((good, "1.83"), (wrong, "1,234"), (bare, "not done")):
        assert f'name="{cell}" value="{typed}"' in text
    assert coordinator.post(GRID, {good: "1.83", wrong: "1.234", "key": "k1"}).status_code == 302


def test_the_script_is_answered_in_json(coordinator, name):
    asked = {"headers": {"Accept": "application/json"}}
    cell = name("T-001-F", "IL6")
    refused = coordinator.post(GRID, {cell: "x", "key": "k"}, **asked)
    assert refused.status_code == 422
    assert refused.json()["cells"][cell]["state"] == "error"
    assert coordinator.post(GRID, {"key": "k"}, **asked).json()["sentence"].startswith("Nothing was typed")
    saved = coordinator.post(GRID, {cell: "2", "key": "k"}, **asked)
    assert saved.json() == {"url": GRID}


def test_a_double_click_is_one_submission(coordinator, name):
    typed = {name("T-001-F", "IL6"): "1.83", "key": "k1"}
    for _ in range(2):
        assert coordinator.post(GRID, typed).status_code == 302
    assert Submission.objects.count() == Result.objects.count() == 1


def test_the_check_says_the_checkers_words_and_saves_nothing(coordinator, name):
    typed = {name("T-001-F", "IL6"): "1,234", name("T-001-F", "CRP"): "34", name("T-002-D", "IL6"): "2"}
    cells = coordinator.post(CHECK, typed).json()["cells"]
    assert cells[name("T-001-F", "IL6")]["state"] == "error"
    assert cells[name("T-001-F", "CRP")]["state"] == "warning"
    assert "plausible range" in cells[name("T-001-F", "CRP")]["sentence"]
    assert name("T-002-D", "IL6") not in cells
    assert not Submission.objects.exists()
    assert not Query.objects.exists()


def test_recorded_values_change_with_one_reason(coordinator, name):
    cell = name("T-001-F", "IL6")
    coordinator.post(GRID, {cell: "18.3", "key": "k1"})
    change = f"{GRID}&changes=on"
    assert 'data-recorded="18.3"' in coordinator.get(change).content.decode()
    asked = coordinator.post(change, {cell: "1.83", "key": "k2"})
    assert asked.status_code == 422
    assert "Say why the value changes" in asked.content.decode()
    assert coordinator.post(change, {cell: "", "reason": "x", "key": "k2"}).status_code == 422
    assert coordinator.post(change, {cell: "1.83", "reason": "Plate read again", "key": "k3"}).status_code == 302
    new = Result.objects.get(superseded_by=None)
    assert (new.value_as_sent, new.status, new.reason) == ("1.83", "corrected", "Plate read again")


def test_what_somebody_else_recorded_meanwhile_is_kept_and_compared(coordinator, name):
    cell = name("T-001-F", "IL6")
    coordinator.post(GRID, {cell: "18.3", "key": "k1"})
    late = coordinator.post(GRID, {cell: "1.83", "key": "k2"})
    assert late.status_code == 422
    text = late.content.decode()
    assert "18.3 pg/mL" in text
    assert f'name="{cell}" value="1.83"' in text
    assert Result.objects.get().value_as_sent == "18.3"


def test_a_laboratorys_value_is_read_and_not_typed_over(bench, coordinator, name):
    bench.post([{"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}])
    page = coordinator.get(f"{GRID}&changes=on").content.decode()
    assert "Ghent Immunology" in page
    assert f'name="{name("T-001-F", "IL6")}"' not in page
    late = coordinator.post(GRID, {name("T-001-F", "IL6"): "2", "key": "k"})
    assert (late.status_code, Result.objects.count()) == (422, 1)


def test_run_and_day_go_with_every_value(coordinator, name):
    url = f"{GRID}&run=plate-7&performed_on=2026-03-05"
    assert coordinator.post(url, {name("T-001-F", "IL6"): "1.83", "key": "k"}).status_code == 302
    result = Result.objects.get()
    assert (result.run, result.performed_on) == ("plate-7", date(2026, 3, 5))


def test_locked_visits_and_closed_data_take_nothing(bench, coordinator, name):
    person, visit = bench.participant("T-001-F"), bench.trial.visits.get(code="baseline")
    record_attendance(participant=person, visit=visit, by=PLATFORM, attended_on=person.randomized_on)
    lock_visit(participant=person, visit=visit, by=PLATFORM)
    assert f'name="{name("T-001-F", "IL6")}"' not in coordinator.get(GRID).content.decode()
    refused = coordinator.post(GRID, {name("T-001-F", "IL6"): "2", "key": "k"})
    assert "is locked" in refused.content.decode()
    change_data_state(trial=Trial.objects.get(), to="frozen", by=PLATFORM, reason="interim look")
    closed = coordinator.post(GRID, {name("T-002-D", "IL6"): "2", "key": "k"})
    assert closed.status_code == 409
    assert not Result.objects.exists()


def test_rows_are_of_the_sites_where_results_are_entered(bench, signed_in, name):
    browser = signed_in(make_member(bench.trial, "coordinator", "leeds"))
    page = browser.get(f"{GRID}&everybody=on").content.decode()
    assert "T-001-F" in page
    assert "T-002-D" not in page
    browser.post(GRID, {name("T-002-D", "IL6"): "2", "key": "k"})
    assert not Result.objects.exists()


@pytest.mark.parametrize(("role", "status"), [("monitor", 403), ("export_staff", 403), ("data_manager", 200)])
def test_who_enters_no_results_gets_no_grid(bench, signed_in, role, status):
    browser = signed_in(make_member(bench.trial, role))
    assert browser.get(GRID).status_code == status
    assert browser.post(CHECK, {}).status_code == status


def test_a_laboratory_manager_sees_specimens_in_place_of_codes(bench, signed_in, name):
    browser = signed_in(make_member(bench.trial, "lab_manager"))
    page = browser.get(GRID).content.decode()
    assert "S-1" in page
    assert "T-001-F" not in page
    assert browser.post(GRID, {name("T-001-F", "IL6"): "2", "key": "k"}).status_code == 302


def test_who_is_due_has_a_row_and_others_where_asked(bench, coordinator):
    late = make_participant(bench.trial, "leeds")
    six = GRID.replace("visit=baseline", "visit=six_months")
    assert late.code in coordinator.get(six).content.decode(), "the window of a long randomized participant has begun"
    with audit.transaction(by=PLATFORM) as event:
        Participant.objects.filter(pk=late.pk).update(randomized_on=timezone.localdate())
        event.record("participant.moved", trial=bench.trial)
    assert late.code not in coordinator.get(six).content.decode()
    assert late.code in coordinator.get(f"{six}&everybody=on").content.decode()


def test_a_large_grid_is_a_page_of_rows_in_few_queries(bench, coordinator, django_assert_max_num_queries):
    for _ in range(4):
        make_participant(bench.trial, "leeds")
    with django_assert_max_num_queries(40):
        page = coordinator.get(f"{GRID}&everybody=on").content.decode()
    assert page.count("<tr>") == 7
    assert ROWS_ON_A_PAGE == 100


def test_nothing_says_an_arm(bench, coordinator):
    page = coordinator.get(GRID).content.decode()
    assert "CBT" not in page
    assert "Waitlist" not in page
