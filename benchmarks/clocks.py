"""CPU of this process and of its PostgreSQL backends, wall time, and two things measured in turn."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from statistics import median

NANOSECONDS = 1e-9


@dataclass(frozen=True)
class Cost:
    """CPU seconds of client and backends together, and wall seconds."""

    cpu: float
    wall: float


def cost_of(work: Callable[[], object], backends: Collection[int] = ()) -> Cost:
    """Run `work` once and return what it cost here and in these PostgreSQL backends (process ids, idle afterwards)."""
    cpu, wall = _cpu_seconds(backends), time.perf_counter()
    work()
    return Cost(_cpu_seconds(backends) - cpu, time.perf_counter() - wall)


def in_turn(*works: Callable[[int], Cost], rounds: int) -> tuple[list[Cost], ...]:
    """Measure several things A B A B, so that what else the machine does hits all of them; one list for each.

    Each is called with the number of the round; round 0 warms up and is not counted.
    """
    measured = [[work(number) for work in works] for number in range(rounds + 1)]
    return tuple(list(costs) for costs in zip(*measured[1:], strict=True))


def median_cpu(costs: Collection[Cost]) -> float:
    """Return the median of the CPU seconds."""
    return median(cost.cpu for cost in costs)


def best_wall(costs: Collection[Cost]) -> float:
    """Return the smallest wall time: the run that the rest of the machine disturbed least."""
    return min(cost.wall for cost in costs)


def _cpu_seconds(backends: Collection[int]) -> float:
    return time.process_time() + sum(_cpu_of(process) for process in backends)


def _cpu_of(process: int) -> float:
    """Seconds on a CPU of another process; first field of schedstat, which is exact while that process sleeps."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) * NANOSECONDS
