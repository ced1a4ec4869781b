"""Permuted blocks of random size: the allocation list of each stratum, drawn from the trial's one seed."""

from collections.abc import Iterator
from dataclasses import dataclass

from trials.allocation.arms import ArmRatio, canonical_json, check_arms, personalization, specification_of, sum_of
from trials.allocation.generator import HmacDrbg

METHOD = "permuted_blocks"
VERSION = 1


@dataclass(frozen=True)
class Scheme:
    """How arms are drawn: the arms with their ratio, and the block sizes chosen from with equal probability.

    Everything that the list depends on besides the seed and the stratum; the order of arms and sizes matters.
    Raises `ValueError` for fewer than two arms, repeated codes or sizes, a weight below 1, or a block size that is not
    a multiple of the ratio's sum (such a block could not be balanced).
    """

    arms: tuple[ArmRatio, ...]
    block_sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        check_arms(self.arms)
        if not self.block_sizes or len(set(self.block_sizes)) < len(self.block_sizes):
            raise ValueError("a scheme needs block sizes, each named once")
        if any(size < 1 or size % self.ratio_sum for size in self.block_sizes):
            raise ValueError(f"block sizes must be multiples of {self.ratio_sum}, the sum of the ratio")

    @property
    def ratio_sum(self) -> int:
        """The smallest number of participants that the ratio can be kept in."""
        return sum_of(self.arms)

    @property
    def ratio(self) -> dict[str, int]:
        """Arm code to weight, in the scheme's order."""
        return dict(self.arms)

    def block_of(self, size: int) -> tuple[str, ...]:
        """Return the arm codes of a block before it is shuffled: each arm together, in the scheme's order."""
        return tuple(code for code, weight in self.arms for _ in range(weight * size // self.ratio_sum))

    def canonical_json(self) -> str:
        """Return the one ASCII spelling of this scheme; commitments and lists are computed from it."""
        return canonical_json(METHOD, VERSION, self.arms, block_sizes=list(self.block_sizes))

    @classmethod
    def from_json(cls, text: str) -> "Scheme":
        """Read what `canonical_json` wrote, in any JSON spelling; `ValueError` for another method or version."""
        arms, specification = specification_of(text, METHOD, VERSION)
        return cls(arms, tuple(specification["block_sizes"]))


@dataclass(frozen=True)
class Slot:
    """One place of a stratum's list. `sequence` and `block` count from 1; block and size are never shown to people."""

    sequence: int
    block: int
    size: int
    arm: str


def default_block_sizes(arms: tuple[ArmRatio, ...]) -> tuple[int, ...]:
    """Return 2, 3 and 4 times the ratio's sum: 4, 6, 8 for 1:1.

    A block of the bare sum would be shorter, but gives away its last arm too often (see `predictability`).
    """
    return tuple(multiple * sum_of(arms) for multiple in (2, 3, 4))


def permuted_blocks(seed: bytes, scheme: Scheme, stratum: str) -> Iterator[Slot]:
    """Yield the stratum's slots without end; the same seed, scheme and stratum always give the same slots.

    Each stratum has its own generator, so that a list can be extended, or a stratum added, without touching another.
    `ValueError` for a seed of fewer than 256 bits.
    """
    generator = HmacDrbg(seed, personalization=personalization(scheme.canonical_json(), stratum))
    return _slots(generator, scheme)


def _slots(generator: HmacDrbg, scheme: Scheme) -> Iterator[Slot]:
    sequence = block = 0
    while True:
        block += 1
        size = scheme.block_sizes[generator.below(len(scheme.block_sizes))]
        for arm in generator.shuffled(scheme.block_of(size)):
            sequence += 1
            yield Slot(sequence, block, size, arm)
