"""Deviations: found by rules, recorded by people, confirmed once, and hidden where they tell an arm."""

import csv
import io
import re
from datetime import datetime, time

import pytest
from django.utils import timezone

from measurements.models import Session
from measurements.selectors.deviations import RULES, Wish, computed_deviations, deviations, visible_deviation
from measurements.services.visits import record_attendance
from tests.making import PLATFORM, make_member
from tests.measurements.following import days_ago, in_arm, make_waitlist_trial
from trials import audit
from trials.errors import NotAllowed, NotFound, RuleBroken
from trials.models import Attendance, AuditEvent, Deviation
from trials.services.deviations import Place, Told, record_deviation, revise_deviation
from trials.services.enrollment import record_event

URL = "/trials/t/deviations/"
SEEN = Told("assessment", "minor", days_ago(3), "The questionnaire was read aloud.")
TELLING = Told("blinding", "major", days_ago(3), "The assessor was told of the canary.", tells_arm=True)


@pytest.fixture
def trial(db):
    return make_waitlist_trial(8)


@pytest.fixture
def sign_in(client):
    def enter(actor):
        client.force_login(actor.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return enter


def attend(trial, participant, visit, **told):
    record_attendance(participant=participant, visit=trial.visits.get(code=visit), by=PLATFORM, **told)


def found(trial, by=PLATFORM):
    return {(line.participant, line.visit.code, line.rule): line for line in computed_deviations(trial, by)}


class TestRules:
    def test_nothing_recorded_nothing_found(self, trial):
        assert not found(trial)

    def test_out_of_window_and_missed(self, trial):
        early, late, missed, right = trial.participants.order_by("number")[:4]
        attend(trial, early, "six_months", attended_on=days_ago(240 - 166))
        attend(trial, late, "six_months", attended_on=days_ago(240 - 196))
        attend(trial, missed, "six_months", missed_category="ill")
        attend(trial, right, "six_months", attended_on=days_ago(240 - 182))
        lines = found(trial)
        assert set(lines) == {
            (early.code, "six_months", "out_of_window"),
            (late.code, "six_months", "out_of_window"),
            (missed.code, "six_months", "missed_visit"),
        }
        assert lines[early.code, "six_months", "out_of_window"].description == "Attended 1 day before the window."
        assert lines[late.code, "six_months", "out_of_window"].description == "Attended 1 day after the window."

    def test_a_visit_before_consent(self, trial):
        participant = trial.participants.first()
        with audit.transaction(by=PLATFORM) as event:  # taken over from elsewhere: services refuse it
            Attendance.objects.create(
                trial=trial,
                participant=participant,
                visit=trial.visits.get(code="baseline"),
                attended_on=days_ago(251),
            )
            event.record("visit.recorded", trial=trial)
        line = found(trial)[participant.code, "baseline", "visit_before_consent"]
        assert (line.category, line.severity) == ("consent", "major")
        assert line.description == "The visit took place 2 days before consent."

    @pytest.mark.parametrize("how", ["event", "session"])
    def test_a_baseline_after_the_first_session_is_told_where_arms_are(self, trial, how):
        participant = next(each for each in in_arm(trial, "canary-cbt") if each.site.code == "leeds")
        if how == "event":
            record_event(participant=participant, kind="intervention_started", by=PLATFORM, on=days_ago(240))
        else:
            with audit.transaction(by=PLATFORM) as event:
                Session.objects.create(
                    trial=trial,
                    participant=participant,
                    occurred_at=timezone.make_aware(datetime.combine(days_ago(240), time(9))),
                    kind="individual",
                    source="form",
                    key="1",
                )
                event.record("session.recorded", trial=trial)
        attend(trial, participant, "baseline", attended_on=days_ago(238))
        key = (participant.code, "baseline", "baseline_after_first_session")
        assert found(trial)[key].description == "The baseline was taken 2 days after the first session."
        assert key in found(trial, make_member(trial, "coordinator", "leeds"))
        for by in (make_member(trial, "data_manager"), make_member(trial, "coordinator", "ghent")):
            assert key not in found(trial, by)

    def test_windows_of_an_intervention_are_judged_for_the_entitled_alone(self, trial):
        participant = next(each for each in in_arm(trial, "canary-cbt") if each.site.code == "leeds")
        record_event(participant=participant, kind="intervention_discontinued", by=PLATFORM, on=days_ago(60))
        attend(trial, participant, "after", attended_on=days_ago(10))
        key = (participant.code, "after", "out_of_window")
        assert key in found(trial, make_member(trial, "coordinator", "leeds"))
        assert key not in found(trial, make_member(trial, "monitor"))

    def test_every_rule_has_its_words(self):
        assert all(rule.name and rule.sentence(1) and rule.sentence(3) for rule in RULES.values())


class TestRecording:
    def test_what_a_rule_found_is_confirmed_once_and_no_longer_found(self, trial, sign_in):
        participant = trial.participants.filter(site__code="leeds").first()
        attend(trial, participant, "six_months", missed_category="ill")
        client = sign_in(make_member(trial, "coordinator", "leeds"))
        assert "Confirm" in client.get(URL).content.decode()
        url = f"{URL}{participant.code}/six_months/missed_visit/"
        assert "The visit was missed." in client.get(url).content.decode()
        told = {"category": "visit_timing", "severity": "major", "occurred_on": days_ago(3), "description": "Missed."}
        assert client.post(url, told).status_code == 302
        assert client.post(url, told).status_code == 404
        [deviation] = Deviation.objects.all()
        assert (deviation.rule, deviation.participant, deviation.severity) == ("missed_visit", participant, "major")
        assert not found(trial)

    def test_a_form_sent_twice_records_once(self, trial, sign_in):
        client = sign_in(make_member(trial, "coordinator", "leeds"))
        key = client.get(f"{URL}record/").context["form"]["key"].value()
        code = trial.participants.filter(site__code="leeds").first().code
        told = {
            "category": "other",
            "severity": "minor",
            "occurred_on": days_ago(1),
            "description": "Power cut",
            "key": key,
        }
        for _ in range(2):
            assert client.post(f"{URL}record/", told | {"participant": code}).status_code == 302
        assert Deviation.objects.count() == 1
        foreign = trial.participants.filter(site__code="ghent").first().code
        refusals = [client.post(f"{URL}record/", told | {"key": "2", "participant": each}) for each in (foreign, "X-1")]
        assert [answer.status_code for answer in refusals] == [422, 422]
        assert all(
            "There is no participant of this code that you may see." in each.content.decode() for each in refusals
        )

    @pytest.mark.parametrize(
        ("told", "code"),
        [
            (Told("weather", "minor", days_ago(1), "x"), "category_unknown"),
            (Told("other", "grave", days_ago(1), "x"), "severity_unknown"),
            (Told("other", "minor", days_ago(-1), "x"), "date_future"),
            (Told("other", "minor", days_ago(1), " "), "description_missing"),
        ],
    )
    def test_what_is_refused(self, trial, told, code):
        with pytest.raises(RuleBroken) as refused:
            record_deviation(trial=trial, told=told, by=PLATFORM)
        assert refused.value.code == code

    def test_it_is_amended_with_a_reason_and_never_removed(self, trial, sign_in):
        by = make_member(trial, "coordinator", "leeds")
        place = Place(participant=trial.participants.filter(site__code="leeds").first())
        deviation = record_deviation(trial=trial, told=SEEN, by=by, place=place)
        with pytest.raises(RuleBroken, match="Say why"):
            revise_deviation(deviation=deviation, told=SEEN, by=by, reason="")
        url = f"{URL}{deviation.pk}/"
        told = {"category": "other", "severity": "major", "occurred_on": days_ago(3), "description": "Read aloud twice"}
        client = sign_in(by)
        assert client.post(url, told | {"reason": "More is known"}).status_code == 302
        assert "Read aloud twice" in client.get(url).content.decode()
        assert client.post(url, told | {"reason": "Wrong person", "is_void": "on"}).status_code == 302
        assert "Read aloud twice" not in client.get(URL).content.decode()
        assert "Read aloud twice" in client.get(f"{URL}?standing=void").content.decode()
        assert list(AuditEvent.objects.filter(verb="deviation.revised").values_list("reason", flat=True)) == [
            "More is known",
            "Wrong person",
        ]

    @pytest.mark.parametrize("role", ["monitor", "data_manager", "blinded_statistician"])
    def test_who_reads_does_not_always_record(self, trial, role):
        by = make_member(trial, role)
        assert not deviations(trial, by).lines
        with pytest.raises(NotAllowed):
            record_deviation(trial=trial, told=SEEN, by=by)


class TestScope:
    @pytest.fixture
    def recorded(self, trial):
        for site in trial.sites.all():
            place = Place(participant=trial.participants.filter(site=site).first())
            for told in (SEEN, TELLING):
                record_deviation(trial=trial, told=told, by=PLATFORM, place=place)
        for told in (SEEN, TELLING):
            record_deviation(trial=trial, told=told, by=PLATFORM)
        return trial

    @pytest.mark.parametrize(
        ("role", "site", "seen", "telling"),
        [
            ("monitor", None, 3, 0),
            ("monitor", "leeds", 2, 0),
            ("coordinator", "leeds", 2, 1),
            ("unblinded_statistician", None, 3, 3),
        ],
    )
    def test_sites_and_arms_bound_what_is_listed_counted_and_opened(self, recorded, sign_in, role, site, seen, telling):
        by = make_member(recorded, role, site)
        listed = deviations(recorded, by)
        assert sum(line.tells_arm for line in listed.lines) == telling
        counts = (len(listed.lines), listed.total, listed.counts["recorded"])
        assert counts == (seen + telling,) * 3
        assert listed.counts.get("major", 0) == telling
        client = sign_in(by)
        page = client.get(URL).content.decode()
        rows = b"".join(client.get(f"{URL}deviations.csv").streaming_content).decode()
        assert ("canary" in page) is ("canary" in rows) is (telling > 0)
        assert len(list(csv.DictReader(io.StringIO(rows)))) == seen + telling
        for deviation in Deviation.objects.all():
            is_listed = deviation.pk in {line.number for line in listed.lines}
            assert (client.get(f"{URL}{deviation.pk}/").status_code == 200) is is_listed

    def test_the_hidden_answer_like_the_missing(self, recorded):
        by = make_member(recorded, "monitor")
        told = set()
        for number in (Deviation.objects.filter(tells_arm=True).first().pk, 999999):
            with pytest.raises(NotFound) as missing:
                visible_deviation(recorded, by, number)
            told.add((missing.value.code, missing.value.sentence))
        assert len(told) == 1

    def test_the_trail_does_not_tell_the_blinded_of_them(self, recorded, sign_in):
        text = sign_in(make_member(recorded, "monitor")).get("/trials/t/audit/").content.decode()
        assert "deviation.recorded" in text
        assert "arm_deviation" not in text

    def test_filters_order_and_pages(self, recorded):
        leeds = recorded.sites.get(code="leeds")
        assert len(deviations(recorded, PLATFORM, Wish(site=leeds.pk, severity="major")).lines) == 1
        assert {line.category for line in deviations(recorded, PLATFORM, Wish(category="blinding")).lines} == {
            "blinding"
        }
        whole = deviations(recorded, PLATFORM, Wish(sort="category")).lines
        pages = [deviations(recorded, PLATFORM, Wish(sort="category", start=n, most=2)).lines for n in (0, 2, 4)]
        assert [line for page in pages for line in page] == list(whole)


class TestWhatTellsAnArm:
    def test_what_an_arm_telling_rule_found_stays_hidden_whatever_is_sent(self, trial, sign_in):
        participant = trial.participants.filter(site__code="leeds").first()
        told = Told("visit_timing", "minor", days_ago(3), "Late.", tells_arm=False)
        for visit, rule, is_telling in (
            ("after", "out_of_window", True),
            ("after", "missed_visit", True),
            ("baseline", "baseline_after_first_session", True),
            ("six_months", "missed_visit", False),
        ):
            place = Place(participant=participant, visit=trial.visits.get(code=visit))
            deviation = record_deviation(trial=trial, told=told, by=PLATFORM, place=place, rule=rule)
            assert deviation.tells_arm is is_telling
            revised = revise_deviation(deviation=deviation, told=told, by=PLATFORM, reason="Reworded")
            assert revised.tells_arm is is_telling
            page = sign_in(make_member(trial, "coordinator", "leeds")).get(f"{URL}{deviation.pk}/").content.decode()
            box = re.search(r'<input type="checkbox" name="tells_arm"[^>]*>', page)[0]
            assert ("disabled" in box) is ("checked" in box) is is_telling


class TestWholeTrial:
    def test_it_is_recorded_by_those_who_record_at_every_site(self, trial, sign_in):
        own, everywhere = make_member(trial, "coordinator", "leeds"), make_member(trial, "principal_investigator")
        with pytest.raises(NotAllowed):
            record_deviation(trial=trial, told=SEEN, by=own)
        deviation = record_deviation(trial=trial, told=SEEN, by=everywhere)
        with pytest.raises(NotAllowed):
            revise_deviation(deviation=deviation, told=SEEN, by=own, reason="Mine")
        assert "Amend it" not in sign_in(own).get(f"{URL}{deviation.pk}/").content.decode()
        told = {"category": "other", "severity": "minor", "occurred_on": days_ago(1), "description": "Power cut"}
        answer = sign_in(own).post(f"{URL}record/", told)
        assert answer.status_code == 422
        assert "Choose a site or name a participant" in answer.content.decode()
        assert sign_in(everywhere).post(f"{URL}record/", told).status_code == 302
