"""The steps of enrolment: screening, consent or exclusion, strata."""

import secrets
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import Participant, ParticipantEvent, Site, Trial

YES_OR_NO = [("yes", _("Yes")), ("no", _("No"))]
CRITERION = "criterion_"


def _one_time_key() -> str:
    return secrets.token_urlsafe(16)


class ScreenForm(forms.Form):
    """Where and when a person was assessed, and the answer to every criterion."""

    key = forms.CharField(max_length=40, widget=forms.HiddenInput, initial=_one_time_key)
    site = forms.ModelChoiceField(queryset=Site.objects.none(), label=_("Site"), empty_label=None)
    screened_on = DayField(label=_("Screened on"), initial=timezone.localdate)

    def __init__(self, trial: Trial, sites: Iterable[int], data: Any = None) -> None:
        super().__init__(data)
        self.fields["site"].queryset = trial.sites.filter(pk__in=sites)  # type: ignore[attr-defined]
        for criterion in trial.criteria.all():
            self.fields[f"{CRITERION}{criterion.code}"] = forms.ChoiceField(
                choices=YES_OR_NO, widget=forms.RadioSelect, label=criterion.text
            )

    @property
    def has_criteria(self) -> bool:
        """Whether there is anything to answer."""
        return any(name.startswith(CRITERION) for name in self.fields)

    @property
    def eligibility(self) -> list[bool]:
        """The answers in the order of the criteria."""
        return [answer == "yes" for name, answer in self.cleaned_data.items() if name.startswith(CRITERION)]


class ConsentForm(forms.Form):
    """When a person consented, and to which version of the information sheet."""

    consented_on = DayField(label=_("Consented on"), initial=timezone.localdate)
    version = forms.CharField(max_length=40, label=_("Version of the information sheet"))


class ExcludeForm(forms.Form):
    """Why a person is not randomized."""

    reason = forms.ChoiceField(
        choices=[choice for choice in ParticipantEvent.ExclusionReason.choices if choice[0] != "ineligible"],
        label=_("Reason"),
    )
    note = forms.CharField(required=False, max_length=300, label=_("In a few words, without names"))


class StrataForm(forms.Form):
    """The level of every stratification factor other than the site."""

    def __init__(self, participant: Participant, data: Any = None) -> None:
        super().__init__(data)
        for factor in participant.trial.factors.filter(is_site=False):
            self.fields[factor.code] = forms.ChoiceField(
                choices=[("", _("Choose")), *((level["code"], level["name"]) for level in factor.levels)],
                label=factor.name,
            )

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """Factor and level in words, for the last look before randomizing."""
        return [
            (str(field.label), str(dict(field.choices)[self.cleaned_data[name]]))  # type: ignore[attr-defined]
            for name, field in self.fields.items()
        ]
