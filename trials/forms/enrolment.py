"""The steps of enrolment: screening, consent or exclusion, strata."""

import secrets
from collections.abc import Iterable
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.consent import OPTIONAL, add_optional_scopes, agreed_scopes
from trials.forms.fields import DayField
from trials.models import ConsentForm as Version
from trials.models import Criterion, Participant, ParticipantEvent, Site, Trial

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
        self._criteria = list(trial.criteria.all())
        for criterion in self._criteria:
            self.fields[f"{CRITERION}{criterion.code}"] = forms.ChoiceField(
                choices=YES_OR_NO, widget=forms.RadioSelect, label=criterion.text
            )

    @property
    def place(self) -> list[BoundField]:
        """Where and when."""
        return [self["site"], self["screened_on"]]

    @property
    def inclusion(self) -> list[BoundField]:
        """The criteria that must all be answered yes."""
        return self._of(Criterion.Kind.INCLUSION)

    @property
    def exclusion(self) -> list[BoundField]:
        """The criteria that must all be answered no."""
        return self._of(Criterion.Kind.EXCLUSION)

    def _of(self, kind: str) -> list[BoundField]:
        return [self[f"{CRITERION}{each.code}"] for each in self._criteria if each.kind == kind]

    @property
    def eligibility(self) -> dict[str, bool]:
        """The answer to every criterion by its code."""
        return {each.code: self.cleaned_data[f"{CRITERION}{each.code}"] == "yes" for each in self._criteria}


class ConsentForm(forms.Form):
    """When a person consented, to which version of the information sheet, and to which of its optional parts.

    Offered is the version that is valid today; one that was valid on an earlier day of consent can be chosen.
    """

    consented_on = DayField(label=_("Consented on"), initial=timezone.localdate)

    def __init__(self, trial: Trial, valid: Version | None, data: Any = None) -> None:
        super().__init__(data)
        versions = [form.version for form in trial.consent_forms.all()]
        self._valid = valid
        if versions:
            self.fields["version"] = forms.ChoiceField(
                choices=[(each, each) for each in reversed(versions)],
                initial=valid.version if valid else versions[-1],
                label=_("Version of the information sheet"),
                help_text=_("The one that was valid on the day of consent."),
            )
        else:
            self.fields["version"] = forms.CharField(max_length=40, label=_("Version of the information sheet"))
        add_optional_scopes(self, list(trial.consent_forms.all()), valid)

    @property
    def scopes(self) -> list[BoundField]:
        """The optional parts, each answered on its own."""
        return [self[name] for name in self.fields if name.startswith(OPTIONAL)]

    @property
    def agreed(self) -> list[str]:
        """The codes of the scopes that the person agreed to, taking part first."""
        return agreed_scopes(self)


class ExcludeForm(forms.Form):
    """Why a person is not randomized."""

    reason = forms.ChoiceField(
        choices=[("", _("Choose")), *reversed(ParticipantEvent.ExclusionReason.choices)], label=_("Reason")
    )
    unmet = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label=_("Which criteria, where they are not met")
    )
    note = forms.CharField(required=False, max_length=300, label=_("In a few words, without names"))

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        criteria = [(each.code, each.text) for each in trial.criteria.all()]
        self.fields["unmet"].choices = criteria  # type: ignore[attr-defined]
        if not criteria:
            del self.fields["unmet"]

    def clean(self) -> dict[str, Any]:
        """Criteria go with the reason that they are not met, and with no other."""
        given = super().clean() or self.cleaned_data
        ineligible = given.get("reason") == ParticipantEvent.ExclusionReason.INELIGIBLE
        if "unmet" in self.fields and ineligible and not given.get("unmet"):
            self.add_error("unmet", _("Choose the criteria that are not met."))
        if not ineligible:
            given["unmet"] = []
        return given


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
