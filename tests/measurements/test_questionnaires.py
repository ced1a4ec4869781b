"""Questionnaires entered item by item: answers and scores recorded together, corrected together, traceable."""

from decimal import Decimal

import pytest
from django.test import Client

from measurements.models import QuestionnaireSheet, Result, Specimen, Submission
from measurements.selectors.listings import awaited, specimens_visible_to
from measurements.selectors.status import status_grid
from measurements.services.catalogue import add_biomarkers
from measurements.services.questionnaires import record_answers
from measurements.services.visits import lock_visit, record_attendance
from tests.making import PLATFORM, make_member
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import AuditEvent, Participant
from trials.selectors.audit_trail import events_of
from trials.services.enrollment import record_event
from trials.services.lifecycle import change_data_state

pytestmark = pytest.mark.django_db
VISIT = "/trials/t/participants/T-001-F/visits/baseline/"
URL = f"{VISIT}questionnaires/PSS10/"
FULL = dict(enumerate(["2", "1", "3", "2", "3", "1", "2", "1", "2", "0"], 1))  # 17, helplessness 9


@pytest.fixture
def trial(bench):
    add_biomarkers(trial=bench.trial, biomarkers=["PSS10H", "WAISR", "CARE"], by=PLATFORM)
    return bench.trial


@pytest.fixture
def person(bench, trial) -> Participant:
    return bench.participant("T-001-F")


@pytest.fixture
def coordinator(trial) -> Actor:
    return make_member(trial, "coordinator", "leeds")


