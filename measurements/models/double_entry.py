"""Values that two people type, each without seeing what the other typed. Nothing here is a result yet."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from measurements.models.biomarker import Biomarker
from measurements.models.submission import Submission
from trials.models import AuditEvent, Participant, Site, Trial, User, Visit
from trials.models.audit import CurrentEvent


class EntryBatch(models.Model):
    """A table of values that is to be entered twice: one visit, some biomarkers, at one site or all. Append-only."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="entry_batches")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="+")
    site = models.ForeignKey(Site, null=True, on_delete=models.PROTECT, related_name="+")
    biomarkers = models.JSONField(help_text=_("Primary keys, in the order of the columns."))
    run = models.CharField(max_length=80, blank=True)
    performed_on = models.DateField(null=True)
    with_all = models.BooleanField(default=False, help_text=_("Everybody in the trial, and not only who is due."))
    key = models.CharField(max_length=40, help_text=_("Of the form it was begun with: sent twice, it is begun once."))
    begun_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    begun_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        verbose_name_plural = "entry batches"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["begun_by", "key"], name="a_batch_is_begun_once_per_form")]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class EntryPass(models.Model):
    """What one person typed for one participant and biomarker of a batch. Append-only."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(EntryBatch, on_delete=models.PROTECT, related_name="passes")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="+")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="+")
    biomarker = models.ForeignKey(Biomarker, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=80, blank=True)
    unit = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=12)
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        verbose_name_plural = "entry passes"
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(number__in=[1, 2]), name="there_are_two_passes"),
            models.UniqueConstraint(
                fields=["batch", "participant", "biomarker", "number"], name="a_cell_is_typed_once_per_pass"
            ),
            models.UniqueConstraint(
                fields=["batch", "participant", "biomarker", "by"], name="the_passes_of_a_cell_are_two_peoples"
            ),
        ]

    def __str__(self) -> str:
        return f"pass {self.number} of {self.batch_id}"


class EntrySettlement(models.Model):
    """How the two passes of a cell became one result: they agreed, or somebody chose and said why. Append-only."""

    class Choice(models.TextChoices):
        AGREED = "agreed", _("Both agreed")
        FIRST = "first", _("First entry")
        SECOND = "second", _("Second entry")
        OTHER = "other", _("Another value")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(EntryBatch, on_delete=models.PROTECT, related_name="settlements")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="+")
    biomarker = models.ForeignKey(Biomarker, on_delete=models.PROTECT, related_name="+")
    choice = models.CharField(max_length=8, choices=Choice.choices)
    reason = models.CharField(max_length=500, blank=True)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "participant", "biomarker"], name="a_cell_is_settled_once"),
            models.CheckConstraint(
                condition=Q(choice="agreed") | ~Q(reason=""), name="a_choice_between_passes_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.choice} of {self.batch_id}"
