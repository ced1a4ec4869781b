"""The schedule: its SQL says what the pure rules say, and nothing of an intervention's end to the blinded."""

import csv
import io
import random
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from measurements.selectors.schedule import Wish, schedule, visit_lines
from measurements.selectors.status import status_grid
from measurements.services.visits import record_attendance
from tests.making import PLATFORM, make_member
from tests.measurements.following import days_ago, in_arm, make_waitlist_trial
from trials import audit
from trials.models import Attendance, Participant, ParticipantEvent
from trials.schedule import State, state_of
from trials.services.enrollment import record_event

pytestmark = pytest.mark.django_db
LEFT = {"withdrawn", "lost_to_follow_up", "died", "excluded"}
URL = "/trials/t/visits/"


@pytest.fixture
def trial():
    return make_waitlist_trial()


@pytest.fixture
def signed_in(client):
    def sign_in(actor):
        client.force_login(actor.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


def shuffle(trial, dice):
    """Give every participant a random state, day of randomization, intervention and attendance."""
    today = timezone.localdate()
    with audit.transaction(by=PLATFORM) as event:
        for participant in trial.participants.all():
            participant.randomized_on = dice.choice([None, today - timedelta(days=dice.randrange(0, 400))])
            participant.state = dice.choice(Participant.State.values)
            participant.save()
            if dice.random() < 0.5:
                ParticipantEvent.objects.create(
                    trial=trial,
                    participant=participant,
                    kind=dice.choice(["intervention_ended", "intervention_discontinued"]),
                    occurred_on=today - timedelta(days=dice.randrange(0, 40)),
                )
            for visit in trial.visits.all():
                came = dice.choice([None, "attended", "missed"])
                if came:
                    Attendance.objects.create(
                        trial=trial,
                        participant=participant,
                        visit=visit,
                        attended_on=today - timedelta(days=dice.randrange(0, 300)) if came == "attended" else None,
                        missed_reason="ill" if came == "missed" else "",
                    )
        event.record("trial.shuffled", trial=trial)


def expected_state(participant, visit, today):
    """The pure rules, asked of the models."""
    attendance = Attendance.objects.filter(participant=participant, visit=visit).first()
    anchor = participant.randomized_on
    if visit.anchor == "intervention_end":
        ends = participant.events.filter(kind__in=["intervention_ended", "intervention_discontinued"])
        anchor = min((event.occurred_on for event in ends), default=None)
    window = visit.window(anchor) if anchor else None
    return window, state_of(
        window,
        today=today,
        attended_on=attendance.attended_on if attendance else None,
        is_missed=bool(attendance and attendance.missed_reason),
        is_expected=participant.state not in LEFT,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_query_agrees_with_the_pure_rules(trial, seed):
    shuffle(trial, random.Random(seed))
    today, visits = timezone.localdate(), {visit.code: visit for visit in trial.visits.all()}
    found = schedule(trial, PLATFORM)
    assert len(found.lines) == found.total == trial.participants.count() * len(visits)
    for line in found.lines:
        participant = trial.participants.get(code=line.participant)
        assert (line.window, line.state) == expected_state(participant, visits[line.visit.code], today), line
    assert found.counts == Counter(line.state for line in found.lines)
    pages = [schedule(trial, PLATFORM, Wish(start=start, most=7)).lines for start in range(0, found.total, 7)]
    assert [line for page in pages for line in page] == list(found.lines)


def test_one_query_whatever_the_size(trial):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            schedule(trial, PLATFORM)
        return [query for query in captured.captured_queries if "planned" in query["sql"]]

    assert len(queries()) == 1


def test_what_is_asked_for_narrows_the_list(trial):
    leeds, six_months = trial.sites.get(code="leeds"), trial.visits.get(code="six_months")
    found = schedule(trial, PLATFORM, Wish(site=leeds.pk, visit=six_months.pk, states=[State.OVERDUE]))
    assert {(line.site.code, line.visit.code, line.state) for line in found.lines} == {
        ("leeds", "six_months", "overdue")
    }
    soon = schedule(trial, PLATFORM, Wish(states=[State.NOT_YET_DUE], until=days_ago(0)))
    assert not soon.lines
    later = schedule(trial, PLATFORM, Wish(states=[State.NOT_YET_DUE], until=days_ago(-30)))
    assert {line.visit.code for line in later.lines} == {"nine_months"}


def happen(trial, kind, arm, *, ago):
    """Let something that tells the arm happen to all of an arm."""
    with audit.transaction(by=PLATFORM) as event:
        for participant in in_arm(trial, arm):
            ParticipantEvent.objects.create(trial=trial, participant=participant, kind=kind, occurred_on=days_ago(ago))
        event.record(f"participant.{kind}", trial=trial)


class TestBlinding:
    @pytest.fixture
    def ended(self, trial):
        happen(trial, "intervention_ended", "canary-cbt", ago=60)
        return trial

    def test_the_blinded_are_told_the_same_of_everybody(self, ended):
        lines = schedule(ended, make_member(ended, "data_manager")).lines
        told = {(line.state, line.window, line.is_hidden) for line in lines if line.visit.code == "after"}
        assert told == {(State.NO_DATE, None, True)}

    def test_the_entitled_see_the_dates_of_their_own_site(self, ended):
        lines = schedule(ended, make_member(ended, "coordinator", "leeds")).lines
        known = {line.participant for line in lines if line.visit.code == "after" and line.window}
        assert known == {each.code for each in in_arm(ended, "canary-cbt") if each.site.code == "leeds"}
        assert {line.state for line in lines if line.participant in known and line.visit.code == "after"} == {"overdue"}

    def test_pages_and_files_of_the_blinded_are_those_of_a_trial_without_ends(self, trial, signed_in):
        client = signed_in(make_member(trial, "monitor"))
        pages = [f"{URL}?state=all&days=0", f"{URL}visits.csv?state=all&days=0", "/trials/t/participants/"]

        def told():
            answers = [client.get(page) for page in pages]
            assert {answer.status_code for answer in answers} == {200}
            return [plain(answer) for answer in answers]

        before = told()
        happen(trial, "intervention_ended", "canary-cbt", ago=60)
        happen(trial, "crossed_over", "canary-wait", ago=30)
        assert told() == before
        assert not any("canary" in page.casefold() for page in before)

    def test_the_grid_is_overdue_for_the_entitled_alone(self, ended):
        participant = next(each for each in in_arm(ended, "canary-cbt") if each.site.code == "leeds")
        for by, state in (
            (make_member(ended, "coordinator", "leeds"), "overdue"),
            (make_member(ended, "data_manager"), "not_yet_due"),
            (None, "not_yet_due"),
        ):
            grid = status_grid(ended, [participant], by=by)[participant.pk]
            assert set(grid["after"].values()) == {state}
            assert set(grid["six_months"].values()) == {"overdue"}


def plain(answer):
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return "\n".join(line for line in content.decode().splitlines() if "csrf" not in line.casefold())


def test_a_missed_visit_has_a_state_of_its_own(trial):
    participant, visit = trial.participants.first(), trial.visits.get(code="six_months")
    record_attendance(participant=participant, visit=visit, by=PLATFORM, missed_category="ill")
    assert set(status_grid(trial, [participant])[participant.pk]["six_months"].values()) == {"missed"}
    line = next(line for line in visit_lines(participant, PLATFORM) if line.visit == visit)
    assert (line.state, line.missed_label) == (State.MISSED, "Ill or in hospital")


def test_those_who_left_and_trials_that_are_over_expect_nobody(trial):
    participant = trial.participants.first()
    record_event(participant=participant, kind="lost_to_follow_up", by=PLATFORM, on=days_ago(3))
    participant.refresh_from_db()
    assert {line.state for line in visit_lines(participant, PLATFORM)} == {State.NOT_EXPECTED}


def test_the_page_lists_what_is_to_do_and_its_file_the_same(trial, signed_in):
    client = signed_in(make_member(trial, "coordinator", "leeds"))
    page = client.get(URL)
    text = page.content.decode()
    assert page.status_code == 200
    assert "Week of" in text
    assert "Overdue" in text
    listed = [line.participant for line, _, _ in page.context["lines"]]
    rows = list(csv.DictReader(io.StringIO(b"".join(client.get(f"{URL}visits.csv").streaming_content).decode())))
    assert [row["participant"] for row in rows] == listed
    assert {row["site"] for row in rows} == {"leeds"}
    assert client.get(f"{URL}?state=missed").status_code == 200
    assert client.get(f"{URL}?page=99&sort=nonsense&days=nine&site=nowhere").status_code == 200


def test_roles_without_participants_are_refused(trial, signed_in):
    assert signed_in(make_member(trial, "lab_manager")).get(URL).status_code == 403
