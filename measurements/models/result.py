"""Results as sent and as used, and rows that wait."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from measurements.models.assay import Assay
from measurements.models.biomarker import Biomarker
from measurements.models.specimen import Specimen
from measurements.models.submission import Submission
from trials.models import AuditEvent, Laboratory, Trial
from trials.models.audit import CurrentEvent


class Result(models.Model):
    """One measurement: as sent (text, unit, comparator, flag) and as used (canonical value and unit).

    Superseded, never edited: a correction is a new row with the next `revision` of the same natural key that names
    the row it replaces. Current = not superseded.
    """

    class Status(models.TextChoices):
        FINAL = "final", _("Final")
        PRELIMINARY = "preliminary", _("Preliminary")
        CORRECTED = "corrected", _("Corrected")
        NOT_DONE = "not_done", _("Not done")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="results", db_index=False)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="results")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="+", db_index=False)
    specimen = models.ForeignKey(Specimen, on_delete=models.PROTECT, related_name="results", db_index=False)
    biomarker = models.ForeignKey(Biomarker, on_delete=models.PROTECT, related_name="results", db_index=False)
    assay = models.ForeignKey(Assay, null=True, on_delete=models.PROTECT, related_name="results", db_index=False)
    run = models.CharField(max_length=80, blank=True)
    performed_on = models.DateField(null=True)
    replicate = models.SmallIntegerField(default=1)
    revision = models.SmallIntegerField(default=0)
    supersedes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    row_number = models.IntegerField()

    value_as_sent = models.CharField(max_length=80)
    unit_as_sent = models.CharField(max_length=40, blank=True)
    comparator = models.CharField(max_length=1, blank=True)  # "<": `value` is the limit, and likewise ">"
    flag = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.FINAL)
    reason = models.CharField(max_length=500, blank=True)

    value = models.DecimalField(max_digits=40, decimal_places=18, null=True)
    unit = models.CharField(max_length=30)
    limit_of_quantification = models.DecimalField(max_digits=40, decimal_places=18, null=True)
    collected_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(
        AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent(), db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["specimen", "biomarker", "laboratory", "assay", "run", "replicate", "revision"],
                nulls_distinct=False,
                name="a_result_is_recorded_once_per_natural_key",
            ),
            models.CheckConstraint(
                condition=Q(revision=0, supersedes=None) | Q(revision__gt=0, supersedes__isnull=False),
                name="a_later_revision_names_what_it_supersedes",
            ),
            models.CheckConstraint(condition=Q(revision=0) | ~Q(reason=""), name="a_correction_has_a_reason"),
        ]
        indexes = [models.Index(fields=["trial", "biomarker", "id"], name="result_by_trial_biomarker")]

    def __str__(self) -> str:
        return f"result {self.pk}"


class HeldRow(models.Model):
    """A row that waits and is never analysed: its specimen is not known yet, or the trial is frozen or locked."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="held_rows")
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="held_rows")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="+")
    row_number = models.IntegerField()
    code = models.CharField(max_length=40)
    natural_key = models.CharField(max_length=64, help_text=_("SHA-256 of the natural key and of what it replaces"))
    row = models.JSONField()
    held_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "laboratory", "natural_key"], name="a_row_is_held_once_per_laboratory"
            )
        ]

    def __str__(self) -> str:
        return f"row {self.row_number} of {self.submission_id}"
