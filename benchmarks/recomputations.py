"""How often a trial is recomputed while a laboratory delivers specimen by specimen."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure

if TYPE_CHECKING:  # models can be imported only once Django is set up
    from benchmarks.trials import Bench
    from measurements.models import Specimen

PARTICIPANTS = 40
FRESH_SECONDS = 60


def measure(data_dir: Path, is_quick: bool) -> list[Figure]:
    """Post a burst into one trial beside the dispatcher's rounds; return estimate runs per result."""
    del data_dir
    from analytics.models import EstimateRun
    from benchmarks.trials import PANEL, add_specimens, make_bench

    specimens = 200 if is_quick else 1000
    bench = make_bench("burst", participants=PARTICIPANTS)
    waiting = add_specimens(bench.trial, "burst", specimens)
    before = EstimateRun.objects.filter(trial=bench.trial).count()
    _burst(bench, waiting)
    runs = EstimateRun.objects.filter(trial=bench.trial).count() - before
    results = specimens * PANEL
    return [
        Figure(
            "recomputations per result in a burst",
            runs / results,
            "",
            0.02,
            candidate=f"{results:,} results in {specimens:,} posts, dispatcher in the same process",
            note=f"{runs} runs",
        )
    ]


def _burst(bench: "Bench", specimens: Sequence["Specimen"]) -> None:
    """Post each specimen's panel; end when the estimates contain all of them."""
    from analytics.selectors.work import due_work
    from benchmarks.trials import delivery, rows_of

    stop, idle = threading.Event(), threading.Event()
    thread = threading.Thread(target=_dispatch, args=(stop,))
    thread.start()
    try:
        for specimen in specimens:
            reply = bench.post(delivery(rows_of([specimen])))
            if reply.status != 201:
                raise RuntimeError(f"{reply.status} {reply.body}")
        for _ in range(FRESH_SECONDS * 10):
            if not due_work():
                return
            idle.wait(0.1)
        raise RuntimeError(f"the estimates are still stale {FRESH_SECONDS} s after the burst")
    finally:
        stop.set()
        thread.join()


def _dispatch(stop: threading.Event) -> None:
    from django.db import connections

    from studyplatform.broker import Broker
    from studyplatform.dispatcher import Dispatcher

    class NoBroker(Broker):
        """Takes nothing, so that the dispatcher recomputes in this process."""

        def hand_over(self, *_: object, **__: object) -> bool:
            return False

    try:
        Dispatcher(NoBroker()).run(stop)
    finally:
        connections.close_all()
