"""Therapists, therapy groups and who is in them."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import Site, Therapist, Trial

CODE_HELP = _("Letters, digits, - and _. Never a name.")


class _SiteForm(forms.Form):
    """What is made at one of the sites where the person may."""

    code = forms.CharField(max_length=20, label=_("Code"), help_text=CODE_HELP)
    site = forms.ModelChoiceField(queryset=Site.objects.none(), label=_("Site"), empty_label=None)

    def __init__(self, trial: Trial, sites: Iterable[int], data: Any = None) -> None:
        super().__init__(data)
        self.fields["site"].queryset = trial.sites.filter(pk__in=sites)  # type: ignore[attr-defined]


class TherapistForm(_SiteForm):
    """A therapist under a code."""

    prefix = "therapist"


class GroupForm(_SiteForm):
    """An empty therapy group."""

    prefix = "group"
    therapist = forms.ModelChoiceField(
        queryset=Therapist.objects.none(), required=False, label=_("Therapist"), empty_label=_("Not yet known")
    )

    def __init__(self, trial: Trial, sites: Iterable[int], data: Any = None) -> None:
        super().__init__(trial, sites, data)
        active = trial.therapists.filter(site__in=sites, is_active=True)
        self.fields["therapist"].queryset = active  # type: ignore[attr-defined]


class JoinForm(forms.Form):
    """Who joins a group, and when."""

    participant = forms.CharField(max_length=40, label=_("Participant"), help_text=_("Study code."))
    on = DayField(label=_("Joins on"), initial=timezone.localdate)


class CloseForm(forms.Form):
    """Closing a group: nothing to enter, and a place for the refusal."""


class LeaveForm(forms.Form):
    """When a member left, and why."""

    on = DayField(label=_("Left on"), initial=timezone.localdate)
    reason = forms.CharField(max_length=300, label=_("Why they left"))


class GroupStrataForm(forms.Form):
    """The group's level of every stratification factor other than the site."""

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        for factor in trial.factors.filter(is_site=False):
            self.fields[factor.code] = forms.ChoiceField(
                choices=[("", _("Choose")), *((level["code"], level["name"]) for level in factor.levels)],
                label=factor.name,
            )
