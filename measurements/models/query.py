"""Questions about what was recorded, and the monitor's marks that it is what the source says."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from measurements.models.biomarker import Biomarker
from measurements.models.result import Result
from trials.models import AuditEvent, Participant, ParticipantEvent, Trial, Visit
from trials.models.audit import CurrentEvent

RULES = {
    "by_hand": _("A person"),
    "value_implausible": _("Rule: value outside the plausible range"),
    "several_values": _("Rule: several values for one visit"),
    "replicates_differ": _("Rule: replicates differ"),
}
"""Who asks, by the code of a query."""


class Query(models.Model):
    """A question about a participant, a visit or a value: opened by a rule or a person, answered, closed."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ANSWERED = "answered", _("Answered")
        CLOSED = "closed", _("Closed")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="queries")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="queries")
    visit = models.ForeignKey(Visit, null=True, on_delete=models.PROTECT, related_name="queries")
    biomarker = models.ForeignKey(Biomarker, null=True, on_delete=models.PROTECT, related_name="queries")
    result = models.ForeignKey(Result, null=True, on_delete=models.PROTECT, related_name="queries")
    # The rule that asked; `by_hand` where a person did.
    code = models.CharField(max_length=40)
    question = models.TextField()
    answer = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "queries"
        ordering = ["-id"]
        indexes = [models.Index(fields=["trial", "state"], name="query_by_trial_state")]
        constraints = [
            models.CheckConstraint(
                condition=Q(biomarker=None) | Q(visit__isnull=False), name="a_query_about_a_biomarker_names_the_visit"
            )
        ]

    def __str__(self) -> str:
        return self.question

    @property
    def asked_by(self) -> str:
        """Who asked, in words: a person or a rule."""
        return str(RULES.get(self.code, self.code))


class QueryNote(models.Model):
    """One turn of the talk about a query. Append-only; its event says who and when."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("Asked")
        ANSWERED = "answered", _("Answered")
        CLOSED = "closed", _("Closed")
        REOPENED = "reopened", _("Asked again")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="+")
    query = models.ForeignKey(Query, on_delete=models.PROTECT, related_name="notes")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.TextField(blank=True)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text


class SourceVerification(models.Model):
    """A monitor compared something with its source, or took that back; the last word counts. Append-only.

    `content` is the SHA-256 of what was compared: a mark does not carry over to what is recorded later.
    """

    class Item(models.TextChoices):
        ELIGIBILITY = "eligibility", _("Eligibility")
        CONSENT = "consent", _("Consent")
        ATTENDANCE = "attendance", _("Attendance")
        VALUE = "value", _("Value")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="source_verifications")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="source_verifications")
    item = models.CharField(max_length=12, choices=Item.choices)
    participant_event = models.ForeignKey(ParticipantEvent, null=True, on_delete=models.PROTECT, related_name="+")
    visit = models.ForeignKey(Visit, null=True, on_delete=models.PROTECT, related_name="+")
    result = models.ForeignKey(Result, null=True, on_delete=models.PROTECT, related_name="source_verifications")
    content = models.CharField(max_length=64)
    is_verified = models.BooleanField()
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["trial", "participant"], name="source_verification_by_person")]

    def __str__(self) -> str:
        return f"{self.item} of {self.participant_id}"
