"""Assays: the filters of the list, and what is said of a version."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from measurements.models import Assay, Biomarker
from measurements.models.assay import DEFAULT_CV_LIMIT
from measurements.services.assays import Limits, Precision
from trials.forms.fields import DayField
from trials.models import Laboratory, Trial

LIMIT: dict[str, Any] = {"required": False, "min_value": 0, "max_digits": 30, "decimal_places": 12}
PERCENT: dict[str, Any] = {"min_value": 0, "max_value": 100, "max_digits": 5, "decimal_places": 2}


class VersionForm(forms.Form):
    """What may be put right of a version."""

    method = forms.CharField(label=_("Method"), max_length=200, required=False, help_text=_("As bead array, kit name."))
    unit = forms.CharField(label=_("Unit"), max_length=30, help_text=_("As pg/mL. The limits are in this unit."))
    detection = forms.DecimalField(label=_("Lower limit of detection (LLOD)"), **LIMIT)
    quantification = forms.DecimalField(label=_("Lower limit of quantification (LLOQ)"), **LIMIT)
    upper = forms.DecimalField(label=_("Upper limit of quantification (ULOQ)"), **LIMIT)
    intra = forms.DecimalField(label=_("Intra-assay CV, %"), required=False, **PERCENT)
    inter = forms.DecimalField(label=_("Inter-assay CV, %"), required=False, **PERCENT)
    limit = forms.DecimalField(
        label=_("Replicates may differ by a CV of, %"),
        initial=DEFAULT_CV_LIMIT,
        help_text=_("Above it a query is opened."),
        **PERCENT,
    )
    valid_to = DayField(label=_("Valid to"), required=False, help_text=_("The last day of runs; empty while in use."))

    @property
    def described(self) -> dict[str, Any]:
        """What is said of the version, as the services take it."""
        given = self.cleaned_data
        return {
            "method": given["method"],
            "unit": given["unit"],
            "limits": Limits(given["detection"], given["quantification"], given["upper"]),
            "precision": Precision(given["intra"], given["inter"], given["limit"]),
            "valid_to": given["valid_to"],
        }


class NewAssayForm(VersionForm):
    """An assay of a laboratory, or a new version of one."""

    biomarker = forms.ModelChoiceField(Biomarker.objects.none(), label=_("Biomarker"))
    laboratory = forms.ModelChoiceField(Laboratory.objects.none(), label=_("Laboratory"))
    code = forms.SlugField(max_length=40, label=_("Code"), help_text=_("As il6-elisa: what results name it by."))
    version = forms.CharField(max_length=40, label=_("Version"), initial="1", help_text=_("Another for new limits."))
    valid_from = DayField(
        label=_("Valid from"), required=False, help_text=_("The first day of runs. An open earlier version ends then.")
    )
    field_order = ("biomarker", "laboratory", "code", "version", "valid_from", "valid_to", "method", "unit")

    def __init__(self, trial: Trial, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["biomarker"].queryset = trial.biomarkers.all()  # type: ignore[attr-defined]
        self.fields["laboratory"].queryset = laboratories_of(trial)  # type: ignore[attr-defined]

    @property
    def assay(self) -> dict[str, Any]:
        """The arguments of the service."""
        names = ("biomarker", "laboratory", "code", "version", "valid_from")
        return {name: self.cleaned_data[name] for name in names} | self.described


class RevisionForm(VersionForm):
    """A version put right."""

    reason = forms.CharField(
        label=_("Reason for the change"),
        max_length=300,
        required=False,
        help_text=_("Needed where results were judged by these limits. What was recorded keeps its limits."),
    )


def laboratories_of(trial: Trial) -> Any:
    """Return the laboratories that deliver to the trial."""
    return Laboratory.objects.filter(deliveries__trial=trial, deliveries__ended_at=None).order_by("name")


def initial_of(assay: Assay) -> dict[str, Any]:
    """Return what the form of a version starts from."""
    return {
        "method": assay.method,
        "unit": assay.unit,
        "detection": _plain(assay.lower_limit_of_detection),
        "quantification": _plain(assay.lower_limit_of_quantification),
        "upper": _plain(assay.upper_limit_of_quantification),
        "intra": _plain(assay.intra_assay_cv),
        "inter": _plain(assay.inter_assay_cv),
        "limit": _plain(assay.replicate_cv_limit),
        "valid_to": assay.valid_to,
    }


def _plain(value: Any) -> str | None:
    return None if value is None else f"{value.normalize():f}"
