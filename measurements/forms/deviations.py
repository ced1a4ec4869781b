"""Deviations from the protocol: recording one, confirming what a rule found, and amending."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import Deviation, Site, Trial, Visit
from trials.services.deviations import Told


class ToldForm(forms.Form):
    """What is said of a deviation."""

    category = forms.ChoiceField(label=_("Category"), choices=[("", _("Choose one")), *Deviation.Category.choices])
    severity = forms.ChoiceField(
        label=_("Severity"),
        choices=Deviation.Severity.choices,
        widget=forms.RadioSelect,
        help_text=_(
            "Major: it may affect the completeness, accuracy or reliability of data, or rights, safety or well-being."
        ),
    )
    occurred_on = DayField(label=_("Occurred on"))
    description = forms.CharField(label=_("What happened"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3}))
    action = forms.CharField(
        label=_("Action taken"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    tells_arm = forms.BooleanField(
        label=_("What is written here says or hints at the arm"),
        required=False,
        help_text=_("It is then shown only to those who may see arms."),
    )

    def __init__(self, data: Any = None, *, tells_arm: bool = False, **options: Any) -> None:
        """With `tells_arm` the rule that found it hints at the arm, and the box stays ticked."""
        super().__init__(data, **options)
        if tells_arm:
            self.initial["tells_arm"] = True
            box = self.fields["tells_arm"]
            box.disabled = True
            box.help_text = _("The rule that found it hints at the arm: only those who may see arms see it.")

    @property
    def told(self) -> Told:
        """The deviation as the service takes it."""
        return Told(**{name: self.cleaned_data[name] for name in ToldForm.base_fields})


class DeviationForm(ToldForm):
    """A deviation that somebody saw: of a participant, a site, or the whole trial."""

    key = forms.CharField(max_length=40, widget=forms.HiddenInput, required=False)
    participant = forms.CharField(
        label=_("Participant"),
        max_length=40,
        required=False,
        help_text=_("The study code; empty for a site or the trial."),
    )
    site = forms.ModelChoiceField(Site.objects.none(), label=_("Site"), required=False, empty_label=_("Whole trial"))
    visit = forms.ModelChoiceField(Visit.objects.none(), label=_("Visit"), required=False, empty_label=_("No visit"))
    field_order = ("participant", "site", "visit")

    def __init__(self, trial: Trial, sites: set[int], data: Any = None) -> None:
        super().__init__(data, initial={"key": uuid.uuid4().hex})
        self._is_of_all_sites = len(sites) == trial.sites.count()
        if not self._is_of_all_sites:
            self.fields["site"].empty_label = _("The participant’s site")  # type: ignore[attr-defined]
        self.fields["site"].queryset = trial.sites.filter(pk__in=sites)  # type: ignore[attr-defined]
        self.fields["visit"].queryset = trial.visits.all()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Ask for a place of those who cannot record for the whole trial."""
        given = super().clean() or self.cleaned_data
        if not (self._is_of_all_sites or given.get("site") or given.get("participant") or self.errors):
            self.add_error("site", _("Choose a site or name a participant. Nothing was saved."))
        return given


class RevisionForm(ToldForm):
    """What is said of a deviation from now on, and why."""

    is_void = forms.BooleanField(label=_("It was recorded in error"), required=False)
    reason = forms.CharField(label=_("Reason for the change"), max_length=300)
