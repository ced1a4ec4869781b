"""Adverse events: what is refused, what is kept, and that no page of them tells an arm."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import AdverseEvent, AuditChange
from trials.permissions import Role
from trials.selectors.safety import (
    adverse_events_of,
    deaths_unmatched,
    overdue_reports,
    safety_summary,
)
from trials.services.design import ArmDesign
from trials.services.enrollment import record_consent, record_event, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant
from trials.services.safety import Particulars, change_adverse_event, record_adverse_event

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)
CANARY = re.compile(rb"canary", re.IGNORECASE)
ARMS = (
    ArmDesign("one", "One", "intervention", intervention_type="cbt"),
    ArmDesign("two", "Two", "waitlist", is_reference=True),
)
HEADACHE = Particulars(
    term="Headache",
    started_on=DAY,
    severity="mild",
    relatedness="possible",
    outcome="recovered",
    ended_on=DAY + timedelta(days=1),
    aware_on=DAY + timedelta(days=2),
)
TELLING = replace(
    HEADACHE,
    term="Canary panic in exposure exercise",
    blinded_term="Anxiety",
    relatedness="definite",
    narrative="Canary story",
    action_taken="Canary pause",
)
DEATH = replace(
    HEADACHE,
    term="Myocardial infarction",
    severity="severe",
    outcome="fatal",
    is_serious=True,
    criteria=("death",),
    relatedness="not_related",
)


def person(trial, site="leeds", *, randomized=True, consented=True):
    participant = screen_participant(trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=DAY)
    if consented:
        participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
    if randomized and consented:
        randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"}, on=DAY)
        participant.refresh_from_db()
    return participant


def recorded(participant, particulars=HEADACHE, key="", by=PLATFORM):
    key = key or f"k{AdverseEvent.objects.count()}"
    return record_adverse_event(participant=participant, particulars=particulars, by=by, key=key)


BAD = [
    ({"term": " "}, "term_missing", "term"),
    ({"started_on": DAY - timedelta(days=1)}, "date_before_consent", "started_on"),
    ({"started_on": date(2099, 1, 1)}, "date_future", "started_on"),
    ({"ended_on": date(2099, 1, 1)}, "date_future", "ended_on"),
    ({"started_on": DAY + timedelta(days=2)}, "date_order", "ended_on"),
    ({"aware_on": DAY - timedelta(days=1)}, "date_order", "aware_on"),
    ({"reported_on": DAY}, "date_order", "reported_on"),
    ({"is_serious": True}, "criteria_missing", "criteria"),
    ({"criteria": ("hospitalization",)}, "seriousness_unclear", "is_serious"),
    ({"is_serious": True, "criteria": ("bad",)}, "criterion_unknown", "criteria"),
    ({"outcome": "fatal"}, "death_unclear", "outcome"),
    ({"is_serious": True, "criteria": ("death",)}, "death_unclear", "outcome"),
    ({"outcome": "recovering"}, "outcome_unclear", "outcome"),
]


@pytest.mark.parametrize(("changes", "code", "field"), BAD)
def test_what_cannot_be_is_refused_at_its_field(changes, code, field) -> None:
    participant = person(make_trial())
    with pytest.raises(RuleBroken) as refusal:
        recorded(participant, replace(HEADACHE, **changes))
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert not AdverseEvent.objects.exists()


def test_from_consent_on_and_numbered_within_the_participant() -> None:
    trial = make_trial()
    with pytest.raises(InConflict, match="from consent on"):
        recorded(person(trial, consented=False))
    first, second = person(trial, randomized=False), person(trial)
    assert [recorded(each).number for each in (first, first, second)] == [1, 2, 1]


def test_a_form_sent_twice_makes_one_event() -> None:
    participant = person(make_trial())
    assert recorded(participant, key="k").pk == recorded(participant, replace(HEADACHE, term="Other"), key="k").pk


def test_a_change_needs_a_reason_and_keeps_the_old_value() -> None:
    participant = person(make_trial())
    event = recorded(participant)
    changed = replace(HEADACHE, severity="severe")
    with pytest.raises(RuleBroken, match="Say why"):
        change_adverse_event(adverse_event=event, particulars=changed, by=PLATFORM, reason=" ")
    change_adverse_event(adverse_event=event, particulars=HEADACHE, by=PLATFORM, reason="")
    change_adverse_event(adverse_event=event, particulars=changed, by=PLATFORM, reason="Read again")
    change = AuditChange.objects.get(table_name="trials_adverseevent", operation="UPDATE")
    assert (change.old["severity"], change.new["severity"]) == ("mild", "severe")


def test_the_database_keeps_the_last_line() -> None:
    event = recorded(person(make_trial()))
    for wrong in ({"is_serious": True}, {"criteria": ["death"]}, {"ended_on": DAY - timedelta(days=1)}):
        with pytest.raises(IntegrityError), transaction.atomic(), audit.transaction(by=PLATFORM):
            AdverseEvent.objects.filter(pk=event.pk).update(**wrong)


@pytest.mark.parametrize("role", [role for role in Role if role not in {"principal_investigator", "coordinator"}])
def test_only_those_who_care_for_participants_record(role) -> None:
    trial = make_trial()
    participant = person(trial)
    with pytest.raises(NotAllowed):
        recorded(participant, by=make_member(trial, role))


def test_another_site_is_not_recorded_at() -> None:
    trial = make_trial()
    with pytest.raises(NotAllowed):
        recorded(person(trial, "ghent"), by=make_member(trial, "coordinator", "leeds"))


def test_serious_events_are_overdue_after_a_day() -> None:
    participant = person(make_trial())
    today = timezone.localdate()
    serious = replace(DEATH, outcome="recovered", criteria=("hospitalization",))
    for days in (0, 1, 2):
        recorded(participant, replace(serious, aware_on=today - timedelta(days=days)))
    recorded(participant, replace(serious, aware_on=today - timedelta(days=9), reported_on=today))
    recorded(participant)
    events = AdverseEvent.objects.all()
    assert [each.number for each in overdue_reports(events)] == [3]
    assert [each.number for each in events.order_by("number") if each.is_report_overdue] == [3]


def test_deaths_and_fatal_events_are_compared() -> None:
    trial = make_trial()
    both, only_event, only_death = (person(trial) for _ in range(3))
    recorded(both, DEATH)
    fatal = recorded(only_event, DEATH)
    for dead in (both, only_death):
        record_event(participant=dead, kind="died", by=PLATFORM, on=DAY)
    found = deaths_unmatched(make_member(trial, "monitor"), trial)
    assert (found.without_event, found.without_death) == ([only_death], [fatal])


def test_the_summary_counts_people_and_events_and_shows_zero() -> None:
    trial = make_trial()
    first, second, _ = person(trial), person(trial), person(trial, "ghent")
    for particulars in (HEADACHE, DEATH):
        recorded(first, particulars)
    recorded(second)
    [pooled] = safety_summary(make_member(trial, "monitor"), trial)
    assert (pooled.participants, pooled.with_any, pooled.with_serious) == (3, 2, 1)
    assert (pooled.events, pooled.serious, pooled.mild, pooled.moderate, pooled.severe) == (3, 1, 2, 0, 1)
    arms = safety_summary(make_member(trial, "unblinded_statistician"), trial)
    assert sum(each.events for each in arms[:-1]) == arms[-1].events == 3
    # Those who see arms of one site alone read no counts by arm.
    assert len(safety_summary(make_member(trial, "coordinator", "leeds"), trial)) == 1


def test_nobody_has_an_adverse_event() -> None:
    trial = make_trial()
    [pooled] = safety_summary(make_member(trial, "monitor"), trial)
    assert (pooled.participants, pooled.events, pooled.severe) == (0, 0, 0)


SEES_ALL = {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD, Role.PRINCIPAL_INVESTIGATOR, Role.COORDINATOR}


def pages_of(browser):
    """Every page of safety as this browser reads it."""
    pages = {"list": reverse("safety", kwargs={"slug": "t"})}
    pages |= {
        f"list {query}": f"{pages['list']}?{query}"
        for query in ("format=csv", "sort=term", "relatedness=definite", "report=overdue", "severity=mild")
    }
    event = AdverseEvent.objects.first()
    pages["event"] = reverse(
        "adverse-event", kwargs={"slug": "t", "code": event.participant.code, "number": event.number}
    )
    answers = {name: browser.get(address) for name, address in pages.items()}
    return {name: b"".join(answer) if answer.streaming else answer.content for name, answer in answers.items()}


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.LAB_MANAGER, Role.EXPORT_STAFF}])
@pytest.mark.parametrize("is_open_label", [True, False])
def test_the_blinded_read_another_term_and_nothing_that_hints(role, is_open_label, signed_in) -> None:
    trial = make_trial(is_open_label=is_open_label)
    recorded(person(trial), TELLING)
    pages = pages_of(signed_in(make_member(trial, role)))
    named = {name for name, content in pages.items() if CANARY.search(content)}
    assert bool(named) == (role in SEES_ALL), named
    if role not in SEES_ALL:
        assert all(b"Anxiety" in content for name, content in pages.items() if name in {"list", "event"})
        assert (b"Definite" in pages["event"]) is not is_open_label
        assert (b"relatedness" in pages["list format=csv"]) is not is_open_label


def test_a_replaced_term_leaves_no_mark(signed_in) -> None:
    """The blinded read an event with a replaced term byte for byte as one that was told so."""
    trial = make_trial()
    event = recorded(person(trial), TELLING)
    browser = signed_in(make_member(trial, "data_manager"))
    before = pages_of(browser)
    plain = replace(TELLING, term="Anxiety", blinded_term="", narrative="", action_taken="", relatedness="unlikely")
    change_adverse_event(adverse_event=event, particulars=plain, by=PLATFORM, reason="test")
    after = pages_of(browser)
    token = re.compile(rb"\b\w{64}\b")
    assert {name: token.sub(b"", content) for name, content in before.items()} == {
        name: token.sub(b"", content) for name, content in after.items()
    }


def test_a_filter_by_relatedness_finds_nothing_for_those_who_may_not_see_it(signed_in) -> None:
    trial = make_trial()
    recorded(person(trial), TELLING)
    browser = signed_in(make_member(trial, "monitor"))
    found = {
        asked: len(browser.get(reverse("safety", kwargs={"slug": "t"}), {"relatedness": asked}).context["lines"])
        for asked in ("definite", "unlikely")
    }
    assert found == {"definite": 1, "unlikely": 1}


def test_from_unblinding_on_everybody_reads_all(signed_in) -> None:
    trial = make_trial()
    recorded(person(trial), TELLING)
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    assert CANARY.search(pages_of(signed_in(make_member(trial, "monitor")))["event"])


def test_a_participant_shows_their_own(signed_in) -> None:
    trial = make_trial()
    participant = person(trial)
    recorded(participant, TELLING)
    [line] = adverse_events_of(participant, make_member(trial, "monitor"))
    assert (line.term, line.narrative, line.relatedness) == ("Anxiety", None, None)
    assert adverse_events_of(participant, make_member(trial, "lab_manager")) is None


def posted(person, **changes):
    fields = {
        "key": "k",
        "participant": person.code,
        "term": "Headache",
        "started_on": "2026-03-02",
        "aware_on": "2026-03-03",
        "severity": "mild",
        "outcome": "recovered",
        "relatedness": "unlikely",
    }
    return fields | changes


def test_the_page_records_refuses_and_changes(signed_in) -> None:
    trial = make_trial()
    participant = person(trial)
    browser = signed_in(make_member(trial, "coordinator", "leeds"))
    new = reverse("adverse-event-new", kwargs={"slug": "t"})
    assert browser.get(f"{new}?participant={participant.code}").status_code == 200
    refused = browser.post(new, posted(participant, is_serious="on"))
    assert (refused.status_code, b"by which criterion" in refused.content) == (422, True)
    missing = browser.post(new, posted(participant, participant=person(trial, "ghent").code))
    assert (missing.status_code, b"that you may see" in missing.content) == (422, True)
    for _ in range(2):
        assert browser.post(new, posted(participant)).status_code == 302
    event = AdverseEvent.objects.get()
    address = reverse("adverse-event", kwargs={"slug": "t", "code": participant.code, "number": event.number})
    assert browser.post(address, posted(participant, severity="severe")).status_code == 422
    assert browser.post(address, posted(participant, severity="severe", reason="Read again")).status_code == 302
    event.refresh_from_db()
    assert event.severity == "severe"


def test_a_monitor_reads_and_does_not_record(signed_in) -> None:
    trial = make_trial()
    recorded(person(trial))
    browser = signed_in(make_member(trial, "monitor"))
    assert b"Record an adverse event" not in browser.get(reverse("safety", kwargs={"slug": "t"})).content
    assert browser.get(reverse("adverse-event-new", kwargs={"slug": "t"})).status_code == 403


def test_the_api_lists_what_the_page_shows(with_token) -> None:
    trial = make_trial()
    recorded(person(trial), TELLING)
    address = "/api/v1/trials/t/adverse-events/"
    [told] = with_token(make_member(trial, "coordinator", "leeds")).get(address).json()["results"]
    [blind] = with_token(make_member(trial, "monitor")).get(address).json()["results"]
    assert (told["term"], told["narrative"], told["relatedness"]) == (TELLING.term, "Canary story", "definite")
    assert (blind["term"], blind["narrative"], blind["relatedness"], blind["expected"]) == ("Anxiety", None, None, None)
    client = with_token(make_member(trial, "coordinator", "ghent"))
    assert client.get(address).json()["results"] == []
    assert client.get(address, {"arm": "x"}).json()["code"] == "parameter_unknown"
    assert with_token(make_member(trial, "lab_manager")).get(address).status_code == 403
