"""Arms that were opened in an emergency, one participant at a time."""

from django.db import models
from django.db.models.functions import Now

from trials.models.audit import AuditEvent, CurrentEvent
from trials.models.participant import Participant
from trials.models.people import User
from trials.models.trial import Trial


class EmergencyUnblinding(models.Model):
    """Who opened the arm of a participant, why, and who was told. Append-only; it never holds the arm itself."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="emergency_unblindings")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="emergency_unblindings")
    unblinded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    notified = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    occurred_on = models.DateField()
    reason = models.CharField(max_length=500)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "unblinded_by"], name="an_arm_is_opened_once_to_each_who_asks"
            ),
            models.CheckConstraint(
                condition=~models.Q(notified=models.F("unblinded_by")), name="somebody_else_is_told_of_an_unblinding"
            ),
        ]

    def __str__(self) -> str:
        return str(self.participant)
