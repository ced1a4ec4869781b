"""The multirule procedure for control samples: Westgard, Barry, Hunt & Groth (1981), Clin. Chem. 27:493-501.

With z = (value - target mean) / target SD, and "beyond" a limit meaning further out than it:

- 1_2s: one value beyond 2 SD; a warning, nothing more;
- 1_3s: one value beyond 3 SD;
- 2_2s: two consecutive values beyond the same 2 SD limit, of one material, or of two materials in one run;
- R_4s: in one run, one value beyond +2 SD and another beyond -2 SD;
- 4_1s: four consecutive values beyond the same 1 SD limit, of one material or of all taken together;
- 10_x: ten consecutive values on the same side of the mean, of one material or of all taken together.

All but the first reject the run in which they are fulfilled. The paper looks at the other rules only after a 1_2s
warning, to save work by hand; here every rule is looked at, so that a drift within 2 SD is found as well.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WARNING: Final = "1_2s"
REJECTING: Final = ("1_3s", "2_2s", "R_4s", "4_1s", "10_x")
RULES: Final = (WARNING, *REJECTING)


@dataclass(frozen=True)
class Control:
    """One control value in order of time: its run, its material, and how many SD it lies from the target."""

    run: Hashable
    material: Hashable
    z: float


def rules_broken(controls: Sequence[Control]) -> list[tuple[str, ...]]:
    """Return, for each value in the order of time, the rules that it fulfils as the last of the values that they take.

    The values are those of one assay; those of a run stand together. Values after it never change what a value is told.
    """
    found: list[set[str]] = [_alone(each.z) for each in controls]
    for places in _series(controls):
        zs = [controls[place].z for place in places]
        for end, place in enumerate(places):
            found[place] |= {"4_1s"} if _beyond(zs, end, 4, 1) else set()
            found[place] |= {"10_x"} if _beyond(zs, end, 10, 0) else set()
    for places in _by(controls, "material"):
        zs = [controls[place].z for place in places]
        for end, place in enumerate(places):
            found[place] |= {"2_2s"} if _beyond(zs, end, 2, 2) else set()
    for places in _by(controls, "run"):
        for end, place in enumerate(places):
            found[place] |= _within_run(controls[place], [controls[each] for each in places[:end]])
    return [tuple(rule for rule in RULES if rule in each) for each in found]


def outcome(rules: Sequence[str]) -> str:
    """Return what rules mean for a run: `rejected`, `warning` or `in_control`."""
    if any(rule in REJECTING for rule in rules):
        return "rejected"
    return "warning" if rules else "in_control"


def _alone(z: float) -> set[str]:
    return ({WARNING} if abs(z) > 2 else set()) | ({"1_3s"} if abs(z) > 3 else set())


def _within_run(last: Control, before: Sequence[Control]) -> set[str]:
    """2_2s over materials, and the range: a value against those before it in its run."""
    found = set()
    if any(_beyond([each.z, last.z], 1, 2, 2) for each in before if each.material != last.material):
        found.add("2_2s")
    if any(max(last.z, each.z) > 2 and min(last.z, each.z) < -2 for each in before):
        found.add("R_4s")
    return found


def _beyond(zs: Sequence[float], end: int, count: int, limit: float) -> bool:
    """Whether the `count` values that end at `end` all lie beyond the same limit."""
    last = zs[max(0, end + 1 - count) : end + 1]
    return len(last) == count and (min(last) > limit or max(last) < -limit)


def _series(controls: Sequence[Control]) -> Iterator[list[int]]:
    """The places of each material, and of all together."""
    yield from _by(controls, "material")
    yield list(range(len(controls)))


def _by(controls: Sequence[Control], name: str) -> Iterator[list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for place, each in enumerate(controls):
        groups.setdefault(getattr(each, name), []).append(place)
    yield from groups.values()
