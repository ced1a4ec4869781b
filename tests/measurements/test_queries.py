"""Queries: asked, answered, closed, asked again; by whom, where, and in which state of the data."""

import csv
import io

import pytest
from django.urls import reverse

from measurements.models import Query
from measurements.selectors.queries import counts_by_state, notes_of, queries_of, queries_visible_to
from measurements.services.queries import answer_query, close_query, open_query, reopen_query
from tests.making import PLATFORM, make_member, make_trial
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.permissions import ROLE_PERMISSIONS as MAY
from trials.permissions import Permission, Role
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def trial():
    return make_trial()


@pytest.fixture
def people(trial):
    """One consented participant at each site."""
    found = {}
    for site in trial.sites.all():
        day = trial.recruitment_starts
        participant = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=day)
        found[site.code] = record_consent(participant=participant, by=PLATFORM, on=day, version="1.0")
    return found


def asked(participant, question="Which day was it?", **about) -> Query:
    return open_query(participant=participant, question=question, by=PLATFORM, **about)


def test_a_query_lives_from_question_to_closing(trial, people) -> None:
    monitor, coordinator = make_member(trial, "monitor"), make_member(trial, "coordinator")
    query = open_query(participant=people["leeds"], question=" Which day? ", by=monitor, visit=trial.visits.first())
    assert (query.state, query.question) == ("open", "Which day?")
    query = answer_query(query=query, answer="The second.", by=coordinator)
    query = reopen_query(query=query, by=monitor, reason="The source says the third.")
    query = answer_query(query=query, answer="The third.", by=coordinator)
    query = close_query(query=query, by=monitor)
    assert query.closed_at is not None
    told = [(note.kind, note.text, note.event.actor_name) for note in notes_of(query)]
    assert told == [
        ("opened", "Which day?", "Monitor"),
        ("answered", "The second.", "Coordinator"),
        ("reopened", "The source says the third.", "Monitor"),
        ("answered", "The third.", "Coordinator"),
        ("closed", "", "Monitor"),
    ]


def test_the_same_question_twice_is_one_while_it_is_open(people) -> None:
    first = asked(people["leeds"])
    assert asked(people["leeds"]) == first
    close_query(query=first, by=PLATFORM, reason="asked in error")
    assert asked(people["leeds"]) != first


def test_twice_answered_or_closed_the_first_counts(people) -> None:
    query = answer_query(query=asked(people["leeds"]), answer="one", by=PLATFORM)
    assert answer_query(query=query, answer="two", by=PLATFORM).answer == "one"
    closed = close_query(query=query, by=PLATFORM).closed_at
    assert close_query(query=query, by=PLATFORM).closed_at == closed
    assert len(notes_of(query)) == 3


@pytest.mark.parametrize("text", ["", "  ", "x" * 501, "a\nb", "\u202eb"])
@pytest.mark.parametrize("verb", ["open", "answer", "reopen", "close"])
def test_nothing_said_is_refused(people, text, verb) -> None:
    query = asked(people["leeds"])
    calls = {
        "open": lambda: asked(people["ghent"], text),
        "answer": lambda: answer_query(query=query, answer=text, by=PLATFORM),
        "reopen": lambda: reopen_query(query=query, by=PLATFORM, reason=text),
        "close": lambda: close_query(query=query, by=PLATFORM, reason=text),
    }
    with pytest.raises(RuleBroken):
        calls[verb]()
    query.refresh_from_db()
    assert query.state == "open"
    assert Query.objects.count() == 1


