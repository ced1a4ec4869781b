"""Trial services as a story, and randomization under concurrency."""

import threading
from collections import Counter
from datetime import date

import pytest
from django.db import connections

from tests.making import PLATFORM, make_trial
from trials.errors import InConflict
from trials.models import Allocation, Participant, Stratum
from trials.services.enrollment import record_consent, screen_participant
from trials.services.randomization import randomize_participant


def consented(trial, site) -> Participant:
    day = date(2026, 3, 1)
    participant = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=day)
    return record_consent(participant=participant, by=PLATFORM, on=day, version="1.0")


@pytest.mark.django_db
def test_from_screening_to_randomization() -> None:
    trial = make_trial()
    participant = consented(trial, trial.sites.get(code="leeds"))
    assert participant.code == "T-001-F"
    allocation = randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"})
    again = randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"})
    assert again == allocation
    assert allocation.stratum.key == "site=leeds|sex=F"
    participant.refresh_from_db()
    assert participant.state == "randomized"


@pytest.mark.django_db
def test_not_before_consent() -> None:
    trial = make_trial()
    participant = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=date(2026, 3, 1))
    with pytest.raises(InConflict, match="has not consented"):
        randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"})


def test_64_simultaneous_randomizations(committed: str) -> None:
    """4 strata (2 sexes x 2 bands) x 3 sites: 0 duplicates, 0 gaps, exact balance in every complete block."""
    trial = make_trial(
        sites=("leeds", "ghent", "york"), factors={"sex": ("F", "M"), "age": ("young", "old")}, planned=64
    )
    sites = list(trial.sites.all())
    participants = [consented(trial, sites[i % 3]) for i in range(64)]
    start, failures = threading.Barrier(64), []

    def randomize(index: int) -> None:
        levels = {"sex": "FM"[index % 2], "age": ("young", "old")[index // 2 % 2]}
        try:
            start.wait()
            randomize_participant(participant=participants[index], by=PLATFORM, levels=levels)
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=randomize, args=(index,)) for index in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Allocation.objects.count() == 64
    for stratum in Stratum.objects.filter(trial=trial):
        given = list(
            Allocation.objects.filter(stratum=stratum).order_by("sequence").values_list("sequence", "arm__code")
        )
        assert [sequence for sequence, _ in given] == list(range(1, len(given) + 1))
        assert stratum.next_sequence == len(given) + 1
        _assert_balanced(trial, stratum, [arm for _, arm in given])


def _assert_balanced(trial, stratum, arms) -> None:
    """Rebuild the block borders as the owner could, and count each complete block."""
    from tests.making import slots_of

    blocks: dict[int, list[str]] = {}
    sizes: dict[int, int] = {}
    for slot, arm in zip(slots_of(trial, stratum, len(arms)), arms, strict=True):
        assert slot.arm == arm
        blocks.setdefault(slot.block, []).append(arm)
        sizes[slot.block] = slot.size
    for block, given in blocks.items():
        if len(given) == sizes[block]:
            assert set(Counter(given).values()) == {sizes[block] // 2}
