"""Attendance with its rules, and locks of visits."""

import pytest

from measurements.models import Query
from measurements.services.queries import answer_query
from measurements.services.specimens import register_specimen
from measurements.services.visits import complete_visit, lock_visit, lock_visits, record_attendance, unlock_visit
from tests.making import PLATFORM, make_member
from tests.measurements.following import days_ago, make_waitlist_trial
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Attendance, Participant, Trial
from trials.services.enrollment import record_consent, screen_participant

URL = "/trials/t/participants/{code}/visits/baseline/"


@pytest.fixture
def trial(db):
    return make_waitlist_trial(4)


@pytest.fixture
def participant(trial):
    return trial.participants.filter(site__code="leeds").first()


@pytest.fixture
def attend(trial):
    def record(participant, visit="baseline", **told):
        told = told or {"attended_on": days_ago(242)}
        planned = trial.visits.get(code=visit)
        return record_attendance(participant=participant, visit=planned, by=told.pop("by", PLATFORM), **told)

    return record


@pytest.fixture
def sign_in(client):
    def enter(actor):
        client.force_login(actor.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return enter


class TestAttendance:
    def test_a_visit_out_of_window_is_taken_and_shown(self, trial, participant, attend, sign_in):
        attend(participant, "six_months", attended_on=days_ago(240 - 207), note="Holiday")
        client = sign_in(make_member(trial, "coordinator", "leeds"))
        text = client.get(URL.format(code=participant.code).replace("baseline", "six_months")).content.decode()
        assert "12 days after the window" in text
        assert "Holiday" in text
        assert "Out of window" in text

    @pytest.mark.parametrize(
        ("told", "code"),
        [
            ({"attended_on": None}, "attendance_unclear"),
            ({"attended_on": days_ago(242), "missed_category": "ill"}, "attendance_unclear"),
            ({"attended_on": days_ago(-1)}, "date_future"),
            ({"attended_on": days_ago(250)}, "date_too_early"),
            ({"missed_category": "other"}, "reason_missing"),
            ({"missed_category": "weather"}, "reason_unknown"),
        ],
    )
    def test_what_is_refused(self, participant, attend, told, code):
        with pytest.raises(RuleBroken) as refused:
            attend(participant, **told)
        assert refused.value.code == code
        assert not Attendance.objects.exists()

    @pytest.mark.parametrize(
        ("told", "stored"),
        [
            ({"missed_category": "ill"}, ("ill", "Ill or in hospital")),
            ({"missed_reason": "Strike"}, ("other", "Strike")),
            ({"missed_category": "site", "missed_reason": "Strike"}, ("site", "Strike")),
        ],
    )
    def test_a_reason_of_the_list_in_words_or_both(self, participant, attend, told, stored):
        attendance = attend(participant, **told)
        assert (attendance.missed_category, attendance.missed_reason) == stored

    def test_only_the_baseline_comes_before_randomization(self, trial, participant, attend):
        with pytest.raises(RuleBroken, match="the day of randomization"):
            attend(participant, "six_months", attended_on=days_ago(241))
        person = screen_participant(
            trial=trial, site=trial.sites.get(code="leeds"), by=PLATFORM, screened_on=days_ago(9)
        )
        person = record_consent(participant=person, by=PLATFORM, on=days_ago(8), version="1.0")
        attend(person, attended_on=days_ago(7))
        with pytest.raises(InConflict, match="is not randomized"):
            attend(person, "six_months", attended_on=days_ago(7))

    def test_laboratories_people_record_no_attendance(self, trial, participant, attend):
        with pytest.raises(NotAllowed):
            attend(participant, attended_on=days_ago(242), by=make_member(trial, "lab_manager"))

    def test_a_changed_day_changes_the_data_of_a_trial_that_crosses_over_for_everybody_alike(self, trial, attend):
        def versions():
            return Trial.objects.get(pk=trial.pk).data_version

        for participant in Participant.objects.filter(trial=trial):
            before = versions()
            attend(participant)
            assert versions() == before + 1
            attend(participant)
            assert versions() == before + 1


class TestLocks:
    def test_a_locked_visit_stays_as_it_is_until_it_is_unlocked_with_a_reason(self, trial, participant, attend):
        manager, visit = make_member(trial, "data_manager"), trial.visits.get(code="baseline")
        attend(participant)
        locked = lock_visit(participant=participant, visit=visit, by=manager)
        assert locked.locked_by == manager.name
        with pytest.raises(InConflict, match="is locked"):
            attend(participant, attended_on=days_ago(241), reason="Misread")
        with pytest.raises(InConflict, match="is locked"):
            complete_visit(participant=participant, visit=visit, by=PLATFORM)
        with pytest.raises(RuleBroken, match="Say why"):
            unlock_visit(participant=participant, visit=visit, by=manager, reason=" ")
        unlock_visit(participant=participant, visit=visit, by=manager, reason="Diary found")
        assert attend(participant, attended_on=days_ago(241), reason="Misread").locked_by == ""

    def test_a_visit_without_attendance_is_not_locked(self, trial, participant):
        with pytest.raises(InConflict, match="Record first"):
            lock_visit(participant=participant, visit=trial.visits.get(code="baseline"), by=PLATFORM)

    @pytest.mark.parametrize("role", ["coordinator", "monitor", "lab_manager", "blinded_statistician"])
    def test_who_may_not(self, trial, participant, attend, role):
        attend(participant)
        by = make_member(trial, role)
        with pytest.raises(NotAllowed):
            lock_visit(participant=participant, visit=trial.visits.get(code="baseline"), by=by)
        with pytest.raises(NotAllowed):
            lock_visits(trial=trial, by=by)

    def test_complete_visits_are_locked_at_once_at_ones_own_site(self, trial, attend):
        baseline = trial.visits.get(code="baseline")
        for participant in Participant.objects.filter(trial=trial):
            attend(participant)
            complete_visit(participant=participant, visit=baseline, by=PLATFORM)
            attend(participant, "six_months", missed_category="ill")
        own = make_member(trial, "principal_investigator", "leeds")
        assert lock_visits(trial=trial, by=own, visit=trial.visits.get(code="six_months")) == 0
        assert lock_visits(trial=trial, by=own) == 2
        locked = Attendance.objects.exclude(locked_at=None).values_list("participant__site__code", "visit__code")
        assert set(locked) == {("leeds", "baseline")}
        assert lock_visits(trial=trial, by=PLATFORM) == 2

    def test_a_locked_visit_takes_no_specimen(self, trial, participant, attend):
        attend(participant)
        baseline = trial.visits.get(code="baseline")
        lock_visit(participant=participant, visit=baseline, by=PLATFORM)
        with pytest.raises(InConflict) as refused:
            register_specimen(participant=participant, visit=baseline, identifier="S-1", by=PLATFORM)
        assert refused.value.code == "visit_locked"
        unlock_visit(participant=participant, visit=baseline, by=PLATFORM, reason="Second tube")
        assert register_specimen(participant=participant, visit=baseline, identifier="S-1", by=PLATFORM).pk

    def test_the_form_of_a_locked_visit_is_read_only_and_its_questions_are_answerable(self, bench, sign_in):
        participant, visit = bench.participant("T-001-F"), bench.trial.visits.get(code="baseline")
        row = {"specimen": "S-1", "biomarker": "IL6", "unit": "pg/mL"}
        assert bench.post([row | {"value": "900"}]).status_code == 201
        record_attendance(participant=participant, visit=visit, by=PLATFORM, attended_on=participant.randomized_on)
        lock_visit(participant=participant, visit=visit, by=PLATFORM)
        corrected = row | {"value": "9", "status": "corrected", "reason": "Misread"}
        assert [error["code"] for error in bench.post([corrected]).json()["errors"]] == ["visit_locked"]
        client = sign_in(make_member(bench.trial, "principal_investigator"))
        url = URL.format(code=participant.code)
        text = client.get(url).content.decode()
        assert "Locked by test on" in text
        assert "Unlock the visit" in text
        assert "Record visit" not in text
        assert text.count("disabled") >= 5
        answer_query(query=Query.objects.get(), answer="Infection", by=PLATFORM)
        assert client.post(f"{url}unlock/", {"reason": ""}).status_code == 422
        assert client.post(f"{url}unlock/", {"reason": "Wrong tube"}).status_code == 302
        assert client.post(f"{url}lock/").status_code == 302
        assert Attendance.objects.get().locked_at is not None