def test_locked_data_are_not_asked_about_and_frozen_ones_are(trial, people) -> None:
    query = asked(people["leeds"])
    trial.data_state = "frozen"
    type(trial).objects.filter(pk=trial.pk)
    for to in ("follow_up", "locked"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    for call in (
        lambda: asked(people["ghent"]),
        lambda: answer_query(query=query, answer="x", by=PLATFORM),
        lambda: close_query(query=query, by=PLATFORM, reason="x"),
        lambda: reopen_query(query=query, by=PLATFORM, reason="x"),
    ):
        with pytest.raises(InConflict):
            call()


@pytest.mark.parametrize("role", list(Role))
def test_who_sees_answers_and_manages(trial, people, role) -> None:
    member = make_member(trial, role)
    query = asked(people["leeds"])
    permissions = MAY[role]
    calls = (
        (Permission.QUERY_VIEW, lambda: list(queries_visible_to(member, trial))),
        (Permission.QUERY_MANAGE, lambda: open_query(participant=people["ghent"], question="x", by=member)),
        (Permission.QUERY_ANSWER, lambda: answer_query(query=query, answer="x", by=member)),
        (Permission.QUERY_MANAGE, lambda: reopen_query(query=query, by=member, reason="x")),
        (Permission.QUERY_MANAGE, lambda: close_query(query=query, by=member, reason="x")),
    )
    for permission, call in calls:
        if permission in permissions:
            call()
        else:
            with pytest.raises(NotAllowed):
                call()


def test_a_role_at_one_site_sees_queries_of_that_site(trial, people) -> None:
    for participant in people.values():
        asked(participant)
    member = make_member(trial, "monitor", "leeds")
    assert [query.participant.site.code for query in queries_visible_to(member, trial)] == ["leeds"]
    assert counts_by_state(member, trial) == {"open": 1, "answered": 0, "closed": 0}
    assert queries_of(people["ghent"], member) == []
    with pytest.raises(NotAllowed):
        close_query(query=Query.objects.get(participant=people["ghent"]), by=member, reason="x")


def test_the_pages_carry_a_query_through(trial, people, signed_in) -> None:
    monitor, coordinator = signed_in(make_member(trial, "monitor")), signed_in(make_member(trial, "coordinator"))
    code = people["leeds"].code
    start = reverse("query-open", kwargs={"slug": "t", "code": code})
    assert coordinator.get(start).status_code == 403
    assert monitor.post(start, {"question": ""}).status_code == 422
    sent = {"question": "Which day?", "visit": "baseline"}
    assert monitor.post(start, sent).status_code == 302
    query = Query.objects.get()
    address = reverse("query", kwargs={"slug": "t", "number": query.pk})
    assert b"Save the answer" in coordinator.get(address).content
    assert b"Close the query" not in coordinator.get(address).content
    assert coordinator.post(address, {"action": "close", "reason": "x"}).status_code == 403
    assert coordinator.post(address, {"action": "answer", "reason": ""}).status_code == 422
    assert coordinator.post(address, {"action": "answer", "reason": "The second."}).status_code == 302
    assert monitor.post(address, {"action": "close", "reason": ""}).status_code == 302
    assert b"The second." in coordinator.get(address).content
    query.refresh_from_db()
    assert query.state == "closed"


def test_the_list_narrows_and_its_file_holds_what_is_shown(trial, people, signed_in) -> None:
    for participant in people.values():
        asked(participant, "=1+1")
    answer_query(query=Query.objects.get(participant=people["ghent"]), answer="x", by=PLATFORM)
    browser = signed_in(make_member(trial, "monitor"))
    listed = browser.get(reverse("queries", kwargs={"slug": "t"}), {"state": "answered"})
    assert [query.participant.site.code for query in listed.context["page"]] == ["ghent"]
    file = browser.get(reverse("queries-csv", kwargs={"slug": "t"}), {"site": "leeds"})
    rows = list(csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode())))
    assert [(row["site"], row["question"], row["state"]) for row in rows] == [("leeds", "'=1+1", "open")]


def test_a_foreign_query_is_as_unknown_as_a_missing_one(trial, people, signed_in) -> None:
    query = asked(people["ghent"])
    browser = signed_in(make_member(trial, "monitor", "leeds"))
    answers = {
        browser.get(reverse("query", kwargs={"slug": "t", "number": number})).status_code
        for number in (query.pk, query.pk + 1)
    }
    assert answers == {404}
