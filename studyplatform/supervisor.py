"""Keep a set of processes running: whatever dies is started again, sooner the first time and later the more it dies."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from studyplatform.embedded import EmbeddedError, Service

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0
SOUND_AFTER_SECONDS = 20.0


@dataclass
class Watched:
    """One service under watch: since when it runs, how often it died soon after a start, when it is due again."""

    service: Service
    started: float
    deaths: int = 0
    due: float | None = None


class Supervisor:
    """Watches services and starts again what died. `say` receives a sentence about each death.

    `watch` does one round and returns; the caller loops, in the main thread (see Service).
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.watched: list[Watched] = []

    def adopt(self, services: Iterable[Service]) -> None:
        """Watch services that are running already; somebody else stops them."""
        self.watched += [Watched(service, time.monotonic()) for service in services]

    def start(self, service: Service) -> None:
        """Start a service and watch it; EmbeddedError when it does not start."""
        service.start()
        self.adopt([service])

    def watch(self) -> None:
        """One round over all services: note deaths, start again what is due."""
        for entry in self.watched:
            if not entry.service.alive:
                self._bring_back(entry)

    def _bring_back(self, entry: Watched) -> None:
        now = time.monotonic()
        if entry.due is None:
            entry.deaths = 0 if now - entry.started > SOUND_AFTER_SECONDS else entry.deaths
            delay = min(FIRST_DELAY_SECONDS * 2**entry.deaths, LONGEST_DELAY_SECONDS)
            entry.deaths, entry.due = entry.deaths + 1, now + delay
            self.say(entry.service.failure(f"ended unexpectedly and is started again in {delay:.1f} s"))
        if now < entry.due:
            return
        entry.due = None
        try:
            entry.service.start()
        except EmbeddedError as error:
            self.say(str(error))
        entry.started = time.monotonic()

    def stop(self, services: Iterable[Service]) -> None:
        """Stop these services in the order given and watch nothing any more, so that nothing is started again."""
        self.watched.clear()
        for service in services:
            service.stop()
