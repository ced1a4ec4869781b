"""Simultaneous randomizations, every tenth rolled back with its slot taken: none shared, skipped or out of order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from django.db import connections, transaction

from tests.making import PLATFORM, make_trial, slots_of
from trials.models import Allocation, Participant, Stratum
from trials.services.enrollment import record_consent, screen_participant
from trials.services.randomization import randomize_participant

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
