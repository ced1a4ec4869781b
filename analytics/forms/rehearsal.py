"""Asking for a rehearsal."""

from django import forms
from django.utils.translation import gettext_lazy as _

from analytics.models.rehearsal import FEWEST, MOST


class RehearsalForm(forms.Form):
    """How many people, and what is assumed of them."""

    participants = forms.IntegerField(
        min_value=FEWEST, max_value=MOST, label=_("Participants"), help_text=_("Randomized; some more are screened.")
    )
    effect = forms.FloatField(
        min_value=-3,
        max_value=3,
        initial=0,
        label=_("Assumed effect"),
        help_text=_("Standardized difference from the reference arm; positive = better function, 0 = no effect."),
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    attrition = forms.IntegerField(
        min_value=0, max_value=90, initial=10, label=_("Lost to follow-up, %"), help_text=_("Before the last visit.")
    )
