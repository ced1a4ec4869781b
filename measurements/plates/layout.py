"""Random places of specimens on plates.

All specimens of a participant go on one plate where they fit, participants and places are random, and nothing but
specimens and who they belong to is read: an arm cannot come in. Everything is drawn from a seed, so that a layout can
be drawn again by anybody who has it.

The method, which `METHOD` names: participants (in the order of their first specimen id) are shuffled; each goes on the
first plate with room for all of their specimens, else on a new one; those with more specimens than a plate holds are
shuffled and fill plates of their own, the rest going where it fits. On each plate the specimens are shuffled over the
first free slots, column by column. A slot is as many wells side by side as there are replicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

from trials.allocation.generator import HmacDrbg

METHOD: Final = "participants-1"
FORMS: Final = {96: (8, 12), 384: (16, 24)}
"""Rows and columns by the number of wells."""
MOST_REPLICATES: Final = 4
RESERVED: Final = ("standard", "blank", "control")


@dataclass(frozen=True)
class Form:
    """A plate: its wells, how often each specimen is measured, and how many standards, blanks and controls there are.

    These stand first, each in as many wells as a specimen and in two at least.
    """

    wells: int = 96
    replicates: int = 2
    standards: int = 8
    blanks: int = 1
    controls: int = 3

    def __post_init__(self) -> None:
        """Raises ValueError for a form that no plate has, or that leaves no room for a specimen."""
        if self.wells not in FORMS:
            raise ValueError("A plate has 96 or 384 wells.")
        if not 1 <= self.replicates <= MOST_REPLICATES:
            raise ValueError(f"A specimen is measured 1 to {MOST_REPLICATES} times.")
        if min(self.standards, self.blanks, self.controls) < 0:
            raise ValueError("There cannot be fewer than none.")
        if not self.free:
            raise ValueError("Standards, blanks and controls leave no room for a specimen.")

    @property
    def free(self) -> list[tuple[str, ...]]:
        """The slots for specimens, column by column: each the names of its wells."""
        taken = {well for _kind, _number, wells in self.reserved for well in wells}
        return [slot for slot in _slots(self.wells, self.replicates) if not taken & set(slot)]

    @property
    def reserved(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """Kind, number and wells of standards, blanks and controls."""
        wanted = [
            (kind, number)
            for kind, count in zip(RESERVED, (self.standards, self.blanks, self.controls), strict=True)
            for number in range(1, count + 1)
        ]
        slots = _slots(self.wells, max(2, self.replicates))
        return [(kind, number, wells) for (kind, number), wells in zip(wanted, slots, strict=False)]


@dataclass(frozen=True)
class Well:
    """What a well holds: `kind` is `specimen`, `standard`, `blank` or `control`; `name` its id or number."""

    well: str
    kind: str
    name: str
    replicate: int


def draw_layout(participants: Sequence[Sequence[str]], form: Form, seed: bytes) -> list[list[Well]]:
    """Return the plates, each well by well in order of rows, for the specimen ids of each participant.

    The same seed, form and specimens give the same plates, in whatever order they are named. Raises ValueError for a
    specimen named twice, or a seed of fewer than 32 bytes.
    """
    named = sorted(sorted(group) for group in participants if group)
    ids = [specimen for group in named for specimen in group]
    if len(set(ids)) != len(ids):
        raise ValueError("A specimen is named twice.")
    generator = HmacDrbg(seed, personalization=METHOD.encode())
    plates = _on_plates(generator.shuffled(named), len(form.free), generator)
    return [_laid_out(generator.shuffled(specimens), form) for specimens in plates]


def _on_plates(groups: Sequence[list[str]], room: int, generator: HmacDrbg) -> list[list[str]]:
    plates: list[list[str]] = []
    for group in groups:
        rest = group if len(group) <= room else generator.shuffled(group)
        while len(rest) > room:
            plates.append(rest[:room])
            rest = rest[room:]
        plate = next((each for each in plates if len(each) + len(rest) <= room), None)
        if plate is None:
            plates.append(list(rest))
        else:
            plate += rest
    return plates


def _laid_out(specimens: Sequence[str], form: Form) -> list[Well]:
    filled = [
        Well(well, kind, str(number), replicate)
        for kind, number, wells in form.reserved
        for replicate, well in enumerate(wells, 1)
    ]
    filled += [
        Well(well, "specimen", specimen, replicate)
        for specimen, wells in zip(specimens, form.free, strict=False)
        for replicate, well in enumerate(wells, 1)
    ]
    return sorted(filled, key=lambda each: (each.well[0], int(each.well[1:])))


def _slots(wells: int, width: int) -> list[tuple[str, ...]]:
    """Every slot of `width` wells side by side, down the first columns, then the next."""
    rows, columns = FORMS[wells]
    return [
        tuple(f"{ascii_uppercase[row]}{column + step + 1}" for step in range(width))
        for column in range(0, columns - width + 1, width)
        for row in range(rows)
    ]
