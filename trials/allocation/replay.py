"""Replaying: every arm anew from the opened seed, and what of the register differs from it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from trials.allocation import minimization
from trials.allocation.schemes import Scheme, contents


@dataclass(frozen=True)
class Place:
    """One line of the register: who took which place of which list, with which levels, and came into which arm."""

    stratum: str
    sequence: int
    unit: str
    arm: str
    levels: Mapping[str, str]


def rebuilt_arms(seed: bytes, scheme: Scheme, places: Iterable[Place]) -> dict[tuple[str, int], str]:
    """Return the arm of every place, by stratum and sequence, from seed, scheme, order and levels alone.

    The register's arms are not looked at, so that one of them that was changed differs at its own place only.
    """
    by_stratum: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(places, key=lambda each: each.sequence):
        by_stratum[place.stratum].append(place)
    return {
        (stratum, sequence): arm
        for stratum, taken in by_stratum.items()
        for sequence, arm in _arms(scheme, contents(seed, scheme, stratum), taken)
    }


def _arms(scheme: Scheme, list_contents: Iterator[str], taken: list[Place]) -> Iterator[tuple[int, str]]:
    held = dict(enumerate(islice(list_contents, taken[-1].sequence), start=1))
    counts: Counter[tuple[str, str, str]] = Counter()
    for place in taken:
        content = held[place.sequence]
        if isinstance(scheme, minimization.Scheme):
            content = minimization.minimized_arm(scheme, content, counts, place.levels)
            counts.update(minimization.count([(content, place.levels, 1)]))
        yield place.sequence, content


def differences(seed: bytes, scheme: Scheme, places: Iterable[Place], taken: Mapping[str, int]) -> list[str]:
    """Return what is not as rebuilt: a place skipped, a counter that ran ahead (`taken` by stratum), another arm."""
    register = sorted(places, key=lambda each: (each.stratum, each.sequence))
    rebuilt = rebuilt_arms(seed, scheme, register)
    found = []
    for stratum in sorted({*taken, *(place.stratum for place in register)}):
        used = [place.sequence for place in register if place.stratum == stratum]
        if used != list(range(1, len(used) + 1)):
            found.append(f"{stratum}: the places used have a gap.")
        if taken.get(stratum, 0) != len(used):
            found.append(f"{stratum}: {taken.get(stratum, 0)} places taken, {len(used)} in the register.")
    found += [
        f"{each.stratum}, place {each.sequence}: {each.unit or 'somebody'} is in {each.arm}, the list says {arm}."
        for each in register
        if (arm := rebuilt[each.stratum, each.sequence]) != each.arm
    ]
    return found
