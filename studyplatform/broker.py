"""Handing tasks to Celery without ever waiting for a broker that does not answer."""

import logging
import threading
import time
from collections.abc import Sequence

from celery import Task

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""How long a hand-over may take. A frozen broker holds a connection for ever; a sound one answers in milliseconds."""

REST_SECONDS = 5.0
"""How long a broker that failed is left alone."""


class Broker:
    """The way to the workers, as far as it is open."""

    def __init__(self) -> None:
        self._away_until = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the last hand-over failed a short time ago."""
        return time.monotonic() < self._away_until

    def hand_over(self, task: Task, arguments: Sequence[int] = (), *, expires: float | None = None) -> bool:
        """Return whether the broker took the task; False at once while it is away.

        The call runs in a thread of its own, which is left behind when it does not come back in time.
        """
        if self.is_away:
            return False
        taken = threading.Event()
        thread = threading.Thread(target=_send, args=(task, arguments, expires, taken), daemon=True)
        thread.start()
        thread.join(ANSWER_SECONDS)
        if not taken.is_set():
            self._away_until = time.monotonic() + REST_SECONDS
        return taken.is_set()


def _send(task: Task, arguments: Sequence[int], expires: float | None, taken: threading.Event) -> None:
    try:
        task.apply_async(arguments, retry=False, expires=expires)
    except Exception as error:
        # Whatever a broker or its client library raises means the same here: the work is done without it.
        log.warning("the broker did not take %s: %s", task.name, error)
    else:
        taken.set()
