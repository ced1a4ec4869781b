"""The flow of participants against a recount by hand, over many histories that were made up at random."""

import random
from collections import Counter
from datetime import date, timedelta

import pytest

from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.models import Allocation, Attendance, Intervention, Participant, ParticipantEvent
from trials.selectors.consort import consort_counts, course_of_trial
from trials.selectors.registry import participant_flows
from trials.services.design import ArmDesign, CriterionDesign

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)
CRITERIA = (CriterionDesign("age", "Aged 18 to 70"), CriterionDesign("shift", "Shift work", "exclusion"))
AFTER = (
    "intervention_started",
    "intervention_not_started",
    "intervention_discontinued",
    "intervention_ended",
    "follow_up_withdrawn",
    "lost_to_follow_up",
    "data_use_withdrawn",
    "died",
    "completed",
    "crossed_over",
    "randomized_in_error",
)
REASONS = ("moved", "no time", "", "felt better")


KINDS = (
    ("intervention", "cbt"),
    ("usual_care", ""),
    ("usual_care", "other_psychotherapy"),
    ("active_control", "psychoeducation"),
    ("active_control", ""),
)


def arms_of(number):
    first = ArmDesign("a0", "Arm 0", "waitlist", is_reference=True)
    kinds = (KINDS[n % len(KINDS)] for n in range(number - 1))
    return (
        first,
        *(ArmDesign(f"a{n}", f"Arm {n}", kind, intervention_type=of) for n, (kind, of) in enumerate(kinds, 1)),
    )


def make_history(trial, chance, people):
    """Write the events of so many people: any kinds in any order, struck and repeated ones, one arm without anybody."""
    arms = list(trial.arms.all())[:-1]
    site, stratum, visit = trial.sites.first(), trial.strata.first(), trial.visits.get(code="six_months")

    def happen(who, kind, reason="", on=DAY, **detail):
        return ParticipantEvent.objects.create(
            trial=trial, participant=who, kind=kind, occurred_on=on, reason=reason, detail=detail
        )

    def some_day():
        return chance.choice([None, *(DAY + timedelta(days=number) for number in range(4))])

    def strike(event):
        ParticipantEvent.objects.create(
            trial=trial, participant=event.participant, kind=event.kind, occurred_on=DAY, reason="typo", retracts=event
        )

    with audit.transaction(by=PLATFORM) as event:
        for number in range(people):
            who = Participant.objects.create(trial=trial, site=site, code=f"H-{number}", screened_on=DAY)
            happen(who, "screened")
            fate = chance.choice(["excluded", "mistaken", "waiting", "randomized", "randomized", "randomized"])
            if fate == "excluded":
                reason = chance.choice(["ineligible", "declined", "other"])
                unmet = chance.sample(["age", "shift"], chance.randint(0, 2)) if reason == "ineligible" else []
                happen(who, "excluded", reason, unmet=unmet)
            if fate == "mistaken":
                strike(happen(who, "excluded", "ineligible", unmet=["age"]))
            if fate != "randomized":
                continue
            happen(who, "consented")
            happen(who, "randomized")
            Allocation.objects.create(
                trial=trial,
                participant=who,
                arm=chance.choice(arms),
                stratum=stratum,
                source="external",
                provenance="made up",
            )
            for kind in chance.sample(AFTER, chance.randint(0, 5)):
                made = happen(who, kind, chance.choice(REASONS), some_day())
                if chance.random() < 0.3:
                    strike(made)
                    if chance.random() < 0.5:
                        happen(who, kind, chance.choice(REASONS), some_day())
            if chance.random() < 0.6:
                came = chance.random() < 0.7
                Attendance.objects.create(
                    trial=trial,
                    participant=who,
                    visit=visit,
                    attended_on=DAY if came else None,
                    missed_category="" if came else chance.choice(["ill", "other", ""]),
                    missed_reason="" if came else chance.choice(["flu", "holiday"]),
                )
        event.record("history.made", trial=trial, target=trial)


def recount(trial, arm):
    """Count one arm's people event by event, in the plainest way there is."""
    members = [each.participant for each in Allocation.objects.filter(trial=trial) if arm in (None, each.arm)]
    counts, reasons = Counter(), {kind: Counter() for kind in AFTER}
    for member in members:
        events = list(ParticipantEvent.objects.filter(participant=member).order_by("id"))
        struck = {each.retracts_id for each in events if each.retracts_id}
        kept = [each for each in events if each.retracts_id is None and each.pk not in struck]
        crossed = [each.occurred_on for each in kept if each.kind == "crossed_over" and each.occurred_on]
        standing = {}
        for each in kept:
            of_intervention = each.kind in {
                f"intervention_{what}" for what in ("started", "not_started", "discontinued")
            }
            if of_intervention and crossed and each.occurred_on and each.occurred_on >= min(crossed):
                continue
            standing[each.kind] = each.reason
        counts["any_start"] += bool({"intervention_started", "intervention_not_started"} & standing.keys())
        end = end_of(standing)
        counts[f"end {end}"] += 1
        for kind, reason in standing.items():
            counts[kind] += 1
            if kind in reasons and kind not in ALL_ENDS - {end}:
                reasons[kind][reason] += 1
    missed = [each for each in Attendance.objects.all() if each.participant in members and not each.attended_on]
    attended = [each for each in Attendance.objects.all() if each.participant in members and each.attended_on]
    return len(members), counts, reasons, len(attended), missed


ALL_ENDS = {"died", "data_use_withdrawn", "follow_up_withdrawn", "lost_to_follow_up", "completed"}


