"""CONSORT and recruitment, counted from events."""

from datetime import date, timedelta

import pytest

from tests.making import PLATFORM, make_member, make_trial
from trials.models import ParticipantEvent
from trials.selectors.consort import consort_counts
from trials.selectors.recruitment import RecruitmentCounts, recruitment_counts
from trials.services.design import create_trial
from trials.services.enrollment import (
    ExternalParticipant,
    exclude_participant,
    record_consent,
    record_event,
    record_external_participants,
    screen_participant,
)
from trials.services.lifecycle import change_status, register_trial
from trials.services.randomization import randomize_participant

DAY = date(2026, 3, 1)


def story():
    """Ten assessed; three excluded, six randomized on three days, one waits; then things happen."""
    trial = make_trial(sites=("leeds",), factors={})
    people = [screen_participant(trial=trial, site=trial.sites.get(), by=PLATFORM, screened_on=DAY) for _ in range(10)]
    for person, reason in zip(people, ("ineligible", "ineligible", "declined"), strict=False):
        exclude_participant(participant=person, reason=reason, by=PLATFORM, on=DAY)
    inside = []
    for position, person in enumerate(people[3:9]):
        person = record_consent(participant=person, by=PLATFORM, on=DAY, version="1.0")
        inside.append(randomize_participant(participant=person, by=PLATFORM, on=DAY + timedelta(days=position // 2)))
    happened = [
        ("intervention_started", 0),
        ("intervention_not_started", 1),
        ("intervention_discontinued", 0),
        ("lost_to_follow_up", 2),
        ("data_use_withdrawn", 3),
        ("follow_up_withdrawn", 4),
    ]
    later = DAY + timedelta(days=30)
    for kind, number in happened:
        record_event(participant=inside[number].participant, kind=kind, by=PLATFORM, on=later, reason="why")
    return trial, inside


@pytest.mark.django_db
def test_pooled_counts() -> None:
    trial, _ = story()
    counts = consort_counts(trial, make_member(trial, "monitor"))
    assert (counts.assessed, counts.consented, counts.randomized, counts.is_pooled) == (10, 6, 6, True)
    assert counts.excluded == (("ineligible", 2), ("declined", 1))
    (all_arms,) = counts.arms
    assert (all_arms.allocated, all_arms.received, all_arms.not_started, all_arms.discontinued) == (6, None, None, None)
    assert (all_arms.lost_to_follow_up, all_arms.withdrawn, all_arms.data_use_withdrawn) == (1, 1, 1)
    assert (all_arms.not_started_reasons, all_arms.lost_reasons) == ((), ())


@pytest.mark.django_db
def test_counts_per_arm_add_up_to_the_pooled_ones() -> None:
    trial, inside = story()
    counts = consort_counts(trial, make_member(trial, "monitoring_board"))
    assert [arm.code for arm in counts.arms] == ["cbt", "waitlist"]
    pooled = consort_counts(trial, make_member(trial, "monitor")).arms[0]
    for name in ("allocated", "lost_to_follow_up", "data_use_withdrawn"):
        assert sum(getattr(arm, name) for arm in counts.arms) == getattr(pooled, name)
    lost = next(arm for arm in counts.arms if arm.code == inside[2].arm.code)
    assert lost.lost_reasons == (("why", 1),)


@pytest.mark.django_db
def test_a_trial_randomized_elsewhere_has_no_screening() -> None:
    made = make_trial("pattern")
    trial = create_trial(
        slug="elsewhere",
        title="Elsewhere",
        by=PLATFORM,
        arms=[*_designs(made)],
        sites=[("a", "A")],
        allocation_provenance="published",
    )
    trial = change_status(trial=register_trial(trial=trial, by=PLATFORM), to="recruiting", by=PLATFORM)
    people = [ExternalParticipant(f"X-{n}", "a", "cbt", {"site": "a"}) for n in range(3)]
    record_external_participants(trial=trial, participants=people, by=PLATFORM)
    counts = consort_counts(trial, PLATFORM)
    assert (counts.assessed, counts.consented, counts.randomized) == (None, None, 3)
    recruited = recruitment_counts(trial, PLATFORM)
    assert (recruited.points, recruited.undated, recruited.randomized) == ((), 3, 3)


def _designs(trial):
    from trials.services.design import ArmDesign

    return [ArmDesign(arm.code, arm.name, arm.kind, is_reference=arm.is_reference) for arm in trial.arms.all()]


@pytest.mark.django_db
def test_recruitment_is_cumulative() -> None:
    trial, _ = story()
    counts = recruitment_counts(trial, make_member(trial, "monitor"))
    days = [DAY + timedelta(days=n) for n in range(3)]
    assert counts.points == tuple(zip(days, (2, 4, 6), strict=True))
    assert (counts.randomized, counts.planned, counts.starts) == (6, 40, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2025, 12, 1), 0),
        (date(2026, 1, 1), 0),
        (date(2026, 1, 6), 50),
        (date(2026, 1, 11), 100),
        (date(2027, 1, 1), 100),
    ],
)
def test_the_plan_is_a_straight_line(on, expected) -> None:
    plan = RecruitmentCounts((), 0, date(2026, 1, 1), date(2026, 1, 11), 100)
    assert plan.expected_by(on) == expected


def test_without_an_end_there_is_no_plan() -> None:
    assert RecruitmentCounts((), 0, date(2026, 1, 1), None, 100).expected_by(DAY) is None


@pytest.mark.django_db
def test_every_kind_of_event_after_randomization_is_counted() -> None:
    """A new kind must be given its place in the flow."""
    counted = {
        "screened",
        "excluded",
        "consented",
        "randomized",
        "intervention_started",
        "intervention_not_started",
        "intervention_discontinued",
        "follow_up_withdrawn",
        "data_use_withdrawn",
        "lost_to_follow_up",
        "died",
        "completed",
    }
    # Not of the flow: consent after the first, the end of an intervention, and what came of the controlled comparison.
    counted |= {"reconsented", "reconsent_declined", "consent_scope_withdrawn", "intervention_ended"}
    counted |= {"crossed_over", "unblinded"}
    counted |= {"randomized_in_error"}
    assert set(ParticipantEvent.Kind.values) == counted
