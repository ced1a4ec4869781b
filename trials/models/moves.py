"""Steps in the life of a trial that two people sign."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from trials.models.people import User
from trials.models.trial import Trial

SIGNED_WITHIN = timedelta(days=7)


class TwoPersonMove(models.Model):
    """A step that one person asked for with their password, and that another one signs, or refuses, within a week."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="two_person_moves")
    before = models.CharField(max_length=12, choices=Trial.Status.choices)
    to = models.CharField(max_length=12, choices=Trial.Status.choices)
    reason = models.CharField(max_length=500)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    signed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(null=True)
    refused_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    refused_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(signed_by=None) | ~Q(signed_by=F("asked_by")), name="two_signatures_are_of_two_people"
            ),
            models.CheckConstraint(
                condition=Q(signed_by=None, signed_at=None) | Q(signed_by__isnull=False, signed_at__isnull=False),
                name="a_signature_has_a_person_and_a_time",
            ),
            models.CheckConstraint(
                condition=Q(signed_at=None) | Q(refused_at=None), name="a_step_is_signed_or_refused"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.before} to {self.to}"

    @property
    def is_expired(self) -> bool:
        """Return whether the time to sign is over."""
        return self.asked_at + SIGNED_WITHIN <= timezone.now()