def end_of(happened):
    """Death before anything else, then what somebody withdrew, then that they were lost, then that they completed."""
    if "died" in happened:
        return "died"
    if "data_use_withdrawn" in happened:
        return "data_use_withdrawn"
    if "follow_up_withdrawn" in happened:
        return "follow_up_withdrawn"
    if "lost_to_follow_up" in happened:
        return "lost_to_follow_up"
    return "completed" if "completed" in happened else "none"


def received_of(arm, allocated, kinds, *, starts_recorded):
    """Who is in an arm with something to start received it once that is recorded; who waits, unless it is not."""
    if not starts_recorded:
        return None
    is_described = Intervention.objects.filter(arm=arm).exists()
    if arm.kind == "waitlist" or (arm.kind == "usual_care" and not is_described):
        return allocated - kinds["intervention_not_started"]
    return kinds["intervention_started"]


PLAIN = {
    "withdrawn": "end follow_up_withdrawn",
    "lost_to_follow_up": "end lost_to_follow_up",
    "died": "end died",
    "completed": "end completed",
    "data_use_withdrawn": "end data_use_withdrawn",
    "followed": "end none",
    "randomized_in_error": "randomized_in_error",
}
TELLING = {
    "not_started": "intervention_not_started",
    "discontinued": "intervention_discontinued",
    "crossed_over": "crossed_over",
}
WITH_REASONS = {
    "not_started_reasons": "intervention_not_started",
    "discontinued_reasons": "intervention_discontinued",
    "lost_reasons": "lost_to_follow_up",
    "withdrawn_reasons": "follow_up_withdrawn",
}


@pytest.mark.parametrize("seed", range(14))
def test_counts_equal_a_recount(seed) -> None:
    chance = random.Random(seed)
    trial = make_trial(arms=arms_of(2 + seed % 7), criteria=CRITERIA, factors={}, sites=("leeds",), is_open_label=False)
    make_history(trial, chance, chance.choice([0, 1, 7, 40]))
    counts = consort_counts(trial, make_member(trial, "monitoring_board"))
    pooled = consort_counts(trial, make_member(trial, "monitor"))

    assert [arm.code for arm in counts.arms] == [arm.code for arm in trial.arms.all()]
    assert counts.arms[-1].allocated == 0
    starts_recorded = bool(recount(trial, None)[1]["any_start"])
    for arm, found in zip([*trial.arms.all(), None], [*counts.arms, *pooled.arms], strict=True):
        allocated, kinds, reasons, attended, missed = recount(trial, arm)
        assert found.allocated == allocated
        assert {name: getattr(found, name) for name in PLAIN} == {name: kinds[kind] for name, kind in PLAIN.items()}
        assert found.allocated == sum(getattr(found, name) for name in list(PLAIN)[:-1])
        received = received_of(arm, allocated, kinds, starts_recorded=starts_recorded) if arm else None
        assert found.received == received
        told = {name: kinds[kind] if arm else None for name, kind in TELLING.items()}
        assert {name: getattr(found, name) for name in TELLING} == told
        for name, kind in WITH_REASONS.items():
            assert dict(getattr(found, name)) == (dict(reasons[kind]) if arm else {})
        (visit,) = found.visits
        assert (visit.attended, visit.missed) == (attended, len(missed))
        words = Counter(
            each.missed_category if each.missed_category == "ill" else each.missed_reason for each in missed
        )
        pooled_words = Counter("ill" if each.missed_category == "ill" else "other" for each in missed)
        assert dict(visit.missed_reasons) == (words if arm else pooled_words)
    for flow, found in zip(participant_flows(trial), counts.arms, strict=True):
        left = found.withdrawn + found.data_use_withdrawn + found.lost_to_follow_up + found.died
        assert (flow.started, flow.completed) == (found.allocated, found.completed)
        assert sum(n for _reason, n in flow.left) == left == flow.started - flow.completed - found.followed

    events = ParticipantEvent.objects.filter(trial=trial)
    standing = [each for each in events if not each.retracts_id and not events.filter(retracts=each).exists()]
    excluded = [each for each in standing if each.kind == "excluded"]
    assert counts.assessed == len({each.participant_id for each in events if each.kind == "screened"})
    assert dict(counts.excluded) == Counter(each.reason for each in excluded)
    unmet = Counter(code for each in excluded for code in each.detail["unmet"])
    names = {"age": "Aged 18 to 70", "shift": "Shift work"}
    assert dict(counts.unmet_criteria) == {names[code]: n for code, n in unmet.items()}
    assert counts.randomized == sum(arm.allocated for arm in counts.arms) == pooled.arms[0].allocated


def test_the_number_of_queries_does_not_grow_with_people(django_assert_num_queries) -> None:
    trial = make_trial(criteria=CRITERIA, factors={}, sites=("leeds",))
    with django_assert_num_queries(3):
        course_of_trial(trial)
    make_history(trial, random.Random(1), 30)
    with django_assert_num_queries(3):
        course_of_trial(trial)


def test_reasons_in_free_words_are_for_those_who_see_arms() -> None:
    trial = make_trial(factors={}, sites=("leeds",), is_open_label=False)
    make_history(trial, random.Random(3), 40)
    pooled = consort_counts(trial, make_member(trial, "data_manager")).arms[0]
    assert pooled.lost_to_follow_up
    assert not any(getattr(pooled, name) for name in WITH_REASONS)
    assert "flu" not in str(pooled)
