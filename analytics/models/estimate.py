"""Analysis plans, and what was computed under them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from measurements.models import Biomarker
from trials.models import AuditEvent, Trial, Visit
from trials.models.audit import CurrentEvent

POOLED = ""
"""In place of an arm: all arms together, which is what a blinded person may see."""


class AnalysisPlan(models.Model):
    """The estimands of a trial in one version. Append-only; the newest version counts."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="plans")
    version = models.PositiveSmallIntegerField()
    specification = models.JSONField()
    sha256 = models.CharField(max_length=64)
    # Set on the one version that was sealed with the trial's registration.
    frozen_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["trial", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "version"], name="a_plan_version_is_unique_in_its_trial"),
            models.UniqueConstraint(fields=["trial"], condition=~Q(frozen_at=None), name="a_trial_registers_one_plan"),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"


class EstimateRun(models.Model):
    """All estimates of a trial at one data version, or why there are none. Append-only."""

    class State(models.TextChoices):
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="estimate_runs")
    plan = models.ForeignKey(AnalysisPlan, on_delete=models.PROTECT, related_name="runs")
    data_version = models.BigIntegerField()
    method_version = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State.choices)
    failure = models.TextField(blank=True)
    result_count = models.IntegerField(default=0)
    inputs_sha256 = models.CharField(max_length=64, blank=True)
    software = models.CharField(max_length=120)
    after_unlock = models.BooleanField(default=False, help_text=_("Computed after locked data had been opened again."))
    computed_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "data_version", "plan", "method_version"],
                condition=Q(state="finished"),
                name="a_run_is_finished_once_per_version",
            )
        ]
        indexes = [models.Index(fields=["trial", "-data_version"], name="estimate_run_by_version")]

    def __str__(self) -> str:
        return f"{self.trial} at {self.data_version}"


class EffectEstimate(models.Model):
    """Biomarker x visit x estimand x method: a value with its interval, or why there is none. Append-only."""

    run = models.ForeignKey(EstimateRun, on_delete=models.PROTECT, related_name="estimates")
    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="estimates")
    biomarker = models.ForeignKey(Biomarker, on_delete=models.PROTECT, related_name="estimates")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="estimates")
    population = models.CharField(max_length=20)
    missing = models.CharField(max_length=20)
    role = models.CharField(max_length=12)
    method = models.CharField(max_length=20)
    measure = models.CharField(max_length=30)
    arm = models.CharField(max_length=20)
    reference_arm = models.CharField(max_length=20)
    estimate = models.FloatField(null=True)
    standard_error = models.FloatField(null=True)
    df = models.FloatField(null=True)
    ci_low = models.FloatField(null=True)
    ci_high = models.FloatField(null=True)
    p_value = models.FloatField(null=True)
    p_holm = models.FloatField(null=True)
    p_bh = models.FloatField(null=True)
    oriented_estimate = models.FloatField(null=True)
    n = models.JSONField()
    n_randomized = models.JSONField()
    not_estimable_code = models.CharField(max_length=40, blank=True)
    not_estimable = models.CharField(max_length=400, blank=True)
    formula = models.CharField(max_length=400, blank=True)
    notes = models.JSONField(default=list)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "biomarker", "visit", "population", "missing", "method", "measure", "arm"],
                name="an_estimate_is_given_once_per_run",
            ),
            models.CheckConstraint(
                condition=Q(estimate=None) ^ Q(not_estimable_code=""), name="an_estimate_has_a_value_or_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.measure} {self.arm}"


class ArmDescription(models.Model):
    """Descriptive statistics of one biomarker at one visit in one arm, or in all (`POOLED`). Append-only."""

    run = models.ForeignKey(EstimateRun, on_delete=models.PROTECT, related_name="descriptions")
    biomarker = models.ForeignKey(Biomarker, on_delete=models.PROTECT, related_name="+")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="+")
    arm = models.CharField(max_length=20)
    numbers = models.JSONField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "biomarker", "visit", "arm"], name="an_arm_is_described_once_per_run"
            )
        ]

    def __str__(self) -> str:
        return f"{self.biomarker} {self.visit} {self.arm}"
