"""Choosing what a trial measures, and recording a laboratory's method with its limits."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from measurements.catalogue import CATALOGUE, Definition
from measurements.models import Biomarker
from measurements.services.assays import Limits
from measurements.units.spelling import readable_unit
from trials.models import Laboratory, Trial

CLASS_NAMES = dict(Biomarker.OutcomeClass.choices)


class CatalogueForm(forms.Form):
    """Biomarkers of the catalogue that the trial does not measure yet, by outcome class."""

    codes = forms.MultipleChoiceField(label="", widget=forms.CheckboxSelectMultiple)

    def __init__(self, measured: Iterable[str], data: Any = None) -> None:
        super().__init__(data)
        taken = set(measured)
        offered = [definition for definition in CATALOGUE.values() if definition.code not in taken]
        self.fields["codes"].choices = [  # type: ignore[attr-defined]
            (CLASS_NAMES[outcome_class], [(each.code, f"{each.name}, {readable_unit(each.unit)}") for each in group])
            for outcome_class, group in groupby(
                sorted(offered, key=lambda each: list(CLASS_NAMES).index(each.outcome_class)),
                key=lambda each: each.outcome_class,
            )
        ]


class OwnBiomarkerForm(forms.Form):
    """A biomarker of the trial's own."""

    name = forms.CharField(max_length=120, label=_("Name"))
    code = forms.RegexField(r"^[A-Z][A-Z0-9_]{0,19}$", label=_("Code"), help_text=_("As IL6: capitals and digits."))
    outcome_class = forms.ChoiceField(choices=Biomarker.OutcomeClass.choices, label=_("Outcome class"))
    direction = forms.ChoiceField(choices=Biomarker.Direction.choices, label=_("More of it is"))
    analysis_scale = forms.ChoiceField(choices=Biomarker.Scale.choices, label=_("Analysed as"))
    unit = forms.CharField(max_length=30, label=_("Unit"), help_text=_("As pg/mL. Values are stored in this unit."))
    low = forms.DecimalField(required=False, label=_("Plausible from"))
    high = forms.DecimalField(required=False, label=_("Plausible to"))

    @property
    def definition(self) -> Definition:
        """The biomarker as the service takes it."""
        given = self.cleaned_data
        has_range = given["low"] is not None and given["high"] is not None
        return Definition(
            given["code"],
            given["name"],
            given["outcome_class"],
            given["unit"],
            plausible=(str(given["low"]), str(given["high"])) if has_range else None,
            direction=given["direction"],
            analysis_scale=given["analysis_scale"],
        )

    def clean(self) -> dict[str, Any]:
        """Check that the range, where one is given, has both ends in order."""
        given: dict[str, Any] = super().clean() or {}
        low, high = given.get("low"), given.get("high")
        if (low is None) != (high is None):
            self.add_error("high", _("Give both ends of the range, or neither."))
        elif low is not None and high is not None and low > high:
            self.add_error("high", _("The range ends before it begins."))
        return given


class AssayForm(forms.Form):
    """A laboratory's method for a biomarker, with its limits in its own unit."""

    biomarker = forms.ModelChoiceField(Biomarker.objects.none(), label=_("Biomarker"))
    laboratory = forms.ModelChoiceField(Laboratory.objects.none(), label=_("Laboratory"))
    code = forms.SlugField(max_length=40, label=_("Code"), help_text=_("As il6-elisa: what the laboratory calls it."))
    unit = forms.CharField(max_length=30, label=_("Unit"))
    detection = forms.DecimalField(required=False, min_value=0, label=_("Lower limit of detection"))
    quantification = forms.DecimalField(required=False, min_value=0, label=_("Lower limit of quantification"))
    upper = forms.DecimalField(required=False, min_value=0, label=_("Upper limit of quantification"))

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        laboratories = Laboratory.objects.filter(deliveries__trial=trial, deliveries__ended_at=None)
        self.fields["biomarker"].queryset = trial.biomarkers.all()  # type: ignore[attr-defined]
        self.fields["laboratory"].queryset = laboratories  # type: ignore[attr-defined]

    @property
    def assay(self) -> dict[str, Any]:
        """The arguments of the service."""
        given = self.cleaned_data
        limits = Limits(given["detection"], given["quantification"], given["upper"])
        return {name: given[name] for name in ("biomarker", "laboratory", "code", "unit")} | {"limits": limits}
