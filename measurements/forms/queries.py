"""Asking, answering and closing queries."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from measurements.models import Biomarker
from measurements.services.queries import LONGEST_TEXT
from trials.models import Trial, Visit

ABOUT_NOTHING = _("Nothing in particular")


class OpenQueryForm(forms.Form):
    """What a query is about, and the question."""

    visit = forms.ModelChoiceField(
        queryset=Visit.objects.none(), required=False, to_field_name="code", label=_("Visit"), empty_label=ABOUT_NOTHING
    )
    biomarker = forms.ModelChoiceField(
        queryset=Biomarker.objects.none(),
        required=False,
        to_field_name="code",
        label=_("Value of"),
        empty_label=ABOUT_NOTHING,
    )
    question = forms.CharField(
        max_length=LONGEST_TEXT,
        label=_("Question"),
        help_text=_("Without names, and without saying or asking for an arm."),
    )

    def __init__(self, trial: Trial, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["visit"].queryset = trial.visits.all()  # type: ignore[attr-defined]
        self.fields["biomarker"].queryset = Biomarker.objects.filter(trial=trial)  # type: ignore[attr-defined]

    def clean(self) -> None:
        """A value is one of a visit."""
        if self.cleaned_data.get("biomarker") and not self.cleaned_data.get("visit"):
            self.add_error("visit", _("Choose the visit at which this was measured."))


class SaidForm(forms.Form):
    """An answer, or a reason."""

    reason = forms.CharField(
        required=False, max_length=LONGEST_TEXT, label=_("Answer or reason"), help_text=_("Without names or arms.")
    )
