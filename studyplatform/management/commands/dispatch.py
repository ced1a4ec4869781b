"""`manage.py dispatch`: hand out what is due until SIGTERM."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from studyplatform.broker import Broker
from studyplatform.dispatcher import Dispatcher


class Command(BaseCommand):
    help = "Ask PostgreSQL what is due, hand it to the workers, and do it here while there are none."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT; what is being computed at that moment is finished first."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Dispatcher(Broker()).run(stop)