@pytest.fixture
def page(coordinator) -> Client:
    client = Client()
    client.force_login(coordinator.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def record(person, coordinator):
    def recorded(entered=FULL, *, instrument="PSS10", by=coordinator, seen=None, reason="", visit="baseline"):
        return record_answers(
            participant=person,
            visit=person.trial.visits.get(code=visit),
            instrument=instrument,
            entered=entered,
            by=by,
            seen=seen,
            reason=reason,
        )

    return recorded


def current(code: str) -> Result:
    return Result.objects.get(biomarker__code=code, superseded_by=None)


def sent(entered=FULL, **more) -> dict[str, str]:
    return {f"q{number}": text for number, text in entered.items()} | {"seen": ""} | more


def test_answers_and_every_measured_scale_in_one_delivery(record):
    sheet = record()
    assert sheet.answers == {str(number): text for number, text in FULL.items()}
    assert sheet.scores == {"PSS10": "17", "PSS10H": "9", "PSS10S": "8"}
    assert (sheet.instrument, sheet.version, sheet.revision) == ("PSS10", "1988", 0)
    total, part = current("PSS10"), current("PSS10H")
    assert (total.value, total.value_as_sent, total.unit, total.status) == (17, "17", "{score}", "final")
    assert part.value == 9
    assert total.submission == part.submission == sheet.submission == Submission.objects.get()
    assert total.specimen == part.specimen
    assert total.specimen.specimen_type == "questionnaire"
    assert not Result.objects.filter(biomarker__code="PSS10S").exists()
    total.trial.refresh_from_db()


def test_the_same_again_changes_nothing(record):
    first = record()
    events = AuditEvent.objects.count()
    assert record(seen=None) == first
    assert record({**FULL, 1: " 2 "}, seen=0) == first
    assert QuestionnaireSheet.objects.count() == 1
    assert Result.objects.count() == 2
    assert AuditEvent.objects.count() == events


def test_too_few_answers_are_not_done_with_the_items_as_reason(record):
    record({**FULL, 9: ""})
    assert (current("PSS10").status, current("PSS10").value) == ("not_done", None)
    assert current("PSS10").reason == "Without an answer: items 9."


def test_a_correction_replaces_sheet_and_scores_together(record):
    old = record()
    with pytest.raises(RuleBroken, match="Say why") as refused:
        record({**FULL, 10: "4"}, seen=0)
    assert refused.value.field == "reason"
    new = record({**FULL, 10: "4"}, seen=0, reason="Misread")
    assert (new.supersedes, new.revision, new.reason) == (old, 1, "Misread")
    total = current("PSS10")
    assert (total.value, total.status, total.reason, total.revision) == (21, "corrected", "Misread", 1)
    assert total.supersedes.value == 17
    old.refresh_from_db()
    assert old.scores["PSS10"] == "17"


def test_other_answers_with_the_same_score_are_kept_and_the_result_stays(record):
    record()
    before = current("PSS10").pk
    new = record({**FULL, 1: "1", 2: "2"}, seen=0, reason="Rows swapped")
    assert new.scores["PSS10"] == "17"
    assert current("PSS10").pk == before


def test_from_a_score_to_none_and_back(record):
    record()
    record({**FULL, 3: ""}, seen=0, reason="Was crossed out")
    assert current("PSS10").status == "not_done"
    assert current("PSS10").reason == "Was crossed out. Without an answer: items 3."
    record(FULL, seen=1, reason="Read again")
    assert current("PSS10").value == 17
    assert QuestionnaireSheet.objects.count() == 3


def test_who_looked_at_an_older_sheet_overwrites_nothing(record):
    record()
    record({**FULL, 1: "0"}, seen=0, reason="One")
    with pytest.raises(InConflict, match="Somebody else"):
        record({**FULL, 1: "4"}, seen=0, reason="Two")
    with pytest.raises(InConflict, match="Somebody else"):
        record({**FULL, 1: "4"}, seen=None, reason="Two")
    assert current("PSS10").value == 15


@pytest.mark.parametrize(("entered", "code"), [({**FULL, 1: "5"}, "answer_not_offered"), ({}, "answers_missing")])
def test_what_cannot_be_saved_saves_nothing(record, entered, code):
    with pytest.raises(RuleBroken) as refused:
        record(entered)
    assert refused.value.code == code
    assert not QuestionnaireSheet.objects.exists()
    assert not Result.objects.exists()
    assert not Submission.objects.exists()


def test_a_mean_in_place_of_an_answer_is_recorded_with_four_digits(record):
    record({**dict.fromkeys(range(1, 9), "4"), 9: "5", 10: "na"}, instrument="CARE")
    assert current("CARE").value == Decimal("41.1111")


def test_a_typed_total_is_corrected_with_a_reason_or_agrees(page, record, trial):
    key = trial.biomarkers.get(code="PSS10").pk
    page.post(f"{VISIT}values/{key}/", {f"b{key}": "20"})
    assert "Recorded as 20, typed and not from these items" in page.get(URL).content.decode()
    with pytest.raises(RuleBroken, match="Say why"):
        record()
    record(reason="Counted again")
    assert current("PSS10").value == 17
    page.post(f"{VISIT}values/{key}/", {f"b{key}": "18", f"b{key}-reason": "No"})
    assert "Recorded as 18, typed and not from these items" in page.get(URL).content.decode()


def test_a_laboratorys_score_is_not_ours_to_change(bench, trial, record, page):
    row = {"participant": "T-001-F", "visit": "baseline", "biomarker": "PSS10", "value": "20", "unit": "{score}"}
    assert bench.post([row]).status_code == 201
    with pytest.raises(InConflict, match="Ghent Immunology"):
        record(reason="Ours")
    shown = page.get(URL).content.decode()
    assert "Recorded as 20 by Ghent Immunology" in shown
    assert "Save the answers" not in shown


def test_a_locked_visit_refuses(person, record):
    visit = person.trial.visits.get(code="baseline")
    record_attendance(participant=person, visit=visit, by=PLATFORM, attended_on=person.randomized_on)
    lock_visit(participant=person, visit=visit, by=PLATFORM)
    with pytest.raises(RuleBroken) as refused:
        record()
    assert refused.value.code == "visit_locked"
    assert "Row 1" not in refused.value.sentence
    assert not QuestionnaireSheet.objects.exists()


def test_withdrawn_data_use_refuses(person, record):
    record_event(
        participant=person, kind="data_use_withdrawn", by=PLATFORM, on=person.randomized_on, reason="Asked for"
    )
    person.refresh_from_db()
    with pytest.raises(RuleBroken) as refused:
        record()
    assert refused.value.code == "participant_withdrawn"


def test_frozen_data_refuse_and_nothing_waits(trial, person, record):
    change_data_state(trial=trial, to="frozen", by=PLATFORM, reason="Interim")
    with pytest.raises(InConflict, match="frozen"):
        record()
    assert not Submission.objects.exists()


def test_needs_the_right_at_the_participants_site(trial, record):
    for by in (make_member(trial, "coordinator", "ghent"), make_member(trial, "monitor")):
        with pytest.raises(NotAllowed):
            record(by=by)


def test_only_what_the_trial_measures(record):
    for instrument in ("CEQ", "XYZ", "PSS10H"):
        with pytest.raises(NotFound):
            record(instrument=instrument)


class TestPage:
    def test_empty_then_saved_with_the_score(self, page):
        shown = page.get(URL).content.decode()
        assert shown.count('class="value"><input') == 10
        assert "0 to 4" in shown
        answer = page.post(URL, sent())
        assert (answer.status_code, answer["Location"]) == (302, URL)
        shown = page.get(URL).content.decode()
        assert "Saved. The total is 17." in shown
        assert "Recorded from these items" in shown
        assert "Kept here; the trial does not measure it" in shown
        assert "Reason for the change" in shown

    def test_a_misread_answer_stays_in_its_field(self, page):
        answer = page.post(URL, sent({**FULL, 4: "7"}))
        shown = answer.content.decode()
        assert answer.status_code == 422
        assert "Item 4 takes whole numbers from 0 to 4, not “7”." in shown
        assert 'value="7"' in shown
        assert not QuestionnaireSheet.objects.exists()

    def test_what_is_missing_is_told(self, page):
        page.post(URL, sent({**FULL, 9: ""}))
        shown = page.get(URL).content.decode()
        assert "Item 9 without an answer" in shown
        assert "it is recorded as not done" in shown

    def test_a_double_submit_is_harmless(self, page):
        assert [page.post(URL, sent()).status_code for _ in range(2)] == [302, 302]
        assert QuestionnaireSheet.objects.count() == 1

    def test_a_change_asks_why_and_lists_the_versions(self, page):
        page.post(URL, sent())
        assert page.post(URL, sent({**FULL, 1: "0"}, seen="0")).status_code == 422
        assert page.post(URL, sent({**FULL, 1: "0"}, seen="0", reason="Misread")).status_code == 302
        shown = page.get(URL).content.decode()
        assert "Misread" in shown
        assert "2 1 3 2 3 1 2 1 2 0" in shown
        assert "0 1 3 2 3 1 2 1 2 0" in shown

    def test_the_visit_form_leads_to_the_items(self, page):
        shown = page.get(VISIT).content.decode()
        assert shown.count("Enter items") == 4  # PSS10 and one of its scales, WAISR, CARE
        assert f'href="{URL}"' in shown

    def test_who_may_not_record_reads(self, trial, record, client):
        record()
        client.force_login(
            make_member(trial, "monitor").user, backend="allauth.account.auth_backends.AuthenticationBackend"
        )
        shown = client.get(URL).content.decode()
        assert "Save the answers" not in shown
        assert "your role does not record results here" in shown
        assert client.post(URL, sent()).status_code == 403

    def test_unknown_and_foreign_are_not_found(self, page):
        for url in (f"{VISIT}questionnaires/CEQ/", URL.replace("T-001-F", "T-002-D"), URL.replace("baseline", "x")):
            assert page.get(url).status_code == 404, url


class TestBlinding:
    def test_nobody_is_awaited_to_answer_about_a_therapy(self, trial, person, record):
        grid = status_grid(trial, [person])
        assert all("non_specific" not in visit for visit in grid[person.pk].values())
        record()
        record(dict.fromkeys(range(1, 13), "3"), instrument="WAISR")
        specimen = Specimen.objects.get(specimen_type="questionnaire")
        assert awaited(trial, [specimen]) == {specimen.pk: []}
        assert specimen not in specimens_visible_to(PLATFORM, trial, awaiting_results=True)
        assert all("non_specific" not in visit for visit in status_grid(trial, [person])[person.pk].values())

    def test_of_nobody_is_one_about_a_therapy_there_for_the_blinded(self, bench, trial, record):
        record(dict.fromkeys(range(1, 13), "3"), instrument="WAISR")
        client = Client()
        client.force_login(
            make_member(trial, "data_manager").user, backend="allauth.account.auth_backends.AuthenticationBackend"
        )
        codes = trial.participants.values_list("code", flat=True)
        assert len(codes) == 2
        for code in codes:
            visit = f"/trials/t/participants/{code}/visits/baseline/"
            assert client.get(f"{visit}questionnaires/WAISR/").status_code == 404
            assert "WAI" not in client.get(visit).content.decode()

    def test_that_one_about_a_therapy_was_answered_is_no_event_of_the_blinded(self, trial, record):
        record()
        record(dict.fromkeys(range(1, 13), "3"), instrument="WAISR")
        seen = set(events_of(trial, make_member(trial, "data_manager")).values_list("verb", flat=True))
        assert "questionnaire.recorded" in seen
        assert "questionnaire.of_therapy_recorded" not in seen
