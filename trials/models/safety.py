"""Adverse events: what went wrong for a participant, whether or not the intervention had to do with it."""

from datetime import date, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.models.participant import Participant
from trials.models.trial import Trial

TIME_TO_REPORT = timedelta(days=1)
"""A serious event is reported to the sponsor within 24 hours of the site's knowing (ICH E6(R3) 2.7.2, ISO 14155)."""


class AdverseEvent(models.Model):
    """An untoward occurrence in a participant, from consent on (CDISC AE, ICH E2A). Changed for a reason, never gone.

    `blinded_term` replaces `term` for those who may not know the arm; it is given where the term itself tells it.
    """

    class Severity(models.TextChoices):
        MILD = "mild", _("Mild")
        MODERATE = "moderate", _("Moderate")
        SEVERE = "severe", _("Severe")

    class Criterion(models.TextChoices):
        DEATH = "death", _("Death")
        LIFE_THREATENING = "life_threatening", _("Life-threatening")
        HOSPITALIZATION = "hospitalization", _("Hospital stay, new or prolonged")
        DISABILITY = "disability", _("Lasting or significant disability")
        CONGENITAL_ANOMALY = "congenital_anomaly", _("Congenital anomaly or birth defect")
        OTHER_IMPORTANT = "other_important", _("Other medically important event")

    class Relatedness(models.TextChoices):
        NOT_RELATED = "not_related", _("Not related")
        UNLIKELY = "unlikely", _("Unlikely")
        POSSIBLE = "possible", _("Possible")
        PROBABLE = "probable", _("Probable")
        DEFINITE = "definite", _("Definite")

    class Outcome(models.TextChoices):
        RECOVERED = "recovered", _("Recovered")
        RECOVERING = "recovering", _("Recovering")
        NOT_RECOVERED = "not_recovered", _("Not recovered")
        RECOVERED_WITH_SEQUELAE = "recovered_with_sequelae", _("Recovered with sequelae")
        FATAL = "fatal", _("Fatal")
        UNKNOWN = "unknown", _("Unknown")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="adverse_events")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="adverse_events")
    number = models.PositiveSmallIntegerField()
    term = models.CharField(max_length=200)
    blinded_term = models.CharField(max_length=200, blank=True)
    dictionary = models.CharField(max_length=60, blank=True, help_text=_("Such as MedDRA 28.0."))
    dictionary_code = models.CharField(max_length=40, blank=True)
    started_on = models.DateField()
    ended_on = models.DateField(null=True, blank=True)
    is_serious = models.BooleanField(default=False)
    # Codes of `Criterion`, in its order.
    criteria = models.JSONField(default=list)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    relatedness = models.CharField(max_length=12, choices=Relatedness.choices)
    is_expected = models.BooleanField(default=False)
    outcome = models.CharField(max_length=30, choices=Outcome.choices)
    action_taken = models.CharField(max_length=300, blank=True)
    narrative = models.TextField(blank=True)
    aware_on = models.DateField()
    reported_on = models.DateField(null=True, blank=True)
    # Of the form that made it: sent twice, it makes one event.
    key = models.CharField(max_length=40)

    class Meta:
        ordering = ["trial", "participant", "number"]
        indexes = [models.Index(fields=["trial", "-started_on"], name="adverse_event_by_trial")]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "number"], name="an_adverse_event_is_numbered_within_its_participant"
            ),
            models.UniqueConstraint(fields=["participant", "key"], name="an_adverse_event_form_is_saved_once"),
            models.CheckConstraint(
                condition=Q(is_serious=False, criteria=[]) | (Q(is_serious=True) & ~Q(criteria=[])),
                name="a_serious_event_names_its_criteria",
            ),
            models.CheckConstraint(
                condition=Q(ended_on=None) | Q(ended_on__gte=F("started_on")),
                name="an_adverse_event_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(reported_on=None) | Q(reported_on__gte=F("aware_on")),
                name="an_adverse_event_is_reported_after_it_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} AE {self.number}"

    @property
    def is_ongoing(self) -> bool:
        """Whether it has not ended as far as is known."""
        return self.ended_on is None and self.outcome in {
            self.Outcome.RECOVERING,
            self.Outcome.NOT_RECOVERED,
            self.Outcome.UNKNOWN,
        }

    @property
    def report_due_on(self) -> date | None:
        """The last day for the report of a serious event; None for others."""
        return self.aware_on + TIME_TO_REPORT if self.is_serious else None

    @property
    def is_report_overdue(self) -> bool:
        """Whether a serious event is past its day and not reported."""
        due = self.report_due_on
        return due is not None and self.reported_on is None and due < timezone.localdate()
