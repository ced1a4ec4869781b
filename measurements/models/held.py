"""What became of rows that waited."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from measurements.models.result import HeldRow, Result
from measurements.models.submission import Submission
from trials.models import AuditEvent
from trials.models.audit import CurrentEvent


class HeldRowOutcome(models.Model):
    """A held row joined the results, or was set aside for a reason: exactly once, and for good. Append-only."""

    class Outcome(models.TextChoices):
        JOINED = "joined", _("Joined")
        DISMISSED = "dismissed", _("Dismissed")

    held_row = models.OneToOneField(HeldRow, on_delete=models.PROTECT, related_name="settled")
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    submission = models.ForeignKey(Submission, null=True, on_delete=models.PROTECT, related_name="released_rows")
    result = models.ForeignKey(Result, null=True, on_delete=models.PROTECT, related_name="held_rows")
    reason = models.CharField(max_length=500, blank=True)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(Q(outcome="joined", result__isnull=False, submission__isnull=False))
                | (Q(outcome="dismissed", result=None, submission=None) & ~Q(reason="")),
                name="a_joined_row_has_its_result_and_a_dismissed_one_its_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.held_row_id}"
