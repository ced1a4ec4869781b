"""Plates: what was measured together, the controls on them, and the layouts that were drawn for them."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from measurements.models.assay import Assay
from trials.models import AuditEvent, Laboratory, Trial
from trials.models.audit import CurrentEvent


class Plate(models.Model):
    """What a laboratory says of one of its runs. Results belong to it by laboratory and `run`, also without it."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="plates")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="plates")
    code = models.CharField(max_length=80, help_text=_("The run that results name."))
    assays = models.ManyToManyField(Assay, blank=True, related_name="plates")
    performed_on = models.DateField(null=True, blank=True)
    kit_lot = models.CharField(max_length=80, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["trial", "laboratory", "code"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "laboratory", "code"], name="a_plate_is_registered_once")
        ]

    def __str__(self) -> str:
        return self.code


class ControlMaterial(models.Model):
    """A control sample of an assay: level, lot, and the mean and SD that its values are judged by (assay's unit)."""

    class Source(models.TextChoices):
        MANUFACTURER = "manufacturer", _("Manufacturer")
        OWN = "own", _("Own runs")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="+")
    assay = models.ForeignKey(Assay, on_delete=models.PROTECT, related_name="control_materials")
    level = models.CharField(max_length=20)
    lot = models.CharField(max_length=80)
    target_mean = models.DecimalField(max_digits=30, decimal_places=12)
    target_sd = models.DecimalField(max_digits=30, decimal_places=12)
    source = models.CharField(max_length=12, choices=Source.choices)

    class Meta:
        ordering = ["assay", "level", "lot"]
        constraints = [
            models.UniqueConstraint(fields=["assay", "level", "lot"], name="a_control_lot_is_described_once"),
            models.CheckConstraint(condition=Q(target_sd__gt=0), name="a_control_varies"),
        ]

    def __str__(self) -> str:
        return f"{self.level}, {self.lot}"


class ControlValue(models.Model):
    """What a control sample gave on a plate, in the assay's unit. Append-only: a correction is the next revision."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="+")
    plate = models.ForeignKey(Plate, on_delete=models.PROTECT, related_name="control_values")
    material = models.ForeignKey(ControlMaterial, on_delete=models.PROTECT, related_name="values")
    replicate = models.SmallIntegerField(default=1)
    revision = models.SmallIntegerField(default=0)
    supersedes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    value = models.DecimalField(max_digits=30, decimal_places=12)
    measured_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["measured_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["plate", "material", "replicate", "revision"], name="a_control_value_is_recorded_once"
            ),
            models.CheckConstraint(
                condition=Q(revision=0, supersedes=None) | Q(revision__gt=0, supersedes__isnull=False),
                name="a_later_control_value_names_what_it_supersedes",
            ),
            models.CheckConstraint(
                condition=Q(revision=0) | ~Q(reason=""), name="a_correction_of_a_control_has_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value.normalize():f}"


class PlateLayout(models.Model):
    """Where specimens go on plates, drawn at random from a stored seed: it can be drawn again. Append-only.

    `specification` holds what was drawn from (specimens, grouped by participant without naming any, and the form of
    the plate), `plates` what came out: per plate, well to content.
    """

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="plate_layouts")
    assay = models.ForeignKey(Assay, on_delete=models.PROTECT, related_name="layouts")
    reference = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=60)
    seed = models.CharField(max_length=64)
    method = models.CharField(max_length=20)
    specification = models.JSONField()
    plates = models.JSONField()
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
