"""Simultaneous randomizations by every method, every tenth rolled back: no place shared, skipped or out of order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.db import connections, transaction

from tests.making import PLATFORM, make_trial, slots_of
from trials import audit
from trials.models import Allocation, GroupAllocation, GroupMember, Participant, Stratum, TherapyGroup
from trials.services.enrollment import record_consent, screen_participant
from trials.services.groups import randomize_group
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant
from trials.services.verification import verify_allocation

PEOPLE, AT_ONCE = 160, 16
DAY = date(2026, 3, 1)


class Aborted(Exception):  # noqa: N818 - what happened, not an error
    """The caller's own transaction fails after randomization."""


def consented(trial, site) -> Participant:
    participant = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
    return record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")


def test_with_ten_percent_rolled_back(committed) -> None:
    trial = make_trial(sites=("leeds", "ghent"), planned=PEOPLE)
    sites = list(trial.sites.all())
    people = [consented(trial, sites[number % 2]) for number in range(PEOPLE)]
    aborted = set(range(0, PEOPLE, 10))
    ready = threading.Barrier(AT_ONCE)

    def randomize(number: int) -> None:
        if number < AT_ONCE:
            ready.wait()
        try:
            with transaction.atomic():
                randomize_participant(participant=people[number], by=PLATFORM, levels={"sex": "FM"[number // 2 % 2]})
                if number in aborted:
                    raise Aborted
        except Aborted:
            pass
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(randomize, range(PEOPLE)))
    assert Allocation.objects.count() == PEOPLE - len(aborted)
    assert Participant.objects.filter(state="consented").count() == len(aborted)
    for stratum in Stratum.objects.filter(trial=trial):
        given = list(
            Allocation.objects.filter(stratum=stratum).order_by("sequence").values_list("sequence", "arm__code")
        )
        assert given == [(slot.sequence, slot.arm) for slot in slots_of(trial, stratum, len(given))]
        assert stratum.next_sequence == len(given) + 1
        in_order_of_writing = (
            Allocation.objects.filter(stratum=stratum).order_by("id").values_list("sequence", flat=True)
        )
        assert list(in_order_of_writing) == [sequence for sequence, _ in given]


def at_once(randomize, count: int) -> None:
    """Call `randomize` with 0, 1, ... from as many threads as there are calls, all begun together."""
    ready = threading.Barrier(count)

    def run(number: int) -> None:
        ready.wait()
        try:
            with transaction.atomic():
                randomize(number)
                if number % 10 == 0:
                    raise Aborted
        except Aborted:
            pass
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(run, range(count)))


def require_exact(trial, given) -> None:
    """Places without gap or repeat, written in their order, and every arm as the seed and the order before it give."""
    assert list(given.order_by("id").values_list("sequence", flat=True)) == list(range(1, given.count() + 1))
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    verdict = verify_allocation(trial=trial, by=PLATFORM)
    assert (verdict.compared, verdict.differences) == (given.count(), ())


@pytest.mark.parametrize("method", ["simple", "minimization"])
def test_sixty_four_at_once_from_the_one_list(committed, method) -> None:
    trial = make_trial(randomization_method=method, planned=64)
    sites = list(trial.sites.all())
    people = [consented(trial, sites[number % 2]) for number in range(64)]

    def randomize(number: int) -> None:
        randomize_participant(participant=people[number], by=PLATFORM, levels={"sex": "FM"[number // 2 % 2]}, on=DAY)

    at_once(randomize, 64)
    assert Allocation.objects.count() == 57
    require_exact(trial, Allocation.objects.filter(trial=trial))


def test_thirty_two_groups_at_once(committed) -> None:
    trial = make_trial(
        randomization_method="minimization", randomization_unit="group", factors={"time": ("am", "pm")}, planned=32
    )
    site = trial.sites.first()
    groups = []
    for number in range(32):
        people = [consented(trial, site), consented(trial, site)]
        with audit.transaction(by=PLATFORM) as event:
            group = TherapyGroup.objects.create(trial=trial, site=site, code=f"g{number}")
            for person in people:
                GroupMember.objects.create(trial=trial, group=group, participant=person, joined_on=DAY)
            TherapyGroup.objects.filter(pk=group.pk).update(closed_on=DAY)
            event.record("test.group", trial=trial)
        groups.append(group)
    at_once(lambda number: randomize_group(group=groups[number], by=PLATFORM, levels={"time": "am"}, on=DAY), 32)
    assert GroupAllocation.objects.count() == 28
    assert Allocation.objects.count() == 56
    require_exact(trial, GroupAllocation.objects.filter(trial=trial))


def test_one_group_asked_for_at_once_is_randomized_once(committed) -> None:
    trial = make_trial(randomization_unit="group", factors={})
    person = consented(trial, trial.sites.first())
    with audit.transaction(by=PLATFORM) as event:
        group = TherapyGroup.objects.create(trial=trial, site=trial.sites.first(), code="g")
        GroupMember.objects.create(trial=trial, group=group, participant=person, joined_on=DAY)
        TherapyGroup.objects.filter(pk=group.pk).update(closed_on=DAY)
        event.record("test.group", trial=trial)
    at_once(lambda number: randomize_group(group=group, by=PLATFORM), 9)
    assert GroupAllocation.objects.count() == 1
    assert Allocation.objects.count() == 1
