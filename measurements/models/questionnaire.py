"""The answers to a questionnaire, item by item, that a score was computed from."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from measurements.models.submission import Submission
from trials.models import AuditEvent, Participant, Trial, Visit
from trials.models.audit import CurrentEvent


class QuestionnaireSheet(models.Model):
    """One participant's answers at one visit, with the scores they gave. Append-only.

    Superseded, never edited: a correction is a new sheet with the next `revision` that names the one it replaces and
    why. `answers` holds what was answered by the number of its item, as text; `scores` holds every scale by its
    biomarker's code, as decimal text, or None where too little was answered.
    """

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="questionnaire_sheets")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="questionnaire_sheets")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="+")
    instrument = models.CharField(max_length=20)
    version = models.CharField(max_length=20)
    answers = models.JSONField(default=dict)
    scores = models.JSONField(default=dict)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="questionnaire_sheets")
    revision = models.SmallIntegerField(default=0)
    supersedes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    reason = models.CharField(max_length=500, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["trial", "participant", "visit", "instrument", "revision"]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "visit", "instrument", "revision"],
                name="a_questionnaire_is_recorded_once_per_visit_and_revision",
            ),
            models.CheckConstraint(
                condition=Q(revision=0, supersedes=None) | Q(revision__gt=0, supersedes__isnull=False),
                name="a_later_sheet_names_what_it_supersedes",
            ),
            models.CheckConstraint(condition=Q(revision=0) | ~Q(reason=""), name="a_corrected_sheet_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} of {self.participant}"
