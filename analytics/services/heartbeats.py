"""Signs of life."""

from django.utils import timezone

from analytics.models import Heartbeat

DISPATCHER, WORKER = "dispatcher", "worker"


def note_heartbeat(process: str) -> None:
    """Write that a process is alive now."""
    Heartbeat.objects.update_or_create(process=process, defaults={"seen_at": timezone.now()})
