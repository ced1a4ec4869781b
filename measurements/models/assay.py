"""The laboratories' methods for biomarkers, each in versions."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from measurements.models.biomarker import Biomarker
from trials.models import Laboratory, Trial

DEFAULT_CV_LIMIT = 15
"""Per cent: what regulators ask of chromatographic assays, and stricter than their 20% for immunoassays."""


class Assay(models.Model):
    """A laboratory's method for a biomarker, in one version, with its limits in its own unit."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="assays")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="assays")
    biomarker = models.ForeignKey(Biomarker, on_delete=models.PROTECT, related_name="assays")
    code = models.SlugField(max_length=40)
    method = models.CharField(max_length=200, blank=True)
    version = models.CharField(max_length=40, default="1")
    unit = models.CharField(max_length=30)
    lower_limit_of_detection = models.DecimalField(max_digits=30, decimal_places=12, null=True, blank=True)
    lower_limit_of_quantification = models.DecimalField(max_digits=30, decimal_places=12, null=True, blank=True)
    upper_limit_of_quantification = models.DecimalField(max_digits=30, decimal_places=12, null=True, blank=True)
    intra_assay_cv = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True, help_text=_("Per cent"))
    inter_assay_cv = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True, help_text=_("Per cent"))
    replicate_cv_limit = models.DecimalField(
        max_digits=5, decimal_places=2, default=DEFAULT_CV_LIMIT, help_text=_("Per cent; above it replicates differ.")
    )
    valid_from = models.DateField(null=True, blank=True)
    valid_to = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["trial", "laboratory", "biomarker", "code"]
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "laboratory", "code", "version"], name="an_assay_version_is_unique_in_its_laboratory"
            ),
            models.CheckConstraint(condition=Q(replicate_cv_limit__gt=0), name="a_limit_of_replicates_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.code} ({self.version})"
