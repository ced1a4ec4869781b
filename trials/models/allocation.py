"""Randomization: the sealed scheme, its strata, the concealed slots, and the irrevocable allocations."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models.audit import AuditEvent, CurrentEvent
from trials.models.group import TherapyGroup
from trials.models.participant import Participant
from trials.models.trial import Arm, Trial


class StratificationFactor(models.Model):
    """What randomization is balanced on; its levels as [{"code": ..., "name": ...}]."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="factors")
    code = models.SlugField(max_length=20)
    name = models.CharField(max_length=100)
    levels = models.JSONField()
    is_site = models.BooleanField(default=False, help_text=_("The levels are the trial's sites."))
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["trial", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["trial", "code"], name="a_factor_code_is_unique_in_its_trial")]

    def __str__(self) -> str:
        return self.name


class RandomizationScheme(models.Model):
    """How arms are drawn, sealed at registration; the commitment (SHA-256 of seed and scheme) anyone may see."""

    trial = models.OneToOneField(Trial, on_delete=models.PROTECT, related_name="scheme")
    specification = models.JSONField()
    commitment = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    def __str__(self) -> str:
        return self.commitment


class SealedSeed(models.Model):
    """The encrypted seed. The application may store it and not read it back before unblinding (see the migration)."""

    scheme = models.OneToOneField(RandomizationScheme, on_delete=models.PROTECT, related_name="+")
    ciphertext = models.BinaryField()
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    def __str__(self) -> str:
        return f"seed of {self.scheme_id}"


class Stratum(models.Model):
    """One combination of levels. `next_sequence` is moved only by the database function that takes a slot."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="strata")
    key = models.CharField(max_length=200)
    levels = models.JSONField()
    next_sequence = models.PositiveIntegerField(default=1)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trial", "key"], name="a_stratum_is_unique_in_its_trial")]

    def __str__(self) -> str:
        return self.key


class AllocationSlot(models.Model):
    """One place of the list, encrypted: an arm, or in minimization what chance contributes to one.

    The application may add slots and can read none (see the migration).
    """

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="+")
    stratum = models.ForeignKey(Stratum, on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveIntegerField()
    ciphertext = models.BinaryField()
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stratum", "sequence"], name="a_slot_is_unique_in_its_stratum")]

    def __str__(self) -> str:
        return f"{self.stratum_id}/{self.sequence}"


class GroupAllocation(models.Model):
    """The one, irrevocable assignment of a therapy group to an arm, where groups are randomized. Append-only."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="group_allocations")
    group = models.OneToOneField(TherapyGroup, on_delete=models.PROTECT, related_name="allocation")
    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="group_allocations")
    stratum = models.ForeignKey(Stratum, on_delete=models.PROTECT, related_name="group_allocations")
    sequence = models.PositiveIntegerField()
    levels = models.JSONField(help_text=_("Levels of the stratification factors, {“site”: “leeds”}."))
    allocated_on = models.DateField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stratum", "sequence"], name="a_slot_is_given_to_one_group"),
        ]

    def __str__(self) -> str:
        return f"group allocation {self.pk}"


class Allocation(models.Model):
    """The one, irrevocable assignment of a participant to an arm: by a slot, or with their group. Append-only."""

    class Source(models.TextChoices):
        PLATFORM = "platform", _("Randomized here")
        EXTERNAL = "external", _("Randomized elsewhere")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="allocations")
    participant = models.OneToOneField(Participant, on_delete=models.PROTECT, related_name="allocation")
    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="allocations")
    stratum = models.ForeignKey(Stratum, on_delete=models.PROTECT, related_name="allocations")
    sequence = models.PositiveIntegerField(null=True)
    group = models.ForeignKey(GroupAllocation, null=True, on_delete=models.PROTECT, related_name="members")
    source = models.CharField(max_length=10, choices=Source.choices)
    provenance = models.TextField(blank=True)
    allocated_on = models.DateField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stratum", "sequence"], name="a_slot_is_given_to_one_participant"),
            models.CheckConstraint(
                condition=(
                    Q(source="platform", allocated_on__isnull=False)
                    & (Q(sequence__isnull=False) ^ Q(group__isnull=False))
                )
                | (Q(source="external", group=None) & ~Q(provenance="")),
                name="an_allocation_has_a_slot_or_a_group_or_a_provenance",
            ),
        ]

    def __str__(self) -> str:
        return f"allocation {self.pk}"
