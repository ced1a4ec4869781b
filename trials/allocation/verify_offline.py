#!/usr/bin/env python3
"""Check a trial's randomization on your own computer: python3 verify_allocation.py allocation-replay.json

It needs nothing but Python 3.10 or later, no network and no platform. From the opened seed it rebuilds every arm, and
checks (1) that seed and scheme give the commitment that was published before the first participant, (2) that no place
of a list was skipped, and (3) that everybody is in the arm that the seed gave. It prints "CONFIRMED" and ends with 0,
or every difference and ends with 1; 2 is for a file that it cannot read.

Compare the commitment that it prints with the one you noted when the trial was registered: the file alone cannot prove
which commitment that was. The method is described in docs/allocation.md; this is a second implementation of it, which
shares no line with the one that randomized.
"""

import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

Take = Callable[[int], bytes]


def stream(seed: bytes, personalization: bytes) -> Take:
    """HMAC_DRBG with SHA-256 (NIST SP 800-90A Rev. 1, 10.1.2): return the function that gives the next n bytes."""
    state = {"key": b"\x00" * 32, "value": b"\x01" * 32}

    def mac(data: bytes) -> bytes:
        return hmac.new(state["key"], data, hashlib.sha256).digest()

    def update(provided: bytes) -> None:
        for separator in (b"\x00", b"\x01") if provided else (b"\x00",):
            state["key"] = mac(state["value"] + separator + provided)
            state["value"] = mac(state["value"])

    def take(length: int) -> bytes:
        output = b""
        while len(output) < length:
            state["value"] = mac(state["value"])
            output += state["value"]
        update(b"")
        return output[:length]

    update(seed + personalization)
    return take


def integer_below(take: Take, bound: int) -> int:
    """A uniform integer: as many bits as bound - 1 has, drawn again until it is below the bound."""
    bits = (bound - 1).bit_length()
    while bits:
        drawn = int.from_bytes(take((bits + 7) // 8), "big") % (1 << bits)
        if drawn < bound:
            return drawn
    return 0


def by_ratio(arms: Sequence[Any], place: int) -> str:
    """The arm that a place from 0 to the ratio's sum - 1 falls on."""
    return str([code for code, weight in arms for _ in range(weight)][place])


def blocks(scheme: dict[str, Any], take: Take) -> Iterator[str]:
    """Permuted blocks: a size, then the block shuffled from its last place down (Fisher-Yates)."""
    arms, sizes = scheme["arms"], scheme["block_sizes"]
    ratio_sum = sum(weight for _, weight in arms)
    while True:
        size = sizes[integer_below(take, len(sizes))]
        block = [code for code, weight in arms for _ in range(weight * size // ratio_sum)]
        for last in range(size - 1, 0, -1):
            chosen = integer_below(take, last + 1)
            block[last], block[chosen] = block[chosen], block[last]
        yield from block


def simple(scheme: dict[str, Any], take: Take) -> Iterator[str]:
    """Simple randomization: every place by the ratio."""
    ratio_sum = sum(weight for _, weight in scheme["arms"])
    while True:
        yield by_ratio(scheme["arms"], integer_below(take, ratio_sum))


def minimization(scheme: dict[str, Any], take: Take, register: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Minimization (Pocock & Simon 1975; Han et al. 2009): the range of the marginal counts, and a biased coin."""
    arms, percent = scheme["arms"], scheme["percent"]
    weights = [weight for _, weight in arms]
    ratio_sum, whole = sum(weights), lcm(*weights)
    by_chance = Fraction(100 - percent, 100) * Fraction(ratio_sum, ratio_sum - min(weights))
    counts: dict[Any, int] = {}
    for line in register:
        tie, coin, other = (int.from_bytes(number, "big") for number in eights(take(24)))
        keys = [(factor, line["levels"][factor]) for factor in scheme["factors"]]
        if Fraction(coin, 2**64) < by_chance:
            arm = by_ratio(arms, other * ratio_sum // 2**64)
        else:
            imbalances = []
            for candidate, _ in arms:
                total = 0
                for key in keys:
                    spread = [
                        (counts.get((key, code), 0) + (code == candidate)) * whole // weight for code, weight in arms
                    ]
                    total += max(spread) - min(spread)
                imbalances.append(total)
            best = [arm for arm, imbalance in zip(arms, imbalances, strict=True) if imbalance == min(imbalances)]
            arm = by_ratio(best, tie * sum(weight for _, weight in best) // 2**64)
        for key in keys:
            counts[key, arm] = counts.get((key, arm), 0) + 1
        yield arm


def eights(data: bytes) -> list[bytes]:
    """Cut bytes into eights."""
    return [data[start : start + 8] for start in range(0, len(data), 8)]


def rebuilt(
    scheme: dict[str, Any], seed: bytes, canonical: bytes, stratum: str, register: list[dict[str, Any]]
) -> Iterator[str]:
    """The arm of each of a list's places, in order."""
    take = stream(seed, b"\x00".join([b"allocation list", canonical, stratum.encode("utf-8")]))
    if scheme["method"] == "minimization":
        return minimization(scheme, take, register)
    return {"permuted_blocks": blocks, "simple": simple}[scheme["method"]](scheme, take)


def check(replay: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the commitment that seed and scheme give, and every difference as a sentence."""
    scheme, seed = replay["scheme"], bytes.fromhex(replay["seed"])
    canonical = json.dumps(scheme, sort_keys=True, separators=(",", ":")).encode("ascii")
    commitment = hashlib.sha256(b"allocation commitment\x00" + seed + canonical).hexdigest()
    if commitment != replay["commitment"]:
        return commitment, ["Seed and scheme do not give the commitment that was published; arms were not compared."]
    found = []
    lists: dict[str, list[dict[str, Any]]] = {stratum: [] for stratum in replay["taken"]}
    for line in replay["register"]:
        lists.setdefault(line["stratum"], []).append(line)
    for stratum, lines in sorted(lists.items()):
        lines.sort(key=lambda line: line["sequence"])
        if [line["sequence"] for line in lines] != list(range(1, len(lines) + 1)):
            found.append(f"{stratum}: the places used have a gap.")
        elif replay["taken"].get(stratum) != len(lines):
            found.append(f"{stratum}: {replay['taken'].get(stratum)} places taken, {len(lines)} in the register.")
        else:
            arms = rebuilt(scheme, seed, canonical, stratum, lines)
            found += [
                f"{stratum}, place {line['sequence']}: {line['unit'] or 'somebody'} is in {line['arm']}, "
                f"the list says {arm}."
                for line, arm in zip(lines, arms, strict=False)  # the list has no end
                if arm != line["arm"]
            ]
    return commitment, found


def main(arguments: list[str]) -> int:
    """Read, check, say."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            replay = json.load(file)
        if (replay["format"], replay["version"]) != ("allocation replay", 1):
            raise ValueError("another format or version")
        commitment, found = check(replay)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        print(f"This file cannot be checked: {type(error).__name__}: {error}")
        return 2
    print(f"trial       {replay['trial']}")
    print(f"published   {replay['commitment']}")
    print(f"computed    {commitment}")
    print(f"compared    {len(replay['register'])} allocations")
    print("\n".join(["DIFFERENT", *found]) if found else "CONFIRMED: seed, scheme and register agree.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
