"""Therapists and therapy groups, under codes: what nests participants, and in cluster trials what is randomized."""

from django.db import models
from django.db.models import F, Q

from trials.models.participant import Participant
from trials.models.trial import Site, Trial


class Therapist(models.Model):
    """Who delivers an intervention at a site, under a code; never a name here."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="therapists")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="therapists")
    code = models.SlugField(max_length=20)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["trial", "code"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="a_therapist_code_is_unique_in_its_trial")
        ]

    def __str__(self) -> str:
        return self.code


class TherapyGroup(models.Model):
    """Participants who meet together. Where groups are randomized, closed before it: nobody joins who knows the arm."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="therapy_groups")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="therapy_groups")
    code = models.SlugField(max_length=20)
    therapist = models.ForeignKey(
        Therapist, null=True, blank=True, on_delete=models.PROTECT, related_name="therapy_groups"
    )
    closed_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["trial", "code"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="a_therapy_group_code_is_unique_in_its_trial")
        ]

    def __str__(self) -> str:
        return self.code


class GroupMember(models.Model):
    """A participant's time in a therapy group."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="group_members")
    group = models.ForeignKey(TherapyGroup, on_delete=models.PROTECT, related_name="members")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="therapy_groups")
    joined_on = models.DateField()
    left_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["group", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["participant"], condition=Q(left_on=None), name="a_participant_is_in_one_group_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(left_on=None) | Q(left_on__gte=F("joined_on")), name="a_group_is_left_after_it_is_joined"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} in {self.group}"
