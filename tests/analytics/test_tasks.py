"""What waits for whom: each kind appears for those who can do it, and goes when it is done."""

from datetime import timedelta

import pytest
from django.utils import timezone

from analytics.selectors.tasks import KINDS, Task, tasks_of
from analytics.views.task_words import PLACES, task_line
from measurements.models import Query
from measurements.services.queries import answer_query, close_query, open_query
from measurements.services.visits import record_attendance
from tests.making import PLATFORM, make_member, make_trial
from trials.models import Visit
from trials.permissions import ROLE_PERMISSIONS, Role
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.django_db
LONG_AGO = timezone.localdate() - timedelta(days=100)


@pytest.fixture
def trial():
    return make_trial()


@pytest.fixture
def participant(trial):
    """Somebody in Leeds whose baseline was never recorded."""
    person = screen_participant(trial=trial, site=trial.sites.get(code="leeds"), by=PLATFORM, screened_on=LONG_AGO)
    person = record_consent(participant=person, by=PLATFORM, on=LONG_AGO, version="1.0")
    randomize_participant(participant=person, by=PLATFORM, levels={"sex": "F"}, on=LONG_AGO)
    person.refresh_from_db()
    return person


def kinds(member) -> dict[str, int]:
    return {task.kind: task.count for task in tasks_of(member)}


@pytest.mark.parametrize("role", list(Role))
def test_each_kind_waits_for_those_who_can_do_it(trial, participant, role) -> None:
    open_query(participant=participant, question="one", by=PLATFORM)
    answer_query(query=open_query(participant=participant, question="two", by=PLATFORM), answer="x", by=PLATFORM)
    waiting = {"overdue_visits", "queries_to_answer", "queries_to_close"}
    expected = {kind for kind in waiting if KINDS[kind].permission in ROLE_PERMISSIONS[role]}
    assert set(kinds(make_member(trial, role))) == expected


def test_what_is_done_waits_no_more(trial, participant) -> None:
    coordinator, monitor = make_member(trial, "coordinator"), make_member(trial, "monitor")
    query = open_query(participant=participant, question="Which day?", by=monitor)
    assert kinds(coordinator) == {"overdue_visits": 1, "queries_to_answer": 1}
    answer_query(query=query, answer="The second.", by=coordinator)
    baseline = trial.visits.get(kind=Visit.Kind.BASELINE)
    record_attendance(participant=participant, visit=baseline, by=coordinator, attended_on=LONG_AGO)
    assert kinds(coordinator) == {}
    assert kinds(monitor) == {"queries_to_close": 1}
    close_query(query=query, by=monitor)
    assert kinds(monitor) == {}


def test_at_one_site_only_that_sites_tasks(trial, participant) -> None:
    assert kinds(make_member(trial, "coordinator", "leeds")) == {"overdue_visits": 1}
    assert kinds(make_member(trial, "coordinator", "ghent")) == {}


def test_a_trial_that_is_over_asks_for_no_visits(trial, participant) -> None:
    open_query(participant=participant, question="one", by=PLATFORM)
    for to in ("follow_up", "locked"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    assert kinds(make_member(trial, "coordinator")) == {}


def test_every_kind_has_words_and_a_page(trial) -> None:
    assert PLACES.keys() == KINDS.keys()
    for kind in KINDS:
        one, many = (task_line(Task(trial, kind, count)).words for count in (1, 2))
        assert one.startswith("1 ")
        assert many.startswith("2 ")


def test_the_first_page_shows_them_with_their_addresses(trial, participant, signed_in) -> None:
    client = signed_in(make_member(trial, "coordinator"))
    page = client.get("/")
    (line,) = page.context["tasks"]
    assert line.words == "1 visit is overdue"
    listed = client.get(line.address)
    assert listed.status_code == 200
    assert participant.code in listed.content.decode()
    assert Query.objects.count() == 0
