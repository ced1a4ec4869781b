"""Sessions: one contact of an intervention each, as a form or an app reported it. The dose that was received."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models import AuditEvent, Laboratory, LaboratoryCredential, Participant, Therapist, TherapyGroup, Trial
from trials.models.audit import CurrentEvent


class Session(models.Model):
    """A session that a participant attended, or missed for a reason. Append-only; a wrong one is retracted.

    `key` is the sender's `external_id`, else made of participant and time: sent again, it is the same session.
    """

    class Kind(models.TextChoices):
        INDIVIDUAL = "individual", _("Individual")
        GROUP = "group", _("Group")
        DIGITAL = "digital", _("Digital")
        COACH_BOT = "coach_bot", _("Coach-bot")
        OTHER = "other", _("Other")

    class Source(models.TextChoices):
        FORM = "form", _("Web form")
        API = "api", "API"

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="sessions")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="sessions")
    number = models.PositiveSmallIntegerField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    attended = models.BooleanField(default=True)
    reason = models.CharField(max_length=500, blank=True)
    minutes = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    completion = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    therapist = models.ForeignKey(Therapist, null=True, on_delete=models.PROTECT, related_name="sessions")
    group = models.ForeignKey(TherapyGroup, null=True, on_delete=models.PROTECT, related_name="sessions")
    software = models.CharField(max_length=100, blank=True)
    software_version = models.CharField(max_length=40, blank=True)
    note = models.CharField(max_length=500, blank=True)
    source = models.CharField(max_length=4, choices=Source.choices)
    # Who sent it: a laboratory (with any of its credentials, so that a rotated token repeats nothing) or a person.
    laboratory = models.ForeignKey(Laboratory, null=True, on_delete=models.PROTECT, related_name="+")
    credential = models.ForeignKey(LaboratoryCredential, null=True, on_delete=models.PROTECT, related_name="+")
    user_id = models.BigIntegerField(null=True)
    external_id = models.CharField(max_length=100, blank=True)
    key = models.CharField(max_length=200)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["trial", "participant", "occurred_at", "id"]
        indexes = [
            models.Index(fields=["trial", "participant", "occurred_at"], name="session_by_participant"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "laboratory", "user_id", "key"],
                nulls_distinct=False,
                name="a_session_is_recorded_once_per_sender",
            ),
            models.CheckConstraint(
                condition=Q(attended=True) | (~Q(reason="") & Q(minutes=None)), name="a_missed_session_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(minutes=None) | Q(minutes__gte=0, minutes__lte=1440), name="a_session_lasts_at_most_a_day"
            ),
            models.CheckConstraint(
                condition=Q(completion=None) | Q(completion__gte=0, completion__lte=1),
                name="a_session_is_completed_between_nothing_and_all",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} on {self.occurred_at:%Y-%m-%d}"


class SessionRetraction(models.Model):
    """That a session did not take place as recorded, and why. Append-only; the session stays readable."""

    session = models.OneToOneField(Session, on_delete=models.PROTECT, related_name="retraction")
    reason = models.CharField(max_length=300)
    retracted_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    def __str__(self) -> str:
        return f"{self.session}: {self.reason}"
