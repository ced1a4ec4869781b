"""Deviations from the protocol."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from trials.models.audit import AuditEvent, CurrentEvent
from trials.models.participant import Participant
from trials.models.trial import Site, Trial, Visit

# Rules whose mere finding hints at the arm, wherever they found something.
ARM_TELLING_RULES = frozenset({"baseline_after_first_session"})


def rule_tells_arm(rule: str, visit: Visit | None) -> bool:
    """Return whether what this rule found at this visit hints at the arm.

    A window that counts from the end of an intervention does: only those who had the intervention have one.
    """
    is_after_intervention = visit is not None and visit.anchor == Visit.Anchor.INTERVENTION_END
    return rule in ARM_TELLING_RULES or (bool(rule) and is_after_intervention)


class Deviation(models.Model):
    """A departure from the protocol, of one participant, a site, or the whole trial (both null).

    `rule` names the automatic rule that found it, where somebody confirmed what was computed. Amended with a reason and
    never removed: one that was recorded in error is void and says so.
    """

    class Category(models.TextChoices):
        ELIGIBILITY = "eligibility", _("Eligibility")
        CONSENT = "consent", _("Consent")
        RANDOMIZATION = "randomization", _("Randomization")
        INTERVENTION = "intervention", _("Intervention")
        VISIT_TIMING = "visit_timing", _("Timing of a visit")
        ASSESSMENT = "assessment", _("Assessment")
        BLINDING = "blinding", _("Blinding")
        OTHER = "other", _("Other")

    class Severity(models.TextChoices):
        MINOR = "minor", _("Minor")
        MAJOR = "major", _("Major (important)")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="deviations")
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="deviations")
    participant = models.ForeignKey(
        Participant, null=True, blank=True, on_delete=models.PROTECT, related_name="deviations"
    )
    visit = models.ForeignKey(Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="deviations")
    category = models.CharField(max_length=16, choices=Category.choices)
    severity = models.CharField(max_length=5, choices=Severity.choices)
    occurred_on = models.DateField()
    description = models.CharField(max_length=1000)
    action = models.CharField(max_length=1000, blank=True)
    # What was written says or hints at the arm: shown only where the arm may be seen.
    tells_arm = models.BooleanField(default=False)
    is_void = models.BooleanField(default=False)
    rule = models.CharField(max_length=40, blank=True)
    # Of the form that it was sent with, so that one that is sent twice records once.
    key = models.CharField(max_length=40, blank=True)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["-occurred_on", "-id"]
        indexes = [models.Index(fields=["trial", "occurred_on"], name="deviation_by_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "visit", "rule"],
                condition=~models.Q(rule=""),
                name="what_a_rule_found_is_confirmed_once",
            ),
            models.UniqueConstraint(
                fields=["trial", "key"], condition=~models.Q(key=""), name="a_deviation_form_records_once"
            ),
            models.CheckConstraint(
                condition=models.Q(participant=None) | models.Q(site__isnull=False),
                name="a_deviation_of_a_participant_has_their_site",
            ),
        ]

    def __str__(self) -> str:
        return f"Deviation {self.pk}"
