"""Samples that are drawn at visits."""

from django.db import models
from django.db.models import Q

from trials.models import Participant, Trial, Visit


class Specimen(models.Model):
    """Blood, saliva, a questionnaire sitting: what results are results of."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="specimens")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="specimens")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="specimens")
    identifier = models.CharField(max_length=80)
    specimen_type = models.CharField(max_length=20, default="serum")
    drawn_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["trial", "identifier"]
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "identifier"], name="a_specimen_identifier_is_unique_in_its_trial"
            ),
            models.CheckConstraint(
                condition=Q(received_at=None) | Q(drawn_at=None) | Q(received_at__gte=models.F("drawn_at")),
                name="a_specimen_is_received_after_it_is_drawn",
            ),
        ]
        indexes = [models.Index(fields=["trial", "participant", "visit"], name="specimen_by_participant_visit")]

    def __str__(self) -> str:
        return self.identifier
