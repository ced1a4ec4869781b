"""The verdict on an allocation list: are its blocks balanced, how far off the ratio does it run, can it be guessed?"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from trials.allocation.blocks import Slot


@dataclass(frozen=True)
class ListVerdict:
    """What a list of one stratum looks like.

    `max_imbalance` and `final_imbalance`: the largest distance of an arm's count from its share of the ratio, along the
    list and at its end. `guess_rate`: share of right guesses by the convergence strategy, "the arm that has fewer so
    far, a coin at a tie" (Blackwell & Hodges 1957); None unless there are two arms with equal shares. `runs`: stretches
    of one arm.
    """

    n: int
    counts: dict[str, int]
    blocks_full: int
    bad_block_ids: tuple[int, ...]
    max_imbalance: float
    final_imbalance: float
    guess_rate: float | None
    runs: int

    @property
    def blocks_bad(self) -> int:
        """How many complete blocks do not keep the ratio."""
        return len(self.bad_block_ids)


def check_list(slots: Iterable[Slot], ratio: Mapping[str, int]) -> ListVerdict:
    """Judge the list of one stratum against its ratio (arm code to weight); an unfinished last block is not judged.

    Raises `ValueError` when the sequence is not 1, 2, 3, ... (a place is missing or doubled), or an arm is unknown.
    """
    ordered = sorted(slots, key=lambda slot: slot.sequence)
    if [slot.sequence for slot in ordered] != list(range(1, len(ordered) + 1)):
        raise ValueError("the list's sequence has a gap or a place twice")
    arms = [slot.arm for slot in ordered]
    if unknown := set(arms) - set(ratio):
        raise ValueError(f"arms that the ratio does not name: {', '.join(sorted(unknown))}")
    full = _full_blocks(ordered)
    imbalances = _imbalances(arms, ratio)
    return ListVerdict(
        n=len(arms),
        counts={arm: arms.count(arm) for arm in ratio},
        blocks_full=len(full),
        bad_block_ids=tuple(number for number, block in full.items() if not _keeps_ratio(block, ratio)),
        max_imbalance=max(imbalances, default=0.0),
        final_imbalance=imbalances[-1] if imbalances else 0.0,
        guess_rate=_guess_rate(arms, ratio),
        runs=sum(before != after for before, after in pairwise(arms)) + bool(arms),
    )


def _full_blocks(slots: list[Slot]) -> dict[int, list[str]]:
    sizes = {slot.block: slot.size for slot in slots}
    blocks: dict[int, list[str]] = defaultdict(list)
    for slot in slots:
        blocks[slot.block].append(slot.arm)
    return {number: arms for number, arms in blocks.items() if len(arms) >= sizes[number]}


def _keeps_ratio(block: list[str], ratio: Mapping[str, int]) -> bool:
    ratio_sum = sum(ratio.values())
    return all(block.count(arm) * ratio_sum == weight * len(block) for arm, weight in ratio.items())


def _imbalances(arms: list[str], ratio: Mapping[str, int]) -> list[float]:
    ratio_sum = sum(ratio.values())
    counts = dict.fromkeys(ratio, 0)
    imbalances = []
    for allocated, arm in enumerate(arms, start=1):
        counts[arm] += 1
        off = max(abs(counts[code] - Fraction(allocated * weight, ratio_sum)) for code, weight in ratio.items())
        imbalances.append(float(off))
    return imbalances


def _guess_rate(arms: list[str], ratio: Mapping[str, int]) -> float | None:
    if not arms or len(ratio) != 2 or len(set(ratio.values())) != 1:
        return None
    first, second = ratio
    counts: Counter[str] = Counter()
    right = Fraction()
    for arm in arms:
        if counts[first] == counts[second]:
            right += Fraction(1, 2)
        elif arm == (first if counts[first] < counts[second] else second):
            right += 1
        counts[arm] += 1
    return float(right / len(arms))
