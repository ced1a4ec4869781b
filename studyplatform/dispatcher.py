"""The dispatcher: asks PostgreSQL what is due, hands it to workers, and does it itself while there are none.

PostgreSQL is the queue and the broker an accelerator: whatever a broker or a worker loses is still due here.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from celery import Task
from django.db import InterfaceError, OperationalError, connections

from analytics import tasks
from analytics.errors import is_database_away
from analytics.selectors.work import ESTIMATES, EXPORT, MESSAGE, REHEARSAL, WEBHOOK, Work, due_work
from analytics.services.heartbeats import DISPATCHER, note_heartbeat
from studyplatform.broker import Broker
from studyplatform.celery import app

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 5.0
"""After this long without a result the dispatcher does handed-out work itself."""
HEARTBEAT_SECONDS = 5.0
DATABASE_PAUSE_SECONDS = 0.5

TASKS: Mapping[str, Task] = {
    ESTIMATES: tasks.refresh_estimates,
    EXPORT: tasks.build_export,
    MESSAGE: tasks.deliver_message,
    REHEARSAL: tasks.continue_rehearsal,
    WEBHOOK: tasks.deliver_webhook_message,
}
BESIDE_THE_ROUND = frozenset({WEBHOOK})
"""Work that waits for a server of somebody else: done here, it is done in a thread, and holds up no estimates."""
RECEIVERS_AT_ONCE = 4


@dataclass(frozen=True)
class InFlight:
    """Work that a worker was given, and when."""

    work: Work
    since: float


class Dispatcher:
    """One round after another; `round` may be called alone."""

    def __init__(self, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        # In every thread: the hand-over runs in one of its own, where Celery would take its default, an AMQP broker.
        app.set_default()
        self._broker = broker
        self._clock = clock
        self._in_flight: dict[tuple[str, int], InFlight] = {}
        self._beaten = float("-inf")
        self._beside = ThreadPoolExecutor(RECEIVERS_AT_ONCE, thread_name_prefix="beside")

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. A database that is away is waited for."""
        while not stop.is_set():
            try:
                self.round()
            except (OperationalError, InterfaceError) as error:
                log.warning("the database does not answer: %s", error)
                connections.close_all()
                stop.wait(DATABASE_PAUSE_SECONDS)
            stop.wait(POLL_SECONDS)
        self._beside.shutdown(cancel_futures=True)
        connections.close_all()

    def round(self) -> None:
        """Give out or do everything that is due, and show that this process and a worker live."""
        self._beat()
        due = {work.key: work for work in due_work()}
        self._in_flight = {
            key: entry for key, entry in self._in_flight.items() if key in due and due[key].run == entry.work.run
        }
        for work in due.values():
            self._attend(work)

    def _attend(self, work: Work) -> None:
        """Give out new work once; do what was given out and did not come back. At most one run a trial is under way.

        Work that is due at a later version than was given out waits for the earlier: a burst of deliveries so
        makes few runs. The worker reads the newest version when it starts.
        """
        given = self._in_flight.get(work.key)
        if given is None:
            self._give(work)
        elif self._clock() - given.since > PATIENCE_SECONDS:
            log.warning("%s %s was given out and did not come back; doing it here", work.kind, work.id)
            self._do(work)

    def _give(self, work: Work) -> None:
        if self._broker.hand_over(TASKS[work.kind], [work.id]):
            self._in_flight[work.key] = InFlight(work, self._clock())
        else:
            self._do(work)

    def _do(self, work: Work) -> None:
        """Do the work in this process. A fault is logged and keeps no other work waiting; a lost database raises."""
        self._in_flight[work.key] = InFlight(work, self._clock())
        if work.kind in BESIDE_THE_ROUND:
            self._beside.submit(_run_aside, work)
            return
        try:
            TASKS[work.kind](work.id)
        except Exception as error:
            if is_database_away(error):
                raise
            log.exception("%s %s failed", work.kind, work.id)

    def _beat(self) -> None:
        if self._clock() - self._beaten < HEARTBEAT_SECONDS:
            return
        self._beaten = self._clock()
        note_heartbeat(DISPATCHER)
        self._broker.hand_over(tasks.note_alive, expires=HEARTBEAT_SECONDS)


def _run_aside(work: Work) -> None:
    """Do work in a thread of the pool, and leave no connection behind. What is lost is due again."""
    try:
        TASKS[work.kind](work.id)
    except Exception:
        log.exception("%s %s failed", work.kind, work.id)
    finally:
        connections.close_all()
