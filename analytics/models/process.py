"""Signs of life of the processes that do the work."""

from django.db import models


class Heartbeat(models.Model):
    """When a process was last seen working."""

    process = models.CharField(max_length=40, unique=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.process
