"""Files with results: staged till they are committed, kept with their submission, and how their columns were read."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from measurements.models.submission import Submission
from trials.models import AuditEvent, Laboratory, Trial, User
from trials.models.audit import CurrentEvent

KEPT_FOR = timedelta(hours=24)


class FileFormat(models.TextChoices):
    """What a file is, told by its content."""

    CSV = "csv", _("Text (CSV)")
    XLSX = "xlsx", _("Excel workbook")


class Upload(models.Model):
    """A file that somebody chose and has not saved yet, with what the dry run said. Gone after 24 hours.

    No study data: nothing in it is analysed, and only the person who uploaded it sees it.
    """

    reference = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="+")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.CASCADE, related_name="+")
    uploader = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    format = models.CharField(max_length=4, choices=FileFormat.choices)
    sheet = models.CharField(max_length=40, blank=True)
    on_error = models.CharField(max_length=12)
    unknown_specimen = models.CharField(max_length=8)
    columns = models.JSONField(default=dict, help_text=_("What each column means, and what holds for all rows"))
    answer = models.JSONField(default=dict, help_text=_("What the dry run answered"))
    uploaded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["uploaded_at"], name="upload_by_time")]

    def __str__(self) -> str:
        return self.name


class SubmissionFile(models.Model):
    """The file of a submission as it was sent, and how it was read. Append-only."""

    submission = models.OneToOneField(Submission, on_delete=models.PROTECT, related_name="file")
    name = models.CharField(max_length=120)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    format = models.CharField(max_length=4, choices=FileFormat.choices)
    sheet = models.CharField(max_length=40, blank=True)
    columns = models.JSONField(default=dict)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    def __str__(self) -> str:
        return self.name


class ColumnMapping(models.Model):
    """What the columns of a laboratory's sheets mean in a trial, by the SHA-256 of their header. Mutable."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="column_mappings")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="column_mappings")
    signature = models.CharField(max_length=64)
    columns = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "laboratory", "signature"], name="a_header_is_mapped_once_per_laboratory"
            )
        ]

    def __str__(self) -> str:
        return self.signature[:12]
