"""Measurable quantities of a trial."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trials.models import Trial


class Biomarker(models.Model):
    """A quantity that a trial measures, chosen from the catalogue or the trial's own."""

    class OutcomeClass(models.TextChoices):
        PROINFLAMMATORY = "proinflammatory", _("Proinflammatory")
        ANTIINFLAMMATORY = "antiinflammatory", _("Anti-inflammatory")
        ANTIBODY = "antibody", _("Antibody")
        IMMUNE_CELL_COUNT = "immune_cell_count", _("Immune cell count")
        NK_CYTOTOXICITY = "nk_cytotoxicity", _("NK cytotoxicity")
        VIRAL_LOAD = "viral_load", _("Viral load")
        OTHER_IMMUNE = "other_immune", _("Other immune")
        HPA_AXIS = "hpa_axis", _("HPA axis")
        OXYTOCIN = "oxytocin", _("Oxytocin")
        STRESS = "stress", _("Stress")
        NON_SPECIFIC = "non_specific", _("Non-specific factor")
        CLINICAL = "clinical", _("Clinical")

    class Direction(models.TextChoices):
        BENEFICIAL = "beneficial", _("Beneficial: more is better")
        HARMFUL = "harmful", _("Harmful: less is better")
        NEUTRAL = "neutral", _("Neutral")

    class Scale(models.TextChoices):
        LOG = "log", _("Natural logarithm")
        IDENTITY = "identity", _("As measured")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="biomarkers")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    outcome_class = models.CharField(max_length=20, choices=OutcomeClass.choices)
    direction = models.CharField(max_length=10, choices=Direction.choices)
    analysis_scale = models.CharField(max_length=10, choices=Scale.choices, default=Scale.LOG)
    unit = models.CharField(max_length=30, help_text=_("UCUM; what values are stored and analysed in."))
    molar_mass = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True, help_text=_("g/mol"))
    plausible_low = models.DecimalField(max_digits=30, decimal_places=12, null=True, blank=True)
    plausible_high = models.DecimalField(max_digits=30, decimal_places=12, null=True, blank=True)
    may_be_negative = models.BooleanField(default=False)
    aliases = models.JSONField(default=list, blank=True)
    specimen_type = models.CharField(max_length=20, default="serum")
    is_awaited = models.BooleanField(
        default=True,
        help_text=_("Whether everybody is expected to have it; what only a therapy can bring is awaited of nobody."),
    )
    tells_arm = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Whether only people with a therapy have it; its values are shown where the arm may be seen."),
    )
    loinc = models.CharField(max_length=12, blank=True)
    loinc_source = models.CharField(max_length=200, blank=True)
    loinc_verified = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["trial", "position", "code"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="a_biomarker_code_is_unique_in_its_trial"),
            models.CheckConstraint(
                condition=Q(tells_arm=False) | Q(is_awaited=False), name="what_tells_an_arm_is_awaited_of_nobody"
            ),
            models.CheckConstraint(
                condition=Q(plausible_low=None) | Q(plausible_high=None) | Q(plausible_low__lte=F("plausible_high")),
                name="a_plausible_range_is_not_upside_down",
            ),
        ]

    def __str__(self) -> str:
        return self.name
