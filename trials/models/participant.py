"""Participants under their study codes, and what happened to them."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models.audit import AuditEvent, CurrentEvent
from trials.models.trial import Site, Trial, Visit


class ConsentForm(models.Model):
    """A version of the information sheet and consent form, with the scopes that are agreed to one by one."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="consent_forms")
    version = models.CharField(max_length=40)
    valid_from = models.DateField(null=True, blank=True)
    # [{"code": "biobank", "name": "...", "required": false}]; the trial itself is always the first, and required.
    scopes = models.JSONField(default=list)
    asks_again = models.BooleanField(
        default=False, help_text=_("Those who consented to an earlier version are asked again.")
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["trial", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "version"], name="a_consent_version_is_unique_in_its_trial")
        ]

    def __str__(self) -> str:
        return self.version


class Participant(models.Model):
    """A person under a study code; never a name here.

    The code is a screening code until consent, then the study code. Dates are unknown (null) only where a trial that
    was randomized elsewhere does not give them.
    """

    class State(models.TextChoices):
        SCREENED = "screened", _("Screened")
        CONSENTED = "consented", _("Consented")
        RANDOMIZED = "randomized", _("Randomized")
        COMPLETED = "completed", _("Completed")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        LOST_TO_FOLLOW_UP = "lost_to_follow_up", _("Lost to follow-up")
        DIED = "died", _("Died")
        EXCLUDED = "excluded", _("Excluded")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="participants")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="participants")
    code = models.CharField(max_length=40)
    screening_number = models.PositiveIntegerField(null=True, blank=True)
    number = models.PositiveIntegerField(null=True, blank=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.SCREENED)
    screened_on = models.DateField(null=True, blank=True)
    randomized_on = models.DateField(null=True, blank=True)
    # Levels of the stratification factors, {"site": "leeds", "sex": "F"}; fixed by randomization.
    strata = models.JSONField(default=dict)
    data_use_withdrawn = models.BooleanField(default=False)

    class Meta:
        ordering = ["trial", "number", "screening_number"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="a_participant_code_is_unique_in_its_trial"),
            models.UniqueConstraint(fields=["trial", "number"], name="a_participant_number_is_unique_in_its_trial"),
            models.UniqueConstraint(
                fields=["trial", "screening_number"], name="a_screening_number_is_unique_in_its_trial"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class ParticipantEvent(models.Model):
    """Something that happened to a participant. Append-only; CONSORT is counted from these.

    What was recorded by mistake is struck by a later row of the same kind that names it in `retracts` and says why:
    neither of the two counts any more (`selectors.events`).
    """

    class Kind(models.TextChoices):
        SCREENED = "screened", _("Screened")
        EXCLUDED = "excluded", _("Excluded")
        CONSENTED = "consented", _("Consented")
        RANDOMIZED = "randomized", _("Randomized")
        INTERVENTION_STARTED = "intervention_started", _("Intervention started")
        INTERVENTION_NOT_STARTED = "intervention_not_started", _("Intervention not started")
        INTERVENTION_DISCONTINUED = "intervention_discontinued", _("Intervention discontinued")
        FOLLOW_UP_WITHDRAWN = "follow_up_withdrawn", _("Withdrawn from follow-up")
        DATA_USE_WITHDRAWN = "data_use_withdrawn", _("Use of data withdrawn")
        LOST_TO_FOLLOW_UP = "lost_to_follow_up", _("Lost to follow-up")
        DIED = "died", _("Died")
        COMPLETED = "completed", _("Completed")
        RECONSENTED = "reconsented", _("Consented again")
        RECONSENT_DECLINED = "reconsent_declined", _("Declined to consent again")
        CONSENT_SCOPE_WITHDRAWN = "consent_scope_withdrawn", _("Part of the consent withdrawn")
        INTERVENTION_ENDED = "intervention_ended", _("Intervention ended as planned")
        CROSSED_OVER = "crossed_over", _("Crossed over from the waitlist")
        RANDOMIZED_IN_ERROR = "randomized_in_error", _("Randomized in error")
        UNBLINDED = "unblinded", _("Unblinded in an emergency")

    class ExclusionReason(models.TextChoices):
        INELIGIBLE = "ineligible", _("Not meeting criteria")
        DECLINED = "declined", _("Declined")
        OTHER = "other", _("Other reasons")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="participant_events")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    occurred_on = models.DateField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    detail = models.JSONField(default=dict)
    retracts = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="retracted_by", editable=False
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["trial", "kind"], name="participant_event_by_kind")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(retracts=None) | ~models.Q(reason=""), name="a_retraction_says_why"
            ),
            models.CheckConstraint(
                condition=models.Q(retracts=None) | ~models.Q(kind__in=["screened", "consented", "randomized"]),
                name="screening_consent_and_randomization_are_never_retracted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} on {self.occurred_on}"


ARM_TELLING = frozenset(
    {
        ParticipantEvent.Kind.INTERVENTION_STARTED,
        ParticipantEvent.Kind.INTERVENTION_NOT_STARTED,
        ParticipantEvent.Kind.INTERVENTION_DISCONTINUED,
        ParticipantEvent.Kind.INTERVENTION_ENDED,
        ParticipantEvent.Kind.CROSSED_OVER,
    }
)
"""Events that tell the arm as surely as its name: shown and counted only where the arm may be seen."""


class ParticipantIdentity(models.Model):
    """Who a participant is, for sites that keep it: one sealed text, readable with the identifiers' own key alone.

    Erased means that the ciphertext is gone and the row stays, so that the trail can say when.
    """

    participant = models.OneToOneField(Participant, on_delete=models.PROTECT, related_name="identity")
    ciphertext = models.BinaryField(default=b"")
    key_id = models.CharField(max_length=16, help_text=_("Which key it is sealed with: the beginning of its SHA-256."))
    recorded_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(erased_at=None) ^ models.Q(ciphertext=b""),
                name="an_identity_is_either_kept_or_erased",
            )
        ]

    def __str__(self) -> str:
        return f"identity {self.pk}"


class Attendance(models.Model):
    """What came of a planned visit: attended on a day, or missed with a reason; completed when its form is.

    `missed_category` is a listed reason, `missed_reason` says it in words. A locked visit names who locked it.
    """

    class Missed(models.TextChoices):
        DECLINED = "declined", _("Declined this visit")
        NOT_REACHED = "not_reached", _("Could not be reached")
        ILL = "ill", _("Ill or in hospital")
        AWAY = "away", _("Away or moved")
        NO_TIME = "no_time", _("No time")
        SITE = "site", _("The site could not hold it")
        OTHER = "other", _("Another reason")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="attendances")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="attendances")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="attendances")
    attended_on = models.DateField(null=True, blank=True)
    missed_category = models.CharField(max_length=12, choices=Missed.choices, blank=True)
    missed_reason = models.CharField(max_length=300, blank=True)
    note = models.CharField(max_length=300, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)
    locked_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["participant", "visit"], name="a_participant_attends_a_visit_once"),
            models.CheckConstraint(
                condition=models.Q(attended_on=None) ^ models.Q(missed_reason=""),
                name="a_visit_was_attended_or_missed_with_a_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(missed_category="") | ~models.Q(missed_reason=""),
                name="only_a_missed_visit_has_a_reason_from_the_list",
            ),
            models.CheckConstraint(
                condition=models.Q(locked_at=None) ^ ~models.Q(locked_by=""),
                name="a_locked_visit_names_who_locked_it",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} at {self.visit}"
