"""Deliveries of results, and the answers that are given again to a repeated request."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models import AuditEvent, Laboratory, LaboratoryCredential, Trial
from trials.models.audit import CurrentEvent


class Submission(models.Model):
    """One delivery by a laboratory: by API, file or form. Append-only."""

    class Channel(models.TextChoices):
        API_JSON = "api_json", "API, JSON"
        API_CSV = "api_csv", "API, CSV"
        FORM = "form", "Web form"
        GRID = "grid", "Batch entry"
        DOUBLE = "double", "Double entry"
        RELEASED = "released", "Rows that waited"
        FILE_CSV = "file_csv", "File, CSV"
        FILE_XLSX = "file_xlsx", "File, Excel"
        FHIR = "fhir", "FHIR Bundle"

    reference = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="submissions")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="submissions")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    body_sha256 = models.CharField(max_length=64)
    run = models.CharField(max_length=80, blank=True)
    performed_on = models.DateField(null=True)
    received = models.IntegerField()
    created = models.IntegerField()
    unchanged = models.IntegerField()
    corrected = models.IntegerField()
    held = models.IntegerField()
    rejected = models.IntegerField()
    report = models.JSONField(default=dict)
    tells_arm = models.BooleanField(
        default=False, db_default=False, help_text=_("Whether a row was of a biomarker that tells the arm.")
    )
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["trial", "-id"], name="submission_by_trial")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    received=models.F("created")
                    + models.F("unchanged")
                    + models.F("corrected")
                    + models.F("held")
                    + models.F("rejected")
                ),
                name="every_received_row_is_counted_once",
            )
        ]

    def __str__(self) -> str:
        return str(self.reference)


class IdempotentAnswer(models.Model):
    """The first answer to an idempotency key, given again to the same request. Append-only, kept at least 30 days."""

    credential = models.ForeignKey(LaboratoryCredential, null=True, on_delete=models.PROTECT, related_name="+")
    user_id = models.BigIntegerField(null=True)
    key = models.CharField(max_length=200)
    request_sha256 = models.CharField(max_length=64)
    status = models.SmallIntegerField()
    answer = models.JSONField()
    answered_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["credential", "user_id", "key"],
                nulls_distinct=False,
                name="a_key_is_answered_once_per_credential",
            ),
            models.CheckConstraint(
                condition=models.Q(credential=None) ^ models.Q(user_id=None), name="an_answer_has_one_holder"
            ),
        ]

    def __str__(self) -> str:
        return self.key
