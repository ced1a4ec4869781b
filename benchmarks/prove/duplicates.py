"""200 rounds of 32 simultaneous posts with the same key: one stored, 31 replays of the same answer."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

from benchmarks.prove.records import Proof

if TYPE_CHECKING:  # models can be imported only once Django is set up
    from benchmarks.trials import Bench, Reply

PART = "duplicates"
ROUNDS, FEW = 200, 3
AT_ONCE = 32


def prove(is_small: bool) -> Proof:
    """Post each specimen's panel from all threads at the same moment; compare the answers, count what is stored."""
    from django.db import connections

    from benchmarks.trials import add_specimens, delivery, make_bench, rows_of

    rounds = FEW if is_small else ROUNDS
    bench = make_bench("duplicates", participants=4)
    counts, problems = Counter[str](), []
    starting = Barrier(AT_ONCE)

    def post(key: str, body: bytes) -> "Reply":
        starting.wait()
        return bench.post(body, key)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number, specimen in enumerate(add_specimens(bench.trial, "duplicates", rounds)):
            posts = [threads.submit(post, f"storm-{number}", delivery(rows_of([specimen]))) for _ in range(AT_ONCE)]
            replies = [each.result() for each in posts]
            counts.update(f"{reply.status}{' replayed' if reply.is_replay else ''}" for reply in replies)
            problems += [f"round {number}: {problem}" for problem in _problems_of(replies)]
        for _ in range(AT_ONCE):
            threads.submit(lambda: (starting.wait(), connections.close_all()))
    problems += _stored(bench, rounds)
    return Proof(PART, f"{rounds} rounds of {AT_ONCE} posts at once", dict(counts), problems)


def _problems_of(replies: "list[Reply]") -> list[str]:
    stored = [reply for reply in replies if not reply.is_replay]
    problems = [f"{reply.status} {reply.body}" for reply in replies if reply.status != 201]
    if len(stored) != 1:
        problems.append(f"{len(stored)} posts were not replays")
    if any(reply.body != replies[0].body for reply in replies):
        problems.append("answers differ")
    return problems


def _stored(bench: "Bench", rounds: int) -> list[str]:
    from benchmarks.trials import PANEL
    from measurements.models import Result, Submission

    results = Result.objects.filter(trial=bench.trial).count()
    submissions = Submission.objects.filter(trial=bench.trial).count()
    if (results, submissions) != (rounds * PANEL, rounds):
        return [f"{results} results in {submissions} submissions are stored after {rounds} rounds of {PANEL}"]
    return []
