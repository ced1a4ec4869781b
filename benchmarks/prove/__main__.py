"""`python -m benchmarks.prove`: run the parts that are not proven on this code yet, and keep what was found."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.installation import own_platform
from benchmarks.prove import duplicates, random_trials, randomizations
from benchmarks.prove.records import FOLDER, is_proven, keep
from benchmarks.revision import revision

PARTS = {part.PART: part.prove for part in (random_trials, randomizations, duplicates)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when every part that was run found no problem, 1 otherwise. A part is kept as soon as it ends."""
    asked = _arguments(arguments)
    due = [name for name in asked.only or PARTS if asked.small or not is_proven(name, asked.folder)]
    print(f"{len(due)} to prove; {len(asked.only or PARTS) - len(due)} proven on this code already", flush=True)
    if not due:
        return 0
    holds = []
    with own_platform():
        for name in due:
            holds.append(run(name, asked.small, asked.folder))
    print(f"{holds.count(True)} passed, {holds.count(False)} failed")
    return int(not all(holds))


def run(name: str, is_small: bool, folder: Path) -> bool:
    """Run one part and say what it found; a small run is no proof and is not kept."""
    at, started = revision(), time.monotonic()
    proof = PARTS[name](is_small)
    print(f"{name}: {proof.size}, {len(proof.problems)} problems, {proof.counts}", flush=True)
    for problem in proof.problems[:10]:
        print(f"  {problem}")
    if not is_small:
        print(f"  {keep(proof, at, time.monotonic() - started, folder)}")
    return proof.holds


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--small", action="store_true", help="a few of each, to see that it runs; nothing is kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where results are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
