"""What every scheme has: its arms with their ratio, and one canonical spelling."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

GENERATOR = "HMAC_DRBG-SHA-256"


class ArmRatio(NamedTuple):
    """An arm's code and its part in the allocation ratio: 2 in 2:1."""

    code: str
    weight: int


def check_arms(arms: Sequence[ArmRatio]) -> None:
    """Raise `ValueError` for fewer than two arms, repeated or empty codes, or a weight below 1."""
    codes = [code for code, _ in arms]
    if len(codes) < 2 or len(set(codes)) < len(codes) or not all(codes):
        raise ValueError("a scheme needs two or more arms with different codes")
    if any(weight < 1 for _, weight in arms):
        raise ValueError("each arm's part in the ratio must be at least 1")


def sum_of(arms: Iterable[ArmRatio]) -> int:
    """Return the sum of the ratio: 3 for 2:1."""
    return sum(weight for _, weight in arms)


def arm_at(arms: Iterable[ArmRatio], place: int) -> str:
    """Return the arm that a place from 0 to the ratio's sum - 1 falls on; arms lie side by side in their order."""
    for code, weight in arms:
        if place < weight:
            return code
        place -= weight
    raise ValueError("the place lies beyond the ratio's sum")


def canonical_json(method: str, version: int, arms: Sequence[ArmRatio], **more: Any) -> str:
    """Return the one ASCII spelling of a scheme; commitments and lists are computed from it."""
    specification = {
        "arms": [list(arm) for arm in arms],
        "generator": GENERATOR,
        "method": method,
        "version": version,
        **more,
    }
    return json.dumps(specification, sort_keys=True, separators=(",", ":"))


def specification_of(text: str, method: str, version: int) -> tuple[tuple[ArmRatio, ...], dict[str, Any]]:
    """Return the arms and everything else of a scheme's JSON; `ValueError` for another method or version."""
    specification = json.loads(text)
    if [specification.get(key) for key in ("generator", "method", "version")] != [GENERATOR, method, version]:
        raise ValueError(f"this is not a {method} scheme of version {version} with {GENERATOR}")
    return tuple(ArmRatio(code, weight) for code, weight in specification["arms"]), specification


def personalization(canonical: str, stratum: str) -> bytes:
    """Return what sets one list's generator apart from every other's."""
    # No part can contain the zero byte that ends it, except the stratum, which stands last.
    return b"\0".join([b"allocation list", canonical.encode("ascii"), stratum.encode("utf-8")])
