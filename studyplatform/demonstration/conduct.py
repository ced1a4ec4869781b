"""CALM-Sleep's therapy: therapists, groups, sessions of the therapy arm, and a handful of adverse events. Simulated."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db import transaction

from measurements.services.sessions import Contact, record_group_session, record_sessions
from measurements.validation.session_rows import SessionAsSent
from studyplatform.demonstration.people import PLATFORM
from trials.models import Participant, Therapist, TherapyGroup, Trial
from trials.services.safety import Particulars, record_adverse_event
from trials.services.therapy import add_therapist, form_group, join_group

PLANNED = 8
GROUP_SIZE = 5
A_WEEK = timedelta(days=7)
EVENING = time(17, 30)
MINUTES = 50


def conduct(trial: Trial, treated: Sequence[Participant], everybody: Sequence[Participant], today: date) -> None:
    """Record what the therapists did with those who began the therapy, once and all or nothing."""
    if trial.sessions.exists():
        return
    with transaction.atomic():
        therapists = {
            site.pk: add_therapist(trial=trial, site=site, code=f"{site.code}-t1", by=PLATFORM)
            for site in trial.sites.all()
        }
        rest: list[Participant] = []
        for site_id, therapist in therapists.items():
            here = [each for each in treated if each.site_id == site_id]
            _meet(trial, here[:GROUP_SIZE], therapist, today)
            rest += here[GROUP_SIZE:]
        rows = [row for each in rest for row in _course(each, therapists[each.site_id], today)]
        record_sessions(trial=trial, rows=rows, by=PLATFORM)
        _harm(treated, everybody, today)


def _meet(trial: Trial, members: Sequence[Participant], therapist: Therapist, today: date) -> None:
    """A group of the first who were randomized at a site, and its weekly sessions."""
    if not members:
        return
    group: TherapyGroup = form_group(
        trial=trial, site=therapist.site, code=f"{therapist.site.code}-g1", therapist=therapist, by=PLATFORM
    )
    start = max(each.randomized_on or today for each in members)
    for each in members:
        join_group(group=group, participant=each, on=start, by=PLATFORM)
    for number in range(1, PLANNED + 1):
        day = start + number * A_WEEK
        if day >= today:
            return
        contact = Contact(
            occurred_at=_evening(day), minutes=Decimal(90), kind="group", number=number, therapist=therapist
        )
        missed = {each.pk: "Ill" for each in members if (each.pk + number) % 11 == 0}
        record_group_session(group=group, contact=contact, missed=missed, by=PLATFORM, key=f"{group.code}/{number}")


def _course(participant: Participant, therapist: Therapist, today: date) -> Iterator[SessionAsSent]:
    """The individual sessions of one participant, by telephone or in the room; a few stop early, a few miss one."""
    start, number_of = participant.randomized_on or today, participant.number or 0
    for number in range(1, (3 if number_of % 9 == 0 else PLANNED) + 1):
        day = start + number * A_WEEK
        if day >= today:
            return
        is_missed = (number_of + number) % 8 == 0
        yield SessionAsSent(
            participant=participant.code,
            occurred_at=_evening(day).isoformat(),
            number=str(number),
            kind="individual",
            therapist=therapist.code,
            attended="false" if is_missed else "true",
            minutes=None if is_missed else str(MINUTES - 5 * (number_of % 3)),
            reason="Did not come" if is_missed else None,
        )


def _evening(day: date) -> datetime:
    return datetime.combine(day, EVENING, tzinfo=UTC)


def _harm(treated: Sequence[Participant], everybody: Sequence[Participant], today: date) -> None:
    """Six adverse events, among them a serious one and one whose words would tell the arm."""
    for place, (days, lasted, particulars) in enumerate(EVENTS):
        whose = treated if particulars.get("is_expected") else everybody
        participant = whose[place * 7 % len(whose)]
        started = (participant.randomized_on or today) + timedelta(days=days)
        if started + timedelta(days=lasted + 1) >= today:
            continue
        known = {
            "started_on": started,
            "ended_on": started + timedelta(days=lasted) if lasted else None,
            "aware_on": started + timedelta(days=1),
            "reported_on": started + timedelta(days=1) if particulars.get("is_serious") else None,
        }
        record_adverse_event(
            participant=participant,
            particulars=Particulars(**(known | particulars)),  # type: ignore[arg-type]  # the fields of the table below
            by=PLATFORM,
            key=f"demonstration-{place}",
        )


# Days after randomization, days it lasted (0: it goes on), and the rest.
EVENTS: tuple[tuple[int, int, dict[str, object]], ...] = (
    (9, 3, {"term": "Daytime sleepiness", "severity": "mild", "relatedness": "probable", "outcome": "recovered",
            "is_expected": True, "action_taken": "Time in bed lengthened by half an hour"}),
    (14, 5, {"term": "Headache", "severity": "mild", "relatedness": "possible", "outcome": "recovered"}),
    (21, 8, {"term": "Appendicitis", "severity": "severe", "relatedness": "not_related", "outcome": "recovered",
             "is_serious": True, "criteria": ("hospitalization",), "dictionary": "MedDRA 28.0",
             "dictionary_code": "10003011", "narrative": "Operated on the same day; discharged on the fourth."}),
    (16, 0, {"term": "Tiredness during sleep restriction", "blinded_term": "Tiredness", "severity": "moderate",
             "relatedness": "definite", "outcome": "recovering", "is_expected": True}),
    (30, 6, {"term": "Influenza", "severity": "moderate", "relatedness": "not_related", "outcome": "recovered"}),
    (12, 2, {"term": "Low mood", "severity": "mild", "relatedness": "unlikely", "outcome": "recovered"}),
)  # fmt: skip
