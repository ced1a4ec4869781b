"""Rehearsals: a copy of a trial that simulated people go through before the first participant."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models import Trial, User

FEWEST, MOST = 8, 300


class Rehearsal(models.Model):
    """One rehearsal of a trial: what was assumed, and how far the worker is.

    `trial` is the real one, `copy` the trial that simulated people are in. A worker holds it until `claimed_until`
    and does a few people at a time, so that other work is never kept waiting for long.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="rehearsal_jobs")
    number = models.PositiveSmallIntegerField()
    copy = models.OneToOneField(Trial, null=True, on_delete=models.PROTECT, related_name="rehearsal_job")
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    participants = models.PositiveSmallIntegerField(validators=[MinValueValidator(FEWEST), MaxValueValidator(MOST)])
    effect = models.FloatField(default=0.0, help_text=_("Assumed standardized difference, positive = better function."))
    attrition = models.FloatField(default=0.1, help_text=_("Share that is lost before the last visit."))
    seed = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="rehearsal_by_state")]
        constraints = [
            models.UniqueConstraint(fields=["trial", "number"], name="a_rehearsal_number_is_unique_in_its_trial"),
            models.CheckConstraint(
                condition=Q(participants__gte=FEWEST, participants__lte=MOST), name="a_rehearsal_has_8_to_300_people"
            ),
            models.CheckConstraint(
                condition=Q(attrition__gte=0, attrition__lte=0.9), name="somebody_stays_in_a_rehearsal"
            ),
        ]

    def __str__(self) -> str:
        return f"rehearsal {self.number}"

    @property
    def percent(self) -> int:
        """Return how much of it is done, from 0 to 100."""
        return min(100, round(100 * self.progress / self.participants))
