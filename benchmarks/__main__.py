"""`python -m benchmarks`: measure, print one table, say how many figures keep their goals."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import exports, ingest, memory, outcomes, recomputations
from benchmarks.figures import Figure, has_failed, summary, table, write_json
from benchmarks.installation import own_platform
from benchmarks.revision import revision

MEASUREMENTS = {
    "statistics": outcomes.measure,
    "ingest": ingest.measure,
    "exports": exports.measure,
    "recomputations": recomputations.measure,
    "memory": memory.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when every figure keeps its goal, 1 when one does not."""
    asked = _arguments(arguments)
    figures: list[Figure] = []
    with own_platform() as data_dir:
        for name in asked.only or MEASUREMENTS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures += MEASUREMENTS[name](data_dir, asked.quick)
    print(table(figures))
    if asked.json:
        write_json(figures, asked.json, **asdict(revision()), is_quick=asked.quick, load=os.getloadavg())
    print(summary(figures))
    return int(has_failed(figures))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows, under a minute")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
