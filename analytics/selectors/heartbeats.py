"""Which processes were seen, and when."""

from datetime import timedelta

from django.utils import timezone

from analytics.models import Heartbeat


def heartbeat_ages() -> dict[str, timedelta]:
    """Return how long ago each process was last seen."""
    now = timezone.now()
    return {beat.process: now - beat.seen_at for beat in Heartbeat.objects.all()}
