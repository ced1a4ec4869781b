"""What a grid of batch entry is made for: a visit, biomarkers, and what they have in common."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from measurements.models import Biomarker
from measurements.selectors.grid import MOST_COLUMNS, GridWish
from trials.forms.fields import DayField
from trials.models import Site, Trial, Visit


class GridForm(forms.Form):
    """The choice that the address of a grid holds."""

    visit = forms.ModelChoiceField(
        Visit.objects.none(), to_field_name="code", label=_("Visit"), empty_label=_("Choose a visit")
    )
    biomarker = forms.ModelMultipleChoiceField(
        Biomarker.objects.none(),
        to_field_name="code",
        label=_("Biomarkers"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A column for each, in the order of the trial."),
    )
    site = forms.ModelChoiceField(
        Site.objects.none(), to_field_name="code", required=False, label=_("Site"), empty_label=_("All my sites")
    )
    run = forms.CharField(max_length=64, required=False, label=_("Run or plate"))
    performed_on = DayField(required=False, label=_("Measured on"))
    everybody = forms.BooleanField(
        required=False, label=_("Everybody in the trial"), help_text=_("Not only those who are due at this visit.")
    )
    changes = forms.BooleanField(
        required=False, label=_("Change recorded values"), help_text=_("They become corrections, with one reason.")
    )
    twice = forms.BooleanField(
        required=False,
        label=_("Enter every value twice"),
        help_text=_("Two people type, neither sees the other's values; what differs is settled before it is recorded."),
    )
    page = forms.IntegerField(required=False, min_value=1, max_value=100_000, widget=forms.HiddenInput)

    def __init__(self, trial: Trial, sites: list[Site], data: Any = None) -> None:
        super().__init__(data)
        self.fields["visit"].queryset = trial.visits.all()  # type: ignore[attr-defined]
        self.fields["biomarker"].queryset = Biomarker.objects.filter(trial=trial)  # type: ignore[attr-defined]
        self.fields["site"].queryset = trial.sites.filter(pk__in=[site.pk for site in sites])  # type: ignore[attr-defined]

    def clean_biomarker(self) -> Any:
        """Refuse more columns than a page can hold."""
        chosen = self.cleaned_data["biomarker"]
        if len(chosen) > MOST_COLUMNS:
            raise forms.ValidationError(_("Choose at most %(most)s biomarkers."), params={"most": MOST_COLUMNS})
        return chosen

    @property
    def wish(self) -> GridWish:
        """The choice as the selector takes it; only when valid."""
        chosen = self.cleaned_data
        return GridWish(
            visit=chosen["visit"],
            biomarkers=tuple(chosen["biomarker"]),
            site=chosen["site"],
            run=chosen["run"].strip(),
            performed_on=chosen["performed_on"],
            with_all=chosen["everybody"],
            changes=chosen["changes"],
            page=chosen["page"] or 1,
        )
