"""Simple randomization: every place is drawn by the ratio alone, whatever came before."""

from collections.abc import Iterator
from dataclasses import dataclass

from trials.allocation.arms import (
    ArmRatio,
    arm_at,
    canonical_json,
    check_arms,
    personalization,
    specification_of,
    sum_of,
)
from trials.allocation.generator import HmacDrbg

METHOD = "simple"
VERSION = 1


@dataclass(frozen=True)
class Scheme:
    """The arms with their ratio; `ValueError` for arms that `check_arms` refuses."""

    arms: tuple[ArmRatio, ...]

    def __post_init__(self) -> None:
        check_arms(self.arms)

    def canonical_json(self) -> str:
        """Return the one ASCII spelling of this scheme; commitments and lists are computed from it."""
        return canonical_json(METHOD, VERSION, self.arms)

    @classmethod
    def from_json(cls, text: str) -> "Scheme":
        """Read what `canonical_json` wrote, in any JSON spelling; `ValueError` for another method or version."""
        arms, _ = specification_of(text, METHOD, VERSION)
        return cls(arms)


def simple_list(seed: bytes, scheme: Scheme, stratum: str) -> Iterator[str]:
    """Yield arm codes without end; the same seed, scheme and stratum always give the same.

    `ValueError` for a seed of fewer than 256 bits.
    """
    generator = HmacDrbg(seed, personalization=personalization(scheme.canonical_json(), stratum))
    return (arm_at(scheme.arms, generator.below(sum_of(scheme.arms))) for _ in iter(int, 1))
